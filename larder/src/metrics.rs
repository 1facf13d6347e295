//! What happens to caches, as metrics.

use std::sync::{Arc, OnceLock};

use larder_core::{
    backend::{Circuit, CircuitState},
    cache::{Event, Listener},
};
use metrics::{Counter, counter, gauge, histogram};

/// Hands what happens to caches to the [`metrics`] facade, from where an exporter of the program's choice takes it. Give it to
/// [`LarderBuilder::listener`](crate::LarderBuilder::listener). Needs the feature `metrics`.
///
/// Every metric of a cache has the label `cache`, its name. Units are those of OpenTelemetry: seconds and bytes.
///
/// | name | kind | further labels | |
/// |---|---|---|---|
/// | `larder.reads` | counter | `result`: `hit`, `miss`; `reason` of a miss | reads of the store; a stale entry is a miss of the reason `stale` |
/// | `larder.saved` | counter, µs | | what the loads of the values that were hit had cost |
/// | `larder.stale` | counter | | stale values that were served |
/// | `larder.loads` | counter | `result`: `loaded`, `failed`, `panicked` | loaders that came to an end |
/// | `larder.load.duration` | histogram, s | | how long loaders took |
/// | `larder.joined` | counter | | callers that waited for a load of another's |
/// | `larder.leases.awaited` | counter | | loads that waited for another process |
/// | `larder.fenced` | counter | | loaded values that were not stored, since their key was written or invalidated meanwhile |
/// | `larder.stored` | counter | | entries written |
/// | `larder.stored.raw`, `larder.stored.encoded` | counter, bytes | | their sizes before and after compression, where they were encoded |
/// | `larder.invalidated` | counter | `what`: `key`, `tag`, `namespace` | what was removed on purpose |
/// | `larder.left` | counter | `cause`: `evicted`, `expired`, `replaced` | entries that a store in this process's memory dropped |
/// | `larder.errors` | counter | `kind`, `operation` | what the store failed at |
/// | `larder.breaker.changes` | counter | `to`: `open`, `closed` | changes of breakers; `store` in place of `cache` |
/// | `larder.breaker.open` | gauge | | breakers that are open: of one server each; `store` in place of `cache` |
///
/// Hits are counted through handles that each cache gets from the exporter at its first hit, so install the exporter before
/// caches are used. What is counted of anything else costs a look-up in the exporter's registry, some tens to hundreds of
/// nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Metrics;

impl Metrics {
    /// A listener.
    pub const fn new() -> Self {
        Self
    }
}

/// The metrics of one cache: those of a hit at hand.
#[derive(Default)]
struct OfCache {
    hits: OnceLock<(Counter, Counter)>,
}

impl Listener for OfCache {
    fn on_event(&self, cache: &str, event: &Event<'_>) {
        let Event::Hit { saved } = event else { return Metrics.on_event(cache, event) };
        let (hits, saved_micros) = self.hits.get_or_init(|| {
            let hits = counter!("larder.reads", "cache" => cache.to_owned(), "result" => "hit");
            (hits, counter!("larder.saved", "cache" => cache.to_owned()))
        });
        hits.increment(1);
        if !saved.is_zero() {
            saved_micros.increment(u64::try_from(saved.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

impl Listener for Metrics {
    fn for_cache(&self, _: &str) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(OfCache::default()))
    }

    fn on_event(&self, cache: &str, event: &Event<'_>) {
        let cache = cache.to_owned();
        let one = |name: &'static str| counter!(name, "cache" => cache.clone()).increment(1);
        match event {
            Event::Hit { saved } => {
                counter!("larder.reads", "cache" => cache.clone(), "result" => "hit").increment(1);
                let saved = u64::try_from(saved.as_micros()).unwrap_or(u64::MAX);
                counter!("larder.saved", "cache" => cache).increment(saved);
            }
            Event::Miss { reason } => {
                let reason = reason.as_str().to_owned();
                counter!("larder.reads", "cache" => cache, "result" => "miss", "reason" => reason)
                    .increment(1);
            }
            Event::Stale => one("larder.stale"),
            Event::Joined => one("larder.joined"),
            Event::LeaseAwaited => one("larder.leases.awaited"),
            Event::Loaded { took } => {
                counter!("larder.loads", "cache" => cache.clone(), "result" => "loaded").increment(1);
                histogram!("larder.load.duration", "cache" => cache).record(took.as_secs_f64());
            }
            Event::LoadFailed { error, took } => {
                let panicked = error.kind() == larder_core::ErrorKind::Panicked;
                let result = if panicked { "panicked" } else { "failed" };
                counter!("larder.loads", "cache" => cache.clone(), "result" => result).increment(1);
                histogram!("larder.load.duration", "cache" => cache).record(took.as_secs_f64());
            }
            Event::Fenced => one("larder.fenced"),
            Event::Stored { bytes } => {
                one("larder.stored");
                if let Some((raw, encoded)) = bytes {
                    counter!("larder.stored.raw", "cache" => cache.clone()).increment(*raw);
                    counter!("larder.stored.encoded", "cache" => cache).increment(*encoded);
                }
            }
            Event::Deleted => counter!("larder.invalidated", "cache" => cache, "what" => "key").increment(1),
            Event::Invalidated { .. } => {
                counter!("larder.invalidated", "cache" => cache, "what" => "tag").increment(1);
            }
            Event::Cleared => {
                counter!("larder.invalidated", "cache" => cache, "what" => "namespace").increment(1);
            }
            Event::StoreFailed { error } => {
                let (kind, operation) = (error.kind().as_str(), error.operation().as_str());
                counter!("larder.errors", "cache" => cache, "kind" => kind, "operation" => operation)
                    .increment(1);
            }
            Event::Left { cause, .. } => {
                counter!("larder.left", "cache" => cache, "cause" => cause.as_str()).increment(1);
            }
            // Its end is counted; and what is newer than this has no name here yet.
            _ => {}
        }
    }

    fn on_circuit(&self, store: &str, circuit: &Circuit) {
        let store = store.to_owned();
        counter!("larder.breaker.changes", "store" => store.clone(), "to" => circuit.state.as_str())
            .increment(1);
        let open = gauge!("larder.breaker.open", "store" => store);
        match circuit.state {
            CircuitState::Open => open.increment(1.0),
            _ => open.decrement(1.0),
        }
    }
}
