//! Plain reading: what is there, or why nothing is; nothing is loaded.

use std::sync::Arc;

use super::{
    events::Event,
    fetched::{Encoded, Fetched, Found, Status},
    kit::Kit,
    near,
    reading::{AsIs, Reading, fetched},
    slide::slide,
    store::{self, Nothing, Place},
};
use crate::{entry::Entry, error::Result, key::StoreKey, miss::Miss, value::Value};

/// What can be said without waiting.
pub(crate) enum Now<T> {
    /// A value.
    Hit(Fetched<T>),
    /// A value, and it is time that another is made in the background.
    Early(Entry),
    /// Nothing.
    Unknown,
}

/// A hit of an in-process store whose value is there decoded: no future, no allocation, no copy.
#[inline]
pub(crate) fn now<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>) -> Now<T> {
    let is_near = kit.store.is_chain();
    // A copy is judged by the time, which is looked at once.
    let (held, at) = if is_near {
        let at = kit.clock.now();
        (kit.store.copy(key, at), Some(at))
    } else {
        (kit.store.standing_now(key), None)
    };
    let Some(entry) = held else { return Now::Unknown };
    let at = at.unwrap_or_else(|| kit.clock.now());
    // A TTL that is to be extended goes the slow way, where that is done.
    if !entry.is_fresh(at) || kit.policy.is_sliding(entry.meta(), at) {
        return Now::Unknown;
    }
    if kit.policy.refreshes_early() && kit.policy.is_early(entry.meta(), at) {
        return Now::Early(entry);
    }
    let Some(fetched) = Fetched::<T>::live(entry, Status::Hit, at) else { return Now::Unknown };
    kit.events.hit(fetched.entry.meta().load_micros());
    if is_near {
        kit.events.counters.near();
    }
    Now::Hit(fetched.near(is_near))
}

/// Looks a key up, near or where the store is.
pub(crate) async fn look<T: Value, R: Reading<T>>(kit: &Arc<Kit<T>>, key: &StoreKey<'_>) -> Result<Found<R>> {
    let copy = if kit.store.is_chain() { near::copy(kit, key, kit.clock.now()) } else { None };
    let Some(entry) = copy else { return look_far(kit, key).await };
    kit.events.counters.near();
    Ok(read(kit, key, Ok(entry), true).await)
}

/// Looks a key up in the store itself.
pub(crate) async fn look_far<T: Value, R: Reading<T>>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
) -> Result<Found<R>> {
    let found = kit.store.counted(kit.store.look_up(key).await)?;
    Ok(read(kit, key, if_fresh(kit, found), false).await)
}

/// Looks keys up that are all different, and counts.
pub(crate) async fn look_many<T: Value, R: Reading<T>>(
    kit: &Arc<Kit<T>>,
    keys: &[StoreKey<'_>],
) -> Vec<Result<Found<R>>> {
    let sighted = near::read_many(kit, keys, &[], kit.store.budget()).await;
    let mut results = Vec::with_capacity(keys.len());
    for (key, sighted) in keys.iter().zip(sighted) {
        results.push(match kit.store.counted(sighted.found) {
            Ok(found) => Ok(read(kit, key, if_fresh(kit, found), sighted.is_near).await),
            Err(error) => Err(error),
        });
    }
    results
}

/// What only those may see who serve stale values is a miss for everybody else.
pub(crate) fn if_fresh<T>(kit: &Kit<T>, found: store::Found) -> store::Found {
    let entry = found?;
    if entry.is_fresh(kit.clock.now()) {
        return Ok(entry);
    }
    Err(Nothing { miss: Miss::Stale, place: Place::Taken(entry.token()) })
}

async fn read<T: Value, R: Reading<T>>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
    found: store::Found,
    is_near: bool,
) -> Found<R> {
    let now = kit.clock.now();
    let miss = match found {
        Ok(entry) => match R::of(kit, key, entry, is_near, now).await {
            Ok(read) => {
                kit.events.hit(read.entry().meta().load_micros());
                slide(kit, &kit.policy, key, read.entry(), now).await;
                return Found::Hit(read);
            }
            Err(why) => why.into(),
        },
        Err(Nothing { miss, .. }) => miss,
    };
    missed(kit, &miss);
    Found::Miss(miss)
}

/// Counts a miss, and says why if that is not usual.
pub(crate) fn missed<T>(kit: &Kit<T>, miss: &Miss) {
    kit.events.happened(&Event::Miss { reason: miss });
    if matches!(miss, Miss::OtherKey | Miss::Undecodable(_)) {
        tracing::debug!(cache = %kit.name, reason = miss.as_str(), %miss, "unreadable entry");
    }
}

/// An entry's bytes.
pub(crate) async fn encoded<T: Value>(
    kit: &Kit<T>,
    key: &StoreKey<'_>,
    AsIs { entry, status, is_near }: AsIs,
) -> Result<Encoded<T>> {
    let forms = entry.forms();
    let body = entry.body().await?.clone();
    kit.store.weigh_again(key, &entry, forms);
    let encoding = Arc::clone(&kit.encoding);
    Ok(Encoded { body, entry, status, is_near, at: kit.clock.now(), encoding })
}

/// An entry's value, unless it cannot be read.
pub(crate) async fn decoded<T: Value>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
    entry: Entry,
    status: Status,
) -> Option<Fetched<T>> {
    match fetched(kit, key, (entry, false), status, kit.clock.now()).await {
        Ok(fetched) => Some(fetched),
        Err(why) => {
            missed(kit, &why.into());
            None
        }
    }
}
