//! Writing, removing and invalidating, as callers ask for it. Each of these wins over a load of the same key that is in
//! progress. One key is several with n = 1.

use super::{
    budget::Budget,
    call::Call,
    events::Event,
    kit::Kit,
    store::{Found, Nothing, Place, Write, stored},
};
use crate::{
    backend::{Condition, SetOptions, Written},
    entry::{Entry, Kind, Meta, Scope, Stamps, Token},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    miss::Miss,
    ttl::Ttl,
    value::Value,
};

/// How often something is tried that others prevent by changing the entry each time.
const TRIES: u32 = 16;

/// Writes values; one answer each.
pub(crate) async fn write<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    items: Vec<(StoreKey<'_>, T)>,
    condition: Condition,
) -> Result<Vec<Result<bool>>> {
    let budget = kit.store.budget();
    let (keys, values): (Vec<StoreKey<'_>>, Vec<T>) = items.into_iter().unzip();
    let _writing = kit.store.counted(kit.flights.write(&keys, budget).await)?;
    if call.ttl.is_zero() {
        return Ok(write_nothing(kit, &keys, condition, budget).await);
    }
    let kept = call.policy.kept(call.ttl);
    let stamps = kit.store.stamps_each(keys.iter().copied(), &call.tags, kept, budget).await;
    let (stamps, failed) = stamps.split();
    if let (true, Some((_, error))) = (stamps.is_empty(), failed.iter().next()) {
        return Err(error.clone());
    }
    // Keys of a part of the store that has failed are not written; the others are.
    let part = |key| kit.store.part(key);
    let why_not: Vec<Option<Error>> = keys.iter().map(|key| failed.of(part(key)).cloned()).collect();
    let writes: Vec<Write<'_>> = keys
        .iter()
        .zip(values)
        .filter_map(|(key, value)| {
            Some(new_entry(kit, call, *key, (value, stamps.of(part(key))?), condition))
        })
        .collect();
    let written = kit.store.write_many(&writes, budget.until()).await;
    let mut written = writes.iter().zip(written);
    let mut results = Vec::with_capacity(keys.len());
    for why_not in why_not {
        if let Some(error) = why_not {
            results.push(Err(error));
            continue;
        }
        // One answer for each key that was written.
        let Some((write, written)) = written.next() else { break };
        results.push(match written {
            Ok(Written::Yes(_)) => Ok(true),
            Ok(Written::No) if condition == Condition::Absent => {
                kit.store.counted(replace_dead(kit, write, budget).await)
            }
            Ok(Written::No) => Ok(false),
            Err(error) => Err(error),
        });
    }
    Ok(results)
}

fn new_entry<'k, T: Value>(
    kit: &Kit<T>,
    call: &Call,
    key: StoreKey<'k>,
    (value, stamps): (T, &Stamps),
    condition: Condition,
) -> Write<'k> {
    let now = kit.clock.now();
    let (lifetime, kept) = call.policy.life(now, call.ttl, Kind::Value);
    let meta = Meta::new(now, lifetime).with_stamps(stamps.clone());
    let meta = if call.user.is_empty() { meta } else { meta.with_user(call.user.clone().into()) };
    let entry = kit.encoding.entry(value, call.sliding(meta, call.ttl));
    Write { key, entry, kept, condition }
}

/// What a TTL of zero comes to: the keys are absent afterwards.
async fn write_nothing<T: Value>(
    kit: &Kit<T>,
    keys: &[StoreKey<'_>],
    condition: Condition,
    budget: Budget,
) -> Vec<Result<bool>> {
    if condition == Condition::Absent {
        let found = kit.store.read_many(keys, &[], budget).await;
        let is_free = |found| kit.store.counted(found).map(|found| if_fresh(kit, found).is_err());
        return found.into_iter().map(is_free).collect();
    }
    let keys: Vec<_> = keys.iter().map(|key| (*key, Condition::Always)).collect();
    let removed = remove_now(kit, &keys, budget).await;
    removed.into_iter().map(|removed| removed.map(|_| true)).collect()
}

/// The store has something under the key. If it is dead all the same (superseded by a tag or a clear,
/// expired by our clock, unreadable), it does not stand in the way of an add.
async fn replace_dead<T: Value>(kit: &Kit<T>, write: &Write<'_>, budget: Budget) -> Result<bool> {
    let found = kit.store.read(&write.key, &[], budget).await?;
    let place = match if_fresh(kit, found) {
        Ok(_) => return Ok(false),
        Err(Nothing { place, .. }) => place,
    };
    let again = |condition| Write { key: write.key, entry: write.entry.clone(), kept: write.kept, condition };
    match place {
        // A newer program's entry is live for it.
        Place::Future => Ok(false),
        // Gone in the meantime: whoever adds first wins.
        Place::Empty => Ok(kit.store.write(again(Condition::Absent), budget.until()).await?.took_place()),
        Place::Taken(token) => match set(kit, &again(Condition::Unchanged(token)), budget).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                remove_now(kit, &[(write.key, Condition::Always)], budget).await;
                Ok(kit.store.write(again(Condition::Absent), budget.until()).await?.took_place())
            }
            written => written,
        },
        // Bytes that no token names: in this process one after the other, so that one succeeds.
        Place::Unreadable => {
            let _turn = budget.bound(kit.repairs.lock()).await.ok_or_else(|| late(Operation::Set))?;
            let found = kit.store.read(&write.key, &[], budget).await?;
            if if_fresh(kit, found).is_ok() {
                return Ok(false);
            }
            set(kit, &again(Condition::Always), budget).await
        }
    }
}

/// Writes without counting an error: its caller may have another way.
async fn set<T: Value>(kit: &Kit<T>, write: &Write<'_>, budget: Budget) -> Result<bool> {
    let options = SetOptions::new(write.kept).when(write.condition).with_until(budget.until());
    let written = kit.store.backend().set(&write.key, &write.entry, &options).await?.took_place();
    if written {
        kit.events.happened(&stored(&write.entry));
    }
    Ok(written)
}

/// What only those may see who serve stale values is a miss for everybody else.
pub(crate) fn if_fresh<T>(kit: &Kit<T>, found: Found) -> Found {
    let entry = found?;
    if entry.is_fresh(kit.clock.now()) {
        return Ok(entry);
    }
    Err(Nothing { miss: Miss::Stale, place: Place::Taken(entry.token()) })
}

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

async fn remove_now<T: Value>(
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

/// What came of replacing an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// The value was written.
    Yes,
    /// The entry is another one now; nothing was changed.
    Changed,
    /// There is no entry any more; nothing was written.
    Missing,
}

/// Replaces a live entry: the one of this token or, without one, whatever is there.
pub(crate) async fn replace<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    key: StoreKey<'_>,
    value: T,
    expected: Option<Token>,
) -> Result<Swapped> {
    let budget = kit.store.budget();
    let _writing = kit.store.counted(kit.flights.write(&[key], budget).await)?;
    let stamps = kit.store.stamps(&key, &call.tags, call.policy.kept(call.ttl), budget).await?;
    let mut write = new_entry(kit, call, key, (value, &stamps), Condition::Present);
    for _ in 0..TRIES {
        // What a tag or a clear has invalidated is not there, whatever the store says.
        let found = kit.store.counted(kit.store.read(&key, &[], budget).await)?;
        let Ok(entry) = if_fresh(kit, found) else { return Ok(Swapped::Missing) };
        let token = entry.token();
        if expected.is_some_and(|expected| expected != token) {
            return Ok(Swapped::Changed);
        }
        write.condition = match expected {
            None if !kit.store.capabilities().compare_and_set => Condition::Present,
            _ => Condition::Unchanged(token),
        };
        let replaced = if call.ttl.is_zero() {
            let removed = remove_now(kit, &[(key, write.condition)], budget).await;
            removed.into_iter().next().unwrap_or(Ok(false))?
        } else {
            let mut written = kit.store.write_many(std::slice::from_ref(&write), budget.until()).await;
            written.pop().unwrap_or(Ok(Written::No))?.took_place()
        };
        if replaced {
            return Ok(Swapped::Yes);
        }
    }
    Err(contended(Operation::Set))
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

/// Where there is no value but the lease of a load, in whatever process, ends the lease: what that load makes is not stored.
/// `false` if there is something else by now.
async fn revoke<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>, found: &Found, budget: Budget) -> Result<bool> {
    let Err(Nothing { miss: Miss::Leased, place: Place::Taken(token) }) = found else { return Ok(true) };
    let lease = [(*key, Condition::Unchanged(*token))];
    let removed = kit.store.remove_many(&lease, budget.until()).await;
    kit.store.counted(removed.into_iter().next().unwrap_or(Ok(true)))
}

/// Gives a live entry another TTL, which begins now: `true` if there was one. A TTL of zero removes it.
pub(crate) async fn touch<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>, ttl: Ttl) -> Result<bool> {
    let budget = kit.store.budget();
    let Ok(entry) = if_fresh(kit, kit.store.counted(kit.store.read(key, &[], budget).await)?) else {
        return Ok(false);
    };
    if ttl.is_zero() {
        return remove(kit, std::slice::from_ref(key)).await.into_iter().next().unwrap_or(Ok(false));
    }
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

fn contended(operation: Operation) -> Error {
    Error::new(ErrorKind::Busy, operation, "others have changed the entry each time it was read")
}

fn late(operation: Operation) -> Error {
    Error::new(ErrorKind::Timeout, operation, "others who repair the same key did not end in time")
}
