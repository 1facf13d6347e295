//! What is worth a look in a configuration that is accepted, beyond what two settings say to each other.

use std::{collections::BTreeMap, time::Duration};

use larder_core::{Ttl, backend::Capabilities, cache::Stats, settings::Span};

use super::{CachePlan, Plan};
use crate::config::{Advice, KeyPath, list};

/// So many reads have to be counted before anything is said about them.
const ENOUGH_READS: u64 = 1000;

impl Plan {
    /// Caches on one shared store whose entries all have the same TTL: what many processes wrote after a deployment expires
    /// in all of them at once.
    pub(super) fn advise_jitter(&mut self) {
        let mut alike: BTreeMap<(&str, Duration), Vec<&str>> = BTreeMap::new();
        for (name, cache) in &self.caches {
            let is_shared = self.stores.get(&cache.store).is_some_and(|store| store.capabilities().shared);
            if let (Ttl::After(ttl), true) = (cache.written.ttl.0, is_shared && !spreads(cache)) {
                alike.entry((&cache.store, ttl)).or_default().push(name);
            }
        }
        let advice = alike.into_iter().filter(|(_, names)| names.len() > 1).map(|((_, ttl), names)| Advice {
            key: KeyPath::new(["caches", names[0], "jitter"]).to_string(),
            origin: None,
            message: format!(
                "the caches {} have the same TTL of {} and no jitter, so what was written together expires together; \
                 set jitter to about a tenth of the TTL",
                list(names.iter().copied()),
                Span(ttl)
            ),
        });
        let advice: Vec<Advice> = advice.collect();
        self.advice.extend(advice);
    }
}

/// Whether something makes entries expire or be renewed at different times.
fn spreads(cache: &CachePlan) -> bool {
    let policy = &cache.written;
    !policy.jitter.get().is_zero() || policy.xfetch.0.is_some() || policy.early_refresh.0.is_some()
}

/// What the counts of a cache say about how it is configured.
pub(crate) fn of_stats(name: &str, plan: &CachePlan, store: &Capabilities, stats: &Stats) -> Vec<Advice> {
    let advice = |key: &str, message: String| Advice {
        key: KeyPath::new(["caches", name, key]).to_string(),
        origin: None,
        message,
    };
    let mut all = Vec::new();
    if store.shared && plan.written.lease.0.is_none() && stats.deletes > 0 && stats.loads > 0 {
        all.push(advice(
            "lease",
            format!(
                "{} entries were removed and {} loads ran on a shared store without a lease; a load in one process may \
                 store what another has just changed, so set lease to about as long as most loads take",
                stats.deletes, stats.loads
            ),
        ));
    }
    let succeeded = stats.loads.saturating_sub(stats.load_failures);
    let mean = Duration::from_micros(stats.load_micros.checked_div(succeeded).unwrap_or_default());
    if let Some(deadline) = store.deadline
        && succeeded >= ENOUGH_READS / 10
        && deadline > mean
    {
        all.push(Advice {
            key: KeyPath::new(["stores", &plan.store, "deadline"]).to_string(),
            ..advice(
                "store",
                format!(
                    "the deadline of {} is longer than a load of the cache {name} takes on average ({mean:?}), so \
                     a slow store makes misses slower than no cache; lower it",
                    Span(deadline)
                ),
            )
        });
    }
    if stats.hits + stats.misses >= ENOUGH_READS && stats.net_saved_micros() < 0 {
        all.push(advice(
            "store",
            format!(
                "after {} reads the cache has cost {} µs more than it saved; use a store in memory, a longer TTL, or no \
                 cache",
                stats.hits + stats.misses,
                stats.net_saved_micros().unsigned_abs()
            ),
        ));
    }
    all
}
