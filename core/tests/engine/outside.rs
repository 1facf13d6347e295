//! Outside a runtime, and what an error says of its causes.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};

use crate::common::{HOUR, MINUTE, Remote, answer, builder, every_store, plain, said, there};
use larder_core::{Backend, Cache, Clock, ErrorKind, Key, Ttl, backend::NullBackend, layer::Deadline};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, without any runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park_timeout(MINUTE);
    }
}

/// E38: outside a runtime every verb does its work, under a deadline or not, and a load is a typed error.
#[test]
fn outside_a_runtime_every_verb_works_and_a_load_is_an_error() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for deadline in [false, true] {
            let store: Arc<dyn Backend> = if deadline {
                Arc::new(Deadline::new(store.clone(), "store", MINUTE))
            } else {
                store.clone()
            };
            let policy = plain()
                .sliding(Ttl::Never)
                .early_refresh(0.5)
                .stale_while_revalidate(HOUR)
                .lease(MINUTE)
                .soft_deadline(MINUTE)
                .hard_deadline(2 * MINUTE);
            let cache: Cache<u64> = builder(store, &clock, policy).build().unwrap();
            block_on(async {
                let keys = [Key::new("a"), Key::new("b"), Key::new("c")];
                assert!(!cache.delete(&keys[0]).await.unwrap(), "{name}");
                let missing = said(cache.get_or_load(&keys[0], answer(1)).await);
                assert_eq!(missing, Err(ErrorKind::NoRuntime), "{name}, deadline {deadline}");
                let load = |missing: Vec<Key>| async move {
                    Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 1_u64)))
                };
                let many = cache.get_or_load_many(&keys, load).await.unwrap();
                assert_eq!(many.failures().count(), 3, "{name}");
                assert!(many.failures().all(|(_, error)| error.kind() == ErrorKind::NoRuntime), "{name}");

                cache.at(&keys[0]).tag("t").set(1).await.unwrap();
                assert!(cache.add(&keys[1], 2).await.unwrap());
                assert!(cache.replace(&keys[1], 3).await.unwrap());
                for written in cache.set_many(keys.iter().map(|key| (key.clone(), 4))).await.unwrap() {
                    written.unwrap();
                }
                assert_eq!(
                    said(cache.get_or_load(&keys[0], answer(9)).await),
                    Ok(4),
                    "{name}: a hit needs none"
                );
                assert_eq!(cache.get_or_load_many(&keys, load).await.unwrap().found().count(), 3, "{name}");
                assert_eq!(cache.get_many(&keys).await.unwrap().found().count(), 3);
                // Sliding, an early refresh and a stale value need one in the background, and do without.
                clock.advance(6 * MINUTE);
                assert_eq!(said(cache.get_or_load(&keys[0], answer(9)).await), Ok(4), "{name}: early");
                assert_eq!(there(&cache, &keys[0]).await, Some(4), "{name}: slides");
                clock.advance(20 * MINUTE);
                assert_eq!(said(cache.get_or_load(&keys[1], answer(9)).await), Ok(4), "{name}: stale");
                cache.set(&keys[0], 5).await.unwrap();
                assert!(cache.touch(&keys[0], HOUR).await.unwrap());
                assert!(cache.expire(&keys[0]).await.unwrap());
                cache.set(&keys[0], 6).await.unwrap();
                assert_eq!(cache.take(&keys[0]).await.unwrap().map(|value| *value), Some(6));
                cache.at(&keys[0]).tag("t").set(7).await.unwrap();
                cache.invalidate_tag("t").await.unwrap();
                assert_eq!(there(&cache, &keys[0]).await, None, "{name}");
                cache.expire_tag("t").await.unwrap();
                cache.clear().await.unwrap();
                cache.delete_many(&keys).await.unwrap();
            });
        }
    }
}

/// E38: and after a runtime has ended, what it left behind is no obstacle.
#[test]
fn a_runtime_that_has_ended_leaves_no_obstacle() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = builder(store, &clock, plain()).build().unwrap();
        let key = Key::new("k");
        for round in 0..5 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let load = cache.at(&key).tag(format!("t{round}")).fresh().get_or_load(answer(round));
            assert_eq!(said(runtime.block_on(load)), Ok(round), "{name}");
            drop(runtime);
            assert_eq!(block_on(there(&cache, &key)), Some(round), "{name}");
            block_on(cache.invalidate_tag("other")).unwrap();
        }
    }
}

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer words")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inner words")
    }
}

impl StdError for Inner {}

fn count(text: &str, of: &str) -> usize {
    text.matches(of).count()
}

/// E40: the loader's error is found among the sources, through a boxed error and through caches in caches.
#[tokio::test]
async fn the_loaders_error_is_found_among_the_sources() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = builder(store, &clock, plain()).build().unwrap();
        let error = cache.get_or_load(&Key::new("k"), || async { Err(Outer(Inner)) }).await.unwrap_err();
        assert!(error.load_error::<Outer>().is_some() && error.load_error::<Inner>().is_some(), "{name}");
        assert!(error.load_error::<fmt::Error>().is_none(), "{name}");
        let boxed = || async { Err::<u64, Box<dyn StdError + Send + Sync>>(Outer(Inner).into()) };
        let error = cache.get_or_load(&Key::new("k"), boxed).await.unwrap_err();
        assert!(error.load_error::<Outer>().is_some(), "{name}: boxed, as anyhow's are");

        let inner: Cache<u64> = builder(NullBackend::new(), &clock, plain()).build().unwrap();
        let nested = move || async move {
            inner.get_or_load(&Key::new("inner"), || async { Err(Outer(Inner)) }).await.map(|value| *value)
        };
        let error = cache.get_or_load(&Key::new("k"), nested).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load, "{name}");
        assert!(error.load_error::<Outer>().is_some(), "{name}: of a cache in a cache");
        assert_eq!(
            error.load_error::<larder_core::Error>().map(larder_core::Error::kind),
            Some(ErrorKind::Load)
        );
        let many = cache
            .get_or_load_many([&Key::new("k")], |_| async { Err::<Vec<(Key, u64)>, _>(Outer(Inner)) })
            .await
            .unwrap();
        assert!(many.failures().all(|(_, error)| error.load_error::<Outer>().is_some()), "{name}: of many");
        assert_eq!(many.failures().count(), 1);
    }
}

/// E40: `Display` is without the cause, which reports add: each cause is said once.
#[tokio::test]
async fn a_report_says_each_cause_once() {
    let clock = Clock::manual();
    let cache: Cache<u64> = builder(Remote::new(&clock), &clock, plain()).build().unwrap();
    let error = cache.get_or_load(&Key::new("k"), || async { Err(Outer(Inner)) }).await.unwrap_err();
    assert_eq!(count(&error.to_string(), "words"), 0, "{error}");
    // As anyhow and eyre print an error: itself, and its sources in turn.
    let mut report = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        report = format!("{report}\n{error}");
        source = error.source();
    }
    for text in [report, error.chain().to_string()] {
        assert_eq!((count(&text, "outer words"), count(&text, "inner words")), (1, 1), "{text}");
        assert_eq!(count(&text, "the loader failed"), 1, "{text}");
    }
}
