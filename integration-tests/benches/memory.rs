//! What a hit in memory costs, on every map: the map alone, through the trait, and through a cache.
//! `cargo bench -p integration-tests --bench memory`
//!
//! Short rounds of all kinds take turns, so that the machine's moods fall on all alike; printed are the
//! nanoseconds for each call of one thread in the fastest tenth of the rounds, and their ratio to the map alone.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has no result")]

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use larder_core::{
    Backend, Cache, Clock, Key, Ttl,
    backend::SetOptions,
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

const KEYS: usize = 1024;
/// Calls of a round of one thread: few enough to be through before the system gives the processor to somebody
/// else. Several threads get more, so that most of their time is spent side by side.
const CALLS: usize = 20_000;
const ROUNDS: usize = 150;

/// The map alone.
trait Raw: Sync {
    fn insert(&self, key: String, value: Arc<Value>);
    fn get(&self, key: &str) -> Option<Arc<Value>>;
}

impl Raw for quick_cache::sync::Cache<String, Arc<Value>> {
    fn insert(&self, key: String, value: Arc<Value>) {
        self.insert(key, value);
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.get(key)
    }
}

impl Raw for moka::sync::Cache<String, Arc<Value>> {
    fn insert(&self, key: String, value: Arc<Value>) {
        self.insert(key, value);
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.get(key)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Value {
    text: String,
}

fn value(n: usize) -> Value {
    Value { text: format!("value {n} ").repeat(90) }
}

/// A store, filled, and every way to it.
struct Ways<R, B> {
    raw: R,
    names: Vec<String>,
    store: Arc<B>,
    dynamic: Arc<dyn Backend>,
    cache: Cache<Value>,
    namespace: Namespace,
    keys: Vec<Key>,
    clock: Clock,
}

impl<R: Raw, B: Backend> Ways<R, B> {
    fn new(raw: R, store: B) -> Self {
        let names: Vec<String> = (0..KEYS).map(|n| format!("bench:user:#{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            raw.insert(name.clone(), Arc::new(value(n)));
        }
        let store = Arc::new(store);
        let cache = Cache::builder(Arc::clone(&store)).namespace("bench").build().expect("settings");
        let keys: Vec<Key> = (0..KEYS).map(|n| Key::new("user").part(n)).collect();
        for (n, key) in keys.iter().enumerate() {
            now(cache.set(key, value(n))).expect("it is open");
        }
        let namespace = Namespace::new("bench", 0).expect("a name");
        let dynamic: Arc<dyn Backend> = Arc::clone(&store) as _;
        Self { raw, names, store, dynamic, cache, namespace, keys, clock: Clock::system() }
    }

    fn raw(&self, n: usize) {
        black_box(self.raw.get(black_box(self.names[n].as_str()))).expect("a hit");
    }

    fn get_now(&self, n: usize) {
        let key = StoreKey::new(&self.namespace, black_box(&self.keys[n]));
        black_box(self.store.get_now(&key).and_then(larder_core::backend::Lookup::entry)).expect("a hit");
    }

    fn get_now_dyn(&self, n: usize) {
        let key = StoreKey::new(&self.namespace, black_box(&self.keys[n]));
        black_box(self.dynamic.get_now(&key).and_then(larder_core::backend::Lookup::entry)).expect("a hit");
    }

    fn clock(&self, n: usize) {
        black_box((self.clock.now(), n));
    }

    fn get_or_load(&self, n: usize) {
        let load = || async { Err::<Value, _>(std::io::Error::other("everything is there")) };
        black_box(now(self.cache.get_or_load(black_box(&self.keys[n]), load))).expect("a hit");
    }

    fn get_or_load_new_key(&self, n: usize) {
        let load = || async { Err::<Value, _>(std::io::Error::other("everything is there")) };
        let key = Key::new("user").part(black_box(n));
        black_box(now(self.cache.get_or_load(&key, load))).expect("a hit");
    }

    /// Overwrites: not a hit, but what keeps the store from being read.
    fn set(&self, n: usize) {
        let clock = Clock::system();
        let ttl = Ttl::After(Duration::from_mins(5));
        let body = Body::raw(bytes::Bytes::from_static(b"v"), 0);
        let meta = Meta::new(clock.now(), Lifetime::until(ttl.expires(clock.now())));
        let entry = larder_core::Entry::from_body(body, meta);
        let other = self.namespace.clone();
        let key = StoreKey::new(&other, &self.keys[n]);
        black_box(now(self.store.set(&key, &entry, &SetOptions::new(ttl)))).expect("it is open");
    }
}

/// The output of a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}

type Way<R, B> = (&'static str, fn(&Ways<R, B>, usize));

fn ways<R: Raw, B: Backend>() -> [Way<R, B>; 6] {
    [
        ("the map alone, String keys", Ways::raw),
        ("get_now", Ways::get_now),
        ("get_now, Arc<dyn Backend>", Ways::get_now_dyn),
        ("asking the clock, once", Ways::clock),
        ("get_or_load", Ways::get_or_load),
        ("get_or_load, making the key", Ways::get_or_load_new_key),
    ]
}

/// Nanoseconds for each call of each of so many threads.
fn time<R: Raw, B: Backend>(ways: &Ways<R, B>, way: fn(&Ways<R, B>, usize), threads: usize) -> f64 {
    let calls = if threads == 1 { CALLS } else { 10 * CALLS };
    let barrier = Barrier::new(threads);
    let longest = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    // Each walks through all keys in an order of its own.
                    let mut n = thread * 97;
                    barrier.wait();
                    let begun = Instant::now();
                    for _ in 0..calls {
                        n = (n + 389) % KEYS;
                        way(ways, n);
                    }
                    begun.elapsed()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    });
    #[allow(clippy::cast_precision_loss, reason = "some hundred thousand calls")]
    let calls = calls as f64;
    longest.as_secs_f64() * 1e9 / calls
}

fn main() {
    let clock = Clock::system;
    let store = QuickCacheBackend::new(QuickCacheConfig::default(), clock()).expect("settings");
    table("quick-cache", &Ways::new(quick_cache::sync::Cache::new(100_000), store));
    let store = MokaBackend::new(MokaConfig::default(), clock()).expect("settings");
    table("moka", &Ways::new(moka::sync::Cache::new(100_000), store));
}

fn table<R: Raw, B: Backend>(name: &str, all: &Ways<R, B>) {
    println!("{name:<30} {:>22} {:>22} {:>22}", "1 thread", "2 threads", "4 threads");
    let ways = ways();
    let mut table = vec![Vec::new(); ways.len()];
    for threads in [1, 2, 4] {
        let mut times = vec![Vec::new(); ways.len()];
        for _ in 0..if threads == 1 { ROUNDS } else { ROUNDS / 3 } {
            for ((_, way), times) in ways.iter().zip(&mut times) {
                times.push(time(all, *way, threads));
            }
        }
        let best: Vec<f64> = times.iter_mut().map(|times| fastest_tenth(times)).collect();
        for (row, time) in table.iter_mut().zip(&best) {
            row.push(format!("{time:.1} ({:.2})", time / best[0]));
        }
    }
    for ((way, _), row) in ways.iter().zip(table) {
        println!("{way:<30} {:>22} {:>22} {:>22}", row[0], row[1], row[2]);
    }
    // Last: what it writes cannot be read as a `Value` any more.
    let mut sets: Vec<f64> = (0..ROUNDS).map(|_| time(all, Ways::set, 1)).collect();
    println!("{:<30} {:>22}", "set, overwriting", format!("{:.1}", fastest_tenth(&mut sets)));
}

fn fastest_tenth(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
}
