//! Removing, touching and invalidating, as callers ask for it. Each of these wins over a load of the same key that is in
//! progress.

use super::{
    budget::Budget,
    events::Event,
    kit::Kit,
    look::if_fresh,
    store::{Found, Nothing, Place, Write},
};
use crate::{
    backend::Condition,
    entry::{Entry, Scope},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
    value::Value,
};

/// How often something is tried that others prevent by changing the entry each time.
pub(super) const TRIES: u32 = 16;

/// Removes entries; one answer each: whether a live one was there.
pub(crate) async fn remove<T: Value>(kit: &Kit<T>, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
    let budget = kit.store.budget();
    match kit.store.counted(kit.flights.write(keys, budget).await) {
        Ok(_writing) => {
            let keys: Vec<_> = keys.iter().map(|key| (*key, Condition::Always)).collect();
            remove_now(kit, &keys, budget).await
        }
        Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
    }
}

pub(super) async fn remove_now<T: Value>(
    kit: &Kit<T>,
    keys: &[(StoreKey<'_>, Condition)],
    budget: Budget,
) -> Vec<Result<bool>> {
    let live: Vec<bool> = keys.iter().map(|(key, _)| kit.store.is_live_here(key)).collect();
    let removed = kit.store.remove_many(keys, budget.until()).await;
    let mut results = Vec::with_capacity(keys.len());
    for (removed, was_live) in removed.into_iter().zip(live) {
        results.push(kit.store.counted(removed).map(|removed| {
            if removed {
                kit.events.happened(&Event::Deleted);
            }
            removed && was_live
        }));
    }
    results
}

/// Removes an entry and gives it back, so that of several callers one has it.
pub(crate) async fn take<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>) -> Result<Found> {
    let budget = kit.store.budget();
    let keys = std::slice::from_ref(key);
    let _writing = kit.store.counted(kit.flights.write(keys, budget).await)?;
    for _ in 0..TRIES {
        let found = kit.store.counted(kit.store.read(key, &[], budget).await)?;
        let Ok(entry) = found else {
            if revoke(kit, key, &found, budget).await? {
                return Ok(found);
            }
            continue;
        };
        // A stale one goes as well, though nobody is given it: another process may be renewing it.
        let removed = kit.store.remove_many(&[(*key, unchanged(kit, &entry))], budget.until()).await;
        if kit.store.counted(removed.into_iter().next().unwrap_or(Ok(false)))? {
            kit.events.happened(&Event::Deleted);
            return Ok(if_fresh(kit, Ok(entry)));
        }
    }
    Err(contended(Operation::Delete))
}

/// Where there is no value but something that a load in whatever process may be about to replace, removes it: what that load
/// makes is not stored. It may be the load's lease; or an entry that is over, such as by a clear, which stood when the load
/// began and which it holds by its token alone. `false` if there is something else by now.
async fn revoke<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>, found: &Found, budget: Budget) -> Result<bool> {
    let Err(Nothing { place: Place::Taken(token), .. }) = found else { return Ok(true) };
    if !kit.store.capabilities().compare_and_set {
        // Loads of other processes write without a condition then, and removing would keep none from it.
        return Ok(true);
    }
    let replaced = [(*key, Condition::Unchanged(*token))];
    let removed = kit.store.remove_many(&replaced, budget.until()).await;
    kit.store.counted(removed.into_iter().next().unwrap_or(Ok(true)))
}

/// Gives a live entry another TTL, which begins now: `true` if there was one. A TTL of zero removes it.
pub(crate) async fn touch<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>, ttl: Ttl) -> Result<bool> {
    let budget = kit.store.budget();
    let found = if_fresh(kit, kit.store.counted(kit.store.read(key, &[], budget).await)?);
    if ttl.is_zero() {
        if found.is_ok() {
            return remove(kit, std::slice::from_ref(key)).await.into_iter().next().unwrap_or(Ok(false));
        }
        // It wins over a load all the same, and what is over goes as well: see `revoke`. Nothing that counts is removed.
        let _writing = kit.store.counted(kit.flights.write(std::slice::from_ref(key), budget).await)?;
        let removed = kit.store.remove_many(&[(*key, Condition::Always)], budget.until()).await;
        kit.store.counted(removed.into_iter().next().unwrap_or(Ok(false)))?;
        return Ok(false);
    }
    let Ok(entry) = found else { return Ok(false) };
    let life = kit.policy.life(kit.clock.now(), ttl, entry.kind());
    kit.store.keep_stamps(key, &entry, life.1, budget).await;
    kit.store.touch(key, life, Condition::Present, budget.until()).await
}

/// Lets what is there count as stale from now on: `true` if there was a fresh entry. Where nothing serves stale values, it is
/// removed.
pub(crate) async fn expire<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>) -> Result<bool> {
    let budget = kit.store.budget();
    let keys = std::slice::from_ref(key);
    let _writing = kit.store.counted(kit.flights.write(keys, budget).await)?;
    for _ in 0..TRIES {
        let found = kit.store.counted(kit.store.read(key, &[], budget).await)?;
        let Ok(entry) = found else {
            if revoke(kit, key, &found, budget).await? {
                return Ok(false);
            }
            continue;
        };
        // One that is stale already as well: another process may have begun to renew it, and is not to store that.
        let now = kit.clock.now();
        let was_fresh = entry.is_fresh(now);
        let done = match kit.policy.expired(entry.meta(), now) {
            Some(life) if !life.1.is_zero() && kit.store.capabilities().compare_and_set => {
                // Under a new revision: a load in another process that has begun over the old one does not store.
                let expired = entry.renewed(entry.meta().created, life.0);
                let condition = Condition::Unchanged(entry.token());
                let write = Write { key: *key, entry: expired, kept: life.1, condition };
                kit.store.write(write, budget.until()).await?.took_place()
            }
            _ => {
                let removed = kit.store.remove_many(&[(*key, unchanged(kit, &entry))], budget.until()).await;
                kit.store.counted(removed.into_iter().next().unwrap_or(Ok(false)))?
            }
        };
        if done {
            return Ok(was_fresh);
        }
    }
    // Others are faster each time. What is not there is not fresh either.
    let removed = remove_now(kit, &[(*key, Condition::Always)], budget).await;
    removed.into_iter().next().unwrap_or(Ok(false))
}

fn unchanged<T>(kit: &Kit<T>, entry: &Entry) -> Condition {
    if kit.store.capabilities().compare_and_set {
        Condition::Unchanged(entry.token())
    } else {
        Condition::Always
    }
}

/// Invalidates a tag or the namespace; `softly`, what was there counts as stale from now on.
pub(crate) async fn invalidate<T: Value>(
    kit: &Kit<T>,
    scope: &Scope,
    softly: bool,
    operation: Operation,
) -> Result<()> {
    let budget = kit.store.budget();
    let result = kit.store.invalidate(scope, softly, operation, budget).await;
    // After the version has changed: whoever begins a load from now on does so under the new one, and
    // those who began before wrote, or will write, under the old one.
    let tag = Some(scope).filter(|scope| matches!(scope, Scope::Tag(_)));
    let superseded = kit.store.counted(kit.flights.supersede_all(tag, budget).await);
    result?;
    superseded?;
    kit.events.happened(&match scope {
        Scope::Tag(tag) => Event::Invalidated { tag },
        Scope::Namespace(_) => Event::Cleared,
    });
    Ok(())
}

pub(super) fn contended(operation: Operation) -> Error {
    Error::new(ErrorKind::Busy, operation, "the entry was changed by somebody else each time it was read")
}
