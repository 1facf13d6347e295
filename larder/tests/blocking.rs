//! Calls that block: from threads, from tasks, and when the runtime is not what was hoped for; and one cache in a hundred runtimes.

#![cfg(all(feature = "blocking", feature = "redis", feature = "quick-cache"))]
// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use larder::{Cache, ErrorKind, Key, Larder, blocking};
use larder_test_servers::RedisServer;

type Never = std::convert::Infallible;

fn larder() -> Larder {
    let directory = tempfile::tempdir().unwrap();
    Larder::builder().directory(directory.path()).environment([("NOT", "of the process")]).build().unwrap()
}

fn key(number: u32) -> Key {
    Key::new("n").part(number)
}

#[test]
fn threads_share_one_load() {
    let runtime = blocking::Runtime::new().unwrap();
    let cache = runtime.cache(larder().cache::<u32>("a").unwrap());
    let (loads, together) = (Arc::new(AtomicU32::new(0)), Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                let loads = Arc::clone(&loads);
                let load = move || Ok::<_, Never>(loads.fetch_add(1, Relaxed) + 7);
                assert_eq!(*cache.get_or_load(&key(1), load).unwrap(), 7);
            });
        }
    });
    assert_eq!(loads.load(Relaxed), 1);
    cache.set(&key(2), 5).unwrap();
    assert_eq!(*cache.get(&key(2)).unwrap().unwrap(), 5);
    assert!(cache.delete(&key(2)).unwrap());
    cache.clear().unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none());
}

#[test]
fn what_the_loader_says_arrives() {
    let runtime = blocking::Runtime::new().unwrap();
    let cache = runtime.cache(larder().cache::<u32>("a").unwrap());
    let error = cache.get_or_load(&key(1), || Err(std::io::Error::other("no database"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    assert_eq!(error.load_error::<std::io::Error>().unwrap().to_string(), "no database");
    let error = cache.get_or_load(&key(1), || -> Result<u32, Never> { panic!("a bug") }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let error = runtime.wait(async { panic!("another") }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
}

/// A panic of tokio's elsewhere: here it works, or says what to do.
#[test]
fn from_within_a_runtime() {
    let cache = larder().cache::<u32>("a").unwrap();
    let outer = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    outer.block_on(async {
        let own = blocking::Runtime::new().unwrap();
        assert_eq!(*own.cache(cache.clone()).get_or_load(&key(1), || Ok::<_, Never>(7)).unwrap(), 7);
        let here = blocking::Runtime::on(tokio::runtime::Handle::current());
        let error = here.cache(cache.clone()).get(&key(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoRuntime, "{error}");
    });
}

#[test]
fn on_a_runtime_that_is_given_and_on_one_that_has_ended() {
    let given = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cache = blocking::Runtime::on(given.handle().clone()).cache(larder().cache::<u32>("a").unwrap());
    assert_eq!(*cache.get_or_load(&key(1), || Ok::<_, Never>(7)).unwrap(), 7);
    drop(given);
    let error = cache.get(&key(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRuntime, "{error}");
}

/// Each request of a synchronous server may have a runtime of its own: the cache and its connections are shared all the same.
#[test]
fn a_hundred_runtimes_use_one_cache() {
    let server = RedisServer::start();
    let larder = Larder::builder()
        .environment([
            ("LARDER_STORES__MAIN__BACKEND", "redis".to_owned()),
            ("LARDER_STORES__MAIN__URL", server.url().to_owned()),
        ])
        .set("stores.main.deadline", "none")
        .build()
        .unwrap();
    let cache: Cache<u32> = larder.cache("shared").unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..100)
        .map(|worker| {
            let (cache, loads) = (cache.clone(), Arc::clone(&loads));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    for number in 0..10 {
                        let loads = Arc::clone(&loads);
                        let load = move || async move {
                            loads.fetch_add(1, Relaxed);
                            Ok::<_, Never>(number)
                        };
                        let found = cache.get_or_load(&key(number), load).await;
                        assert_eq!(
                            *found.unwrap_or_else(|error| panic!("{worker}: {}", error.chain())),
                            number
                        );
                    }
                });
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    // Whoever loads may end with its runtime before it has stored; most keys are loaded once.
    let loads = loads.load(Relaxed);
    assert!((10..100).contains(&loads), "{loads}");
}
