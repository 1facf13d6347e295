//! The row `cold`: very many callers of one key that is not there.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use larder::{Cache, Key};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef, Sample};
use crate::peers::{self, CAPACITY, multi_tier};

/// How many callers there are.
const CALLERS: usize = 10_000;
/// How long the loader takes.
const LOAD: Duration = Duration::from_millis(20);
/// How many keys a turn has, one after the other.
const KEYS: u64 = 3;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "10 000 callers of one cold key whose load takes 20 ms, on 2 workers, until the last one is answered; the figure is the loads a key";
    vec![RowDef { name: "cold", about, run }]
}

/// How often a lane's loader has run.
#[derive(Debug, Clone, Default)]
struct Loads(Arc<AtomicU64>);

impl Loads {
    async fn one(self) -> u64 {
        self.0.fetch_add(1, Relaxed);
        sleep(LOAD).await;
        7
    }

    async fn sure(self) -> Result<u64, Infallible> {
        Ok(self.one().await)
    }
}

/// A lane of callers; its figure is the loads a key.
fn lane<'a, F, Fut>(name: &str, handle: &Handle, call: F) -> Lane<'a>
where
    F: Fn(String, Loads) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let (handle, call) = (handle.clone(), Arc::new(call));
    let mut number = 0;
    let turn = move |keys| {
        let loads = Loads::default();
        let mut answered = true;
        let mut sample = Sample::of(keys, None, || {
            for _ in 0..keys {
                number += 1;
                let key = format!("cold:{number}");
                answered &= handle.block_on(all(&key, &loads, &call));
            }
        });
        // Callers that got an error would make a lane look fast.
        assert!(answered, "a caller has got no value");
        #[allow(clippy::cast_precision_loss, reason = "few")]
        let loads = loads.0.load(Relaxed) as f64 / keys as f64;
        sample.figure = Some(loads);
        sample
    };
    Lane::new(name, turn).fixed(KEYS)
}

/// Whether all callers of this key got their value.
async fn all<F, Fut>(key: &str, loads: &Loads, call: &Arc<F>) -> bool
where
    F: Fn(String, Loads) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call(key.to_owned(), loads.clone()))).collect();
    let mut answered = true;
    for caller in callers {
        answered &= caller.await.unwrap_or(false);
    }
    answered
}

fn run(bench: &mut Bench) -> Outcome {
    let handle = bench.handle().clone();
    let ours: Cache<u64> = peers::larder::in_memory("quick-cache").build()?.cache("numbers")?;
    let raw: Arc<quick_cache::sync::Cache<String, u64>> = Arc::new(quick_cache::sync::Cache::new(CAPACITY));
    let moka: moka::future::Cache<String, u64> = moka::future::Cache::new(CAPACITY as u64);
    let foyer: foyer::Cache<String, u64> = foyer::CacheBuilder::new(CAPACITY).build();
    let cachet = Arc::new(bench.block_on(async { peers::cachet::large::<u64>(true) }));
    let multi_tier = Arc::new(multi_tier::cache(CAPACITY)?);
    let hitbox = peers::hitbox::single_flight(CAPACITY);

    let lanes = vec![
        lane("tasks that sleep", &handle, |key, _| async move {
            sleep(LOAD).await;
            !key.is_empty()
        }),
        lane("larder", &handle, move |key, loads| {
            let ours = ours.clone();
            async move {
                let key = Key::new(key.as_str());
                ours.get_or_load(&key, || loads.sure()).await.is_ok_and(|number| *number == 7)
            }
        })
        .ours(),
        lane("quick_cache", &handle, move |key, loads| {
            let raw = raw.clone();
            async move { raw.get_or_insert_async(key.as_str(), loads.sure()).await == Ok(7) }
        }),
        lane("moka, get_with", &handle, move |key, loads| {
            let moka = moka.clone();
            async move { moka.get_with(key, loads.one()).await == 7 }
        }),
        lane("foyer, get_or_fetch", &handle, move |key, loads| {
            let foyer = foyer.clone();
            async move {
                let entry = foyer.get_or_fetch(key.as_str(), || loads.sure()).await;
                entry.is_ok_and(|entry| *entry.value() == 7)
            }
        }),
        lane("cached macro, by key", &handle, |key, loads| async move {
            peers::cached::slow(key, loads.one()).await == 7
        }),
        lane("cachet", &handle, move |key, loads| {
            let cachet = cachet.clone();
            async move {
                let entry = cachet.get_or_insert(key.as_str(), || loads.one()).await;
                entry.is_ok_and(|entry| *entry.value() == 7)
            }
        }),
        lane("multi-tier-cache", &handle, move |key, loads| {
            let multi_tier = multi_tier.clone();
            async move {
                let load = || async move { Ok(loads.one().await) };
                let number = multi_tier.get_or_compute_typed(&key, multi_tier::STRATEGY, load).await;
                number.is_ok_and(|number: u64| number == 7)
            }
        }),
        lane("hitbox (loads not counted)", &handle, move |key, _| {
            let hitbox = hitbox.clone();
            async move { peers::hitbox::slow(key, LOAD).cache(&hitbox).await.is_ok() }
        }),
    ];
    let sleeping = "tasks that sleep";
    let beyond = |name: &str, lane| Comparison::difference(name, lane, sleeping).unit("ms", 1e6);
    let compared = vec![
        beyond("beyond", "larder"),
        Comparison::alone("loads", "larder").measure(Measure::Figure),
        beyond("beyond.quick_cache", "quick_cache"),
        beyond("beyond.moka", "moka, get_with"),
        beyond("beyond.foyer", "foyer, get_or_fetch"),
        beyond("beyond.cached", "cached macro, by key"),
        beyond("beyond.cachet", "cachet"),
        beyond("beyond.multi-tier-cache", "multi-tier-cache"),
        beyond("beyond.hitbox", "hitbox (loads not counted)"),
    ];
    bench.group("callers", lanes, compared)
}
