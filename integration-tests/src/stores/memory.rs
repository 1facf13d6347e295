//! Stores in this process's memory, and the one that keeps nothing.

use std::time::Duration;

use larder_conformance::{ReferenceBackend, Store, Suite};
use larder_core::{
    Backend, Clock,
    backend::{Bound, NullBackend},
    layer::{Breaker, BreakerSettings, Deadline, Fault, Faults, Trace},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

use super::Subject;

/// Longer than any case takes: the layer is to be seen through, and not to end anything.
const DEADLINE: Duration = Duration::from_mins(2);

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        Subject::new("reference", "the suite's own store: a map under a lock", |name| {
            Suite::new(name, |clock| Store::new(ReferenceBackend::new(clock)))
        }),
        Subject::new("null", "the backend that keeps nothing", |name| {
            Suite::new(name, |_| Store::new(NullBackend::new()))
        }),
        Subject::new("quick-cache", "memory, bounded by entries", |name| {
            Suite::new(name, |clock| Store::new(quick_cache(clock)).with_bound(small_quick_cache))
        }),
        Subject::new("moka", "memory, bounded by entries", |name| {
            Suite::new(name, |clock| Store::new(moka(clock)).with_bound(small_moka))
        }),
        Subject::new("deadline", "the layer `Deadline` around quick-cache", |name| {
            Suite::new(name, |clock| Store::new(Deadline::new(quick_cache(clock), "near", DEADLINE)))
        }),
        Subject::new("breaker", "the layers `Trace`, `Breaker` and `Fault` around quick-cache", |name| {
            Suite::new(name, |clock| breaking(quick_cache(clock.clone()), &clock, Duration::from_secs(10)))
        }),
    ]
}

/// A store that can be made to fail, and its breaker, which stays open for this long; each call has a span.
pub(super) fn breaking(store: impl Backend, clock: &Clock, open_for: Duration) -> Store {
    let faults = Faults::new(clock);
    let settings = BreakerSettings::new().with_open_for(open_for);
    let store = Fault::new(store, faults.clone());
    let store = Breaker::new(store, "breaking", settings, clock).unwrap().with_deadline(DEADLINE).unwrap();
    Store::new(Trace::new(store, "breaking")).with_breaker(faults, open_for)
}

pub(super) fn quick_cache(clock: Clock) -> QuickCacheBackend {
    QuickCacheBackend::new(QuickCacheConfig::default(), clock).unwrap()
}

fn small_quick_cache(bound: Bound, clock: Clock) -> Option<QuickCacheBackend> {
    QuickCacheBackend::new(config(bound), clock).ok()
}

fn small_moka(bound: Bound, clock: Clock) -> Option<MokaBackend> {
    MokaBackend::new(config(bound), clock).ok()
}

/// Both have the same settings.
fn config(bound: Bound) -> MokaConfig {
    match bound {
        Bound::Entries(entries) => MokaConfig::entries(entries),
        Bound::Bytes(bytes) => MokaConfig::bytes(bytes),
    }
}

pub(super) fn moka(clock: Clock) -> MokaBackend {
    MokaBackend::new(MokaConfig::default(), clock).unwrap()
}
