//! Values too large for the store: a conditional write that fails leaves what is there.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::sync::Arc;

use crate::common::{Gate, Local, MINUTE, Remote, Tokens, asked, cache, gated, plain, there};
use larder_core::{Backend, Cache, Clock, Error, ErrorKind, Key, backend::Capabilities};

/// E24: a load that has lost, with a value too large for the store, leaves what another process has set meanwhile.
#[tokio::test]
async fn a_lost_load_with_a_value_too_large_removes_nothing() {
    let clock = Clock::manual();
    for tokens in [Tokens::Revision, Tokens::Own] {
        for policy in [plain(), plain().lease(MINUTE)] {
            let store = Remote::with(&clock, tokens, Capabilities::shared().with_max_value(Some(1000)));
            let here: Cache<String> = cache(store.clone(), &clock, policy);
            let elsewhere: Cache<String> = cache(store.clone(), &clock, plain());
            let (key, gate) = (Key::new("k"), Gate::new());
            let load = asked(&here, &key, gated(&gate, "x".repeat(5000)));
            gate.reached_by(1).await;
            elsewhere.set(&key, "theirs".into()).await.unwrap();
            gate.open();
            assert_eq!(load.await.unwrap().unwrap().len(), 5000);
            assert_eq!(there(&elsewhere, &key).await.as_deref(), Some("theirs"), "{tokens:?}");
        }
    }
}

/// E24: nor does any conditional write that fails; an unconditional one removes what it could not replace.
#[tokio::test]
async fn a_conditional_write_that_is_too_large_leaves_what_is_there() {
    let clock = Clock::manual();
    let large = || "x".repeat(5000);
    let stores: [(&str, Arc<dyn Backend>); 2] = [
        ("in memory", Local::with_limit(&clock, 2000)),
        ("shared", Remote::with(&clock, Tokens::Own, Capabilities::shared().with_max_value(Some(1000)))),
    ];
    for (name, store) in stores {
        let cache: Cache<String> = cache(store, &clock, plain());
        let key = Key::new("k");
        cache.set(&key, "small".into()).await.unwrap();
        let held = cache.get(&key).await.unwrap().unwrap();
        let kind = |error: larder_core::Error| error.kind();
        assert_eq!(cache.replace(&key, large()).await.map_err(kind), Err(ErrorKind::TooLarge), "{name}");
        let swapped = cache.at(&key).compare_and_set(&held, large()).await.map_err(kind);
        assert_eq!(swapped, Err(ErrorKind::TooLarge), "{name}");
        assert!(matches!(cache.add(&key, large()).await.map_err(kind), Ok(false) | Err(ErrorKind::TooLarge)));
        assert_eq!(there(&cache, &key).await.as_deref(), Some("small"), "{name}");

        assert_eq!(cache.set(&key, large()).await.map_err(kind), Err(ErrorKind::TooLarge), "{name}");
        assert_eq!(there(&cache, &key).await, None, "{name}: it would be served as if it were current");
        let other = Key::new("other");
        cache.set(&other, "small".into()).await.unwrap();
        let written = cache.set_many([(key.clone(), "fits".into()), (other.clone(), large())]).await.unwrap();
        assert!(written[0].is_ok(), "{name}");
        assert_eq!(written[1].as_ref().map_err(Error::kind), Err(ErrorKind::TooLarge), "{name}");
        assert_eq!(there(&cache, &key).await.as_deref(), Some("fits"), "{name}");
        assert_eq!(there(&cache, &other).await, None, "{name}");
    }
}
