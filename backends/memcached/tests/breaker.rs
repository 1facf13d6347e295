//! A ring of three of which one fails, behind breakers: its own opens, and the others' stay closed.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use larder_core::{
    Backend as _, Cache, Clock, Key,
    backend::{CircuitState, Shards as _},
    error::Origin,
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings},
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;

const KEYS: u64 = 60;
const DOWN: u16 = 1;
const OPEN_FOR: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_opens_its_own_breaker_and_no_other() {
    let servers: Vec<MemcachedServer> = (0..3).map(|_| MemcachedServer::start()).collect();
    let connect =
        || MemcachedBackend::new(MemcachedConfig::new(servers.iter().map(MemcachedServer::address))).unwrap();
    let (ring, space) = (connect(), Namespace::new("ring", 0).unwrap());
    let is_down = |n: u64| ring.of(&StoreKey::new(&space, &Key::new(n))) == DOWN;
    let settings = BreakerSettings::new().with_window(8).with_open_for(OPEN_FOR);
    let breaker = Breaker::new(connect(), "ring", settings, &Clock::system()).unwrap();
    // Far longer than anything takes here: a machine with other things to do is no server that is down.
    let store = Arc::new(breaker.with_deadline(Duration::from_secs(4)).unwrap());
    let cache: Cache<u64> = Cache::builder(Arc::clone(&store)).namespace("ring").build().unwrap();
    let keys: Vec<Key> = (0..KEYS).map(Key::new).collect();
    for (n, key) in (0..).zip(&keys) {
        cache.set(key, n).await.unwrap();
    }
    let states = || store.circuits().iter().map(|circuit| circuit.state).collect::<Vec<_>>();
    assert_eq!(states(), [CircuitState::Closed; 3]);

    servers[usize::from(DOWN)].stop();
    let begun = Instant::now();
    while store.state() == CircuitState::Closed {
        let _ = cache.get_many(&keys).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "it never opens");
    }
    let (mut refused, mut failed) = (0, 0);
    for _ in 0..5 {
        for (n, found) in (0..).zip(cache.get_many(&keys).await.unwrap().iter()) {
            assert_eq!(found.is_err(), is_down(n), "{n}: {found:?}");
            if let Err(error) = found {
                failed += 1;
                refused += u32::from(error.origin() == Origin::Here);
            }
        }
        let [first, second, third] = states()[..] else { panic!("{:?}", states()) };
        assert_eq!((first, third), (CircuitState::Closed, CircuitState::Closed));
        assert_ne!(second, CircuitState::Closed);
    }
    // All but those that tried.
    assert!(refused > 0 && refused <= failed, "{refused} of {failed}");
    let circuit = store.circuits().remove(usize::from(DOWN));
    assert_eq!(circuit.server, Some(servers[usize::from(DOWN)].address()));
    assert!(circuit.failure.is_some());

    servers[usize::from(DOWN)].restart();
    let begun = Instant::now();
    while store.state() != CircuitState::Closed {
        let _ = cache.get_many(&keys).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "it never closes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (n, key) in (0..).zip(&keys) {
        let found = cache.get(key).await.unwrap().map(|found| *found);
        assert_eq!(found, (!is_down(n)).then_some(n), "{n}");
    }
}
