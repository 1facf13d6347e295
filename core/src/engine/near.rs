//! Near copies, where the store is a chain: which of them may be served.

use super::{Few, budget::Budget, kit::Kit, store::Found};
use crate::{
    clock::Timestamp,
    entry::{Entry, Scope},
    error::Result,
    key::StoreKey,
};

/// What was found, and whether it is a near copy.
pub(crate) struct Sighted {
    pub(crate) found: Result<Found>,
    pub(crate) is_near: bool,
}

impl Sighted {
    pub(crate) fn far(found: Result<Found>) -> Self {
        Self { found, is_near: false }
    }
}

/// A near copy that may be served: fresh, and invalidated by nothing that this process has heard of in time. One whose TTL is to
/// be extended is not, since the store does that by the token that it has for it; nor is a stale one, which others may have
/// renewed.
#[inline]
pub(crate) fn copy<T>(kit: &Kit<T>, key: &StoreKey<'_>, now: Timestamp) -> Option<Entry> {
    let entry = kit.store.copy(key, now)?;
    (entry.is_fresh(now) && !kit.policy.is_sliding(entry.meta(), now)).then_some(entry)
}

/// Looks up keys that are all different. The store is asked only for those of which there is no copy.
pub(crate) async fn read_many<T>(
    kit: &Kit<T>,
    keys: &[StoreKey<'_>],
    tags: &[Scope],
    budget: Budget,
) -> Few<Sighted> {
    if !kit.store.is_chain() {
        return kit.store.read_many(keys, tags, budget).await.into_iter().map(Sighted::far).collect();
    }
    let mut sighted: Few<Option<Sighted>> = Few::with_capacity(keys.len());
    let mut missing: Few<StoreKey<'_>> = Few::new();
    let now = kit.clock.now();
    for key in keys {
        let copy = copy(kit, key, now);
        match &copy {
            Some(_) => kit.events.counters.near(),
            None => missing.push(*key),
        }
        sighted.push(copy.map(|entry| Sighted { found: Ok(Ok(entry)), is_near: true }));
    }
    if !missing.is_empty() {
        let found = Box::pin(kit.store.read_many(&missing, tags, budget)).await;
        let gaps = sighted.iter_mut().filter(|sighted| sighted.is_none());
        gaps.zip(found).for_each(|(gap, found)| *gap = Some(Sighted::far(found)));
    }
    // There was one answer for each gap.
    sighted.into_iter().flatten().collect()
}
