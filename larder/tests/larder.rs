//! A larder and its caches: which are the same, which cannot be, and how they end.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder::{
    Cache, Clock, Codec, Error, ErrorKind, Format, Key, Larder, Registry, Result,
    backend::NullBackend,
    codec::encode_error,
    format::{MessagePack, Visit},
    miss::Undecodable,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

fn with_null() -> Larder {
    let none: [(&str, &str); 0] = [];
    Larder::builder().environment(none).set("stores.main.backend", "null").build().unwrap()
}

#[tokio::test]
async fn the_same_name_is_the_same_cache() {
    let larder = with_null();
    let first: Cache<u64> = larder.cache("numbers").unwrap();
    let second: Cache<u64> = larder.clone().cache("numbers").unwrap();
    // One load in progress is shared by both.
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let loader = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        move || async move {
            begun.notify_one();
            go_on.notified().await;
            Ok::<_, Error>(7)
        }
    };
    let loading =
        tokio::spawn(async move { first.get_or_load(&Key::new("k"), loader).await.map(|found| *found) });
    begun.notified().await;
    let joining = {
        let second = second.clone();
        let loader = || async {
            Err::<u64, _>(Error::new(ErrorKind::Other, larder::error::Operation::Load, "second"))
        };
        tokio::spawn(async move { second.get_or_load(&Key::new("k"), loader).await.map(|found| *found) })
    };
    while second.stats().joined == 0 {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert_eq!((loading.await.unwrap().unwrap(), joining.await.unwrap().unwrap()), (7, 7));
    assert_eq!(second.stats().loads, 1);
}

#[test]
fn another_type_is_an_error() {
    let larder = with_null();
    let _: Cache<u64> = larder.cache("numbers").unwrap();
    let error = larder.cache::<String>("numbers").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "the cache \"numbers\" holds values of type u64, and cannot hold alloc::string::String as well"
    );
}

#[test]
fn two_names_for_one_namespace_are_an_error() {
    let larder = with_null();
    let with_namespace = |name: &str| larder.cache_with::<u64>(name, |cache| cache.namespace("numbers"));
    with_namespace("a").unwrap();
    let error = with_namespace("b").unwrap_err();
    assert!(
        error.message().starts_with("cache \"b\": the cache \"a\" has the namespace \"numbers\""),
        "{error}"
    );
    with_namespace("a").unwrap();
    larder.cache_with::<u64>("c", |cache| cache.namespace("numbers").schema(1)).unwrap();
}

#[tokio::test]
async fn closing_ends_every_store() {
    let larder = with_null();
    let cache: Cache<u64> = larder.cache("numbers").unwrap();
    larder.close().await.unwrap();
    larder.close().await.unwrap();
    assert_eq!(cache.get(&Key::new("k")).await.unwrap_err().kind(), ErrorKind::Closed);
    let late: Cache<u64> = larder.cache("others").unwrap();
    assert_eq!(late.set(&Key::new("k"), 1).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn what_only_the_program_knows() {
    let larder = with_null();
    let calls = AtomicUsize::new(0);
    let adjust = |name: &str| {
        larder.cache_with::<u64>(name, |cache| {
            calls.fetch_add(1, Ordering::Relaxed);
            cache.schema(3).ttl(Duration::from_secs(9))
        })
    };
    let cache = adjust("numbers").unwrap();
    assert_eq!(cache.namespace().text(), "numbers@3");
    adjust("numbers").unwrap();
    assert_eq!(calls.into_inner(), 1);
}

/// Turns bytes round.
#[derive(Debug)]
struct Reverse {
    id: u8,
}

#[derive(Serialize, Deserialize)]
struct ReverseSettings {
    id: u8,
}

impl Codec for Reverse {
    fn id(&self) -> u8 {
        self.id
    }

    fn name(&self) -> &'static str {
        "reverse"
    }

    fn encode(&self, raw: &[u8]) -> Result<Vec<u8>> {
        // Only what gets smaller is stored as it was encoded.
        let short = raw.strip_suffix(b"!").ok_or_else(|| encode_error("reverse", "no ! at the end"))?;
        Ok(short.iter().rev().copied().collect())
    }

    fn decode(&self, body: &[u8], _: usize, _: u32) -> Result<Vec<u8>, Undecodable> {
        Ok(body.iter().rev().chain(b"!").copied().collect())
    }
}

/// MessagePack by another name.
#[derive(Debug)]
struct Mine;

impl Format for Mine {
    fn id(&self) -> u8 {
        200
    }

    fn name(&self) -> &'static str {
        "mine"
    }

    fn media_type(&self) -> &'static str {
        "application/x-mine"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        MessagePack.encode(value)
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        MessagePack.decode(bytes, visit)
    }
}

#[tokio::test]
async fn codecs_and_formats_of_the_program() {
    let registry = || {
        Registry::with_defaults()
            .register("own", |(): (), _| Ok(NullBackend::new()))
            .register_codec("reverse", |settings: ReverseSettings, _| Ok(Reverse { id: settings.id }))
            .register_format(Mine)
    };
    let caches = json!({ "a": { "codec": "reverse", "format": "mine", "compress_above": 0 } });
    let none: [(&str, &str); 0] = [];
    let builder = Larder::builder()
        .environment(none)
        .registry(registry())
        .set("stores.main.backend", "null")
        .set("caches", caches);
    let error = builder.clone().build().unwrap_err();
    let expected = "the codec \"reverse\" needs settings; give them in [codecs.reverse]";
    assert!(error.to_string().ends_with(expected), "{error}");

    let larder = builder.set("codecs.reverse.id", 129).build().unwrap();
    let cache: Cache<String> = larder.cache("a").unwrap();
    let loader = || async { Ok::<_, Error>("pots!".to_owned()) };
    let encoded = cache.at(&Key::new("k")).get_or_load_encoded(loader).await.unwrap();
    assert_eq!(encoded.media_type(), Some("application/x-mine"));
    assert_eq!((encoded.body().format, encoded.body().codec), (200, 129));
    assert_eq!(encoded.body().bytes, b"stop\xa5"[..]);
}

#[test]
fn a_backend_is_made_with_the_name_of_its_store_and_the_clock() {
    let registry = Registry::empty().register("own", |_: std::collections::BTreeMap<String, u8>, context| {
        assert_eq!(context.name(), "fleet");
        assert!(context.clock().is_manual());
        Ok(NullBackend::new())
    });
    let none: [(&str, &str); 0] = [];
    let larder = Larder::builder()
        .environment(none)
        .registry(registry)
        .clock(Clock::manual())
        .set("stores.fleet", json!({ "backend": "own", "anything": 5 }))
        .build()
        .unwrap();
    assert!(larder.store("fleet").is_some() && larder.store("main").is_none());
}

#[cfg(any(feature = "quick-cache", feature = "moka"))]
mod memory {
    use super::*;

    #[tokio::test]
    async fn nothing_is_configured_and_everything_works() {
        let none: [(&str, &str); 0] = [];
        let clock = Clock::manual();
        let larder = Larder::builder().environment(none).clock(clock.clone()).build().unwrap();
        let cache: Cache<String> = larder.cache("greetings").unwrap();
        let key = Key::new("hello");
        cache.set(&key, "world".to_owned()).await.unwrap();
        assert_eq!(cache.get(&key).await.unwrap().unwrap().as_str(), "world");
        // Five minutes by default, by the clock that was given.
        clock.advance(Duration::from_secs(299));
        assert!(cache.get(&key).await.unwrap().is_some());
        clock.advance(Duration::from_secs(1));
        assert!(cache.get(&key).await.unwrap().is_none());
    }

    #[test]
    fn memory_is_quick_cache_if_that_is_there() {
        let none: [(&str, &str); 0] = [];
        let larder = Larder::builder().environment(none).build().unwrap();
        let expected = if cfg!(feature = "quick-cache") { "quick-cache {" } else { "moka {" };
        assert!(format!("{:?}", larder.store("main").unwrap()).contains(expected));
    }

    #[tokio::test]
    async fn two_caches_on_one_store_do_not_meet() {
        let none: [(&str, &str); 0] = [];
        let larder = Larder::builder().environment(none).build().unwrap();
        let numbers: Cache<u64> = larder.cache("numbers").unwrap();
        let names: Cache<String> = larder.cache("names").unwrap();
        let key = Key::new("k");
        numbers.set(&key, 1).await.unwrap();
        assert!(names.get(&key).await.unwrap().is_none());
        names.set(&key, "one".to_owned()).await.unwrap();
        assert_eq!(*numbers.get(&key).await.unwrap().unwrap(), 1);
        names.clear().await.unwrap();
        assert!(numbers.get(&key).await.unwrap().is_some());
    }
}

/// What threads and tasks hand to each other.
#[test]
fn what_a_service_holds_is_send_and_sync() {
    fn is_shared<T: Send + Sync + 'static>() {}
    fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

    is_shared::<Larder>();
    is_shared::<larder::LarderBuilder>();
    is_shared::<Registry>();
    is_shared::<Cache<String>>();
    is_shared::<larder::Fetched<String>>();
    is_shared::<Key>();
    is_shared::<larder::Entry>();
    is_shared::<Clock>();
    is_an_error::<Error>();
    is_an_error::<larder::Miss>();
    is_an_error::<Undecodable>();
    is_an_error::<larder::config::ConfigError>();
    is_an_error::<larder::settings::ParseError>();
}
