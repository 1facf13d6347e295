//! What happens to caches is told to those who listen, and a listener that misbehaves harms nobody.

#![cfg(any(feature = "quick-cache", feature = "moka"))]
// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use larder::{
    Cache, Key, Larder,
    cache::{Event, Listener},
};

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Listener for Recorder {
    fn on_event(&self, cache: &str, event: &Event<'_>) {
        let told = match event {
            Event::Miss { reason } => format!("{cache} miss {}", reason.as_str()),
            Event::Stored { bytes } => format!("{cache} stored {bytes:?}"),
            Event::Invalidated { tag } => format!("{cache} invalidated {tag}"),
            Event::LoadFailed { error, .. } => format!("{cache} load failed: {}", error.kind()),
            event => format!("{cache} {}", format!("{event:?}").split([' ', '{']).next().unwrap()),
        };
        self.0.lock().unwrap().push(told);
    }
}

impl Recorder {
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn larder(listener: impl Listener) -> Larder {
    let none: [(&str, &str); 0] = [];
    Larder::builder()
        .environment(none)
        .set("stores.main.backend", "memory")
        .listener(listener)
        .build()
        .unwrap()
}

async fn load(cache: &Cache<String>, key: &Key) {
    cache.get_or_load(key, || async { Ok::<_, io::Error>("plum".to_owned()) }).await.unwrap();
}

#[tokio::test]
async fn what_happens_is_told_in_order() {
    let recorder = Recorder::default();
    let larder = larder(recorder.clone());
    let cache: Cache<String> = larder.cache("fruit").unwrap();
    let key = Key::new("k");
    load(&cache, &key).await;
    load(&cache, &key).await;
    let loaded = ["miss absent", "LoadBegun", "Loaded", "stored None", "Hit"];
    assert_eq!(recorder.told(), loaded.map(|event| format!("fruit {event}")));

    cache.delete(&key).await.unwrap();
    cache.delete(&key).await.unwrap();
    cache.invalidate_tag("ripe").await.unwrap();
    cache.clear().await.unwrap();
    let removed = ["Deleted", "invalidated ripe", "Cleared"];
    assert_eq!(recorder.told(), removed.map(|event| format!("fruit {event}")));

    let failed = cache.get_or_load(&key, || async { Err::<String, _>(io::Error::other("no")) }).await;
    failed.unwrap_err();
    let failed = ["miss absent", "LoadBegun", "load failed: load"];
    assert_eq!(recorder.told(), failed.map(|event| format!("fruit {event}")));
    assert_eq!(cache.stats().load_failures, 1);
}

struct Panics;

impl Listener for Panics {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        panic!("{event:?}");
    }
}

#[tokio::test]
async fn a_listener_that_panics_harms_nobody() {
    std::panic::set_hook(Box::new(|_| {}));
    let larder = larder(Panics);
    let cache: Cache<String> = larder.cache("fruit").unwrap();
    let key = Key::new("k");
    for _ in 0..3 {
        load(&cache, &key).await;
    }
    cache.set(&key, "new".into()).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap().unwrap().as_str(), "new");
    assert_eq!((cache.stats().loads, cache.stats().hits), (1, 3));
}

#[tokio::test]
async fn the_statistics_say_whether_it_is_worth_it() {
    let larder = larder(Recorder::default());
    let cache: Cache<String> = larder.cache("fruit").unwrap();
    let key = Key::new("k");
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, io::Error>("plum".to_owned())
    };
    for _ in 0..4 {
        cache.get_or_load(&key, slow).await.unwrap();
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.loads), (3, 1));
    assert!(stats.load_micros >= 20_000, "{stats:?}");
    assert!(stats.net_saved_micros() >= 60_000 - 1000, "{stats:?}");
}

#[cfg(feature = "metrics")]
#[test]
fn metrics_reach_the_facade() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let larder = larder(larder::Metrics::new());
            let cache: Cache<String> = larder.cache("fruit").unwrap();
            let key = Key::new("k");
            load(&cache, &key).await;
            load(&cache, &key).await;
            cache.delete(&key).await.unwrap();
        });
    });
    let seen: Vec<(String, Vec<String>, DebugValue)> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            (key.key().name().to_owned(), labels, value)
        })
        .collect();
    let counted = |name: &str, labels: &[&str]| {
        seen.iter().find_map(|(seen, with, value)| match value {
            DebugValue::Counter(count)
                if seen == name && with.iter().all(|label| labels.contains(&&**label)) =>
            {
                Some(*count)
            }
            _ => None,
        })
    };
    assert_eq!(counted("larder.reads", &["cache=fruit", "result=hit"]), Some(1), "{seen:?}");
    assert_eq!(
        counted("larder.reads", &["cache=fruit", "result=miss", "reason=absent"]),
        Some(1),
        "{seen:?}"
    );
    assert_eq!(counted("larder.loads", &["cache=fruit", "result=loaded"]), Some(1), "{seen:?}");
    assert_eq!(counted("larder.stored", &["cache=fruit"]), Some(1), "{seen:?}");
    assert_eq!(counted("larder.invalidated", &["cache=fruit", "what=key"]), Some(1), "{seen:?}");
}
