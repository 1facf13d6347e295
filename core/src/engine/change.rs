//! Writing, as callers ask for it. It wins over a load of the same key that is in progress. One key is several with n = 1.

use super::{
    Few,
    budget::Budget,
    call::Call,
    kit::Kit,
    look::if_fresh,
    remove::{TRIES, contended, remove_now},
    store::{Nothing, Place, Write, stored},
};
use crate::{
    backend::{Condition, SetOptions, Written},
    entry::{Entry, Kind, Meta, Stamps},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    value::Value,
};

/// Writes values; one answer each.
pub(crate) async fn write<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    items: Vec<(StoreKey<'_>, T)>,
    condition: Condition,
) -> Result<Vec<Result<bool>>> {
    let budget = kit.store.budget();
    let keys: Few<StoreKey<'_>> = items.iter().map(|(key, _)| *key).collect();
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
    let why_not: Few<Option<Error>> =
        keys.iter().map(|key| failed.of(kit.store.part(key)).cloned()).collect();
    let writes: Few<Write<'_>> = items
        .into_iter()
        .filter_map(|(key, value)| {
            Some(new_entry(kit, call, key, (value, stamps.of(kit.store.part(&key))?), condition))
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

/// Replaces a live entry: this one or, without one, whatever is there.
pub(crate) async fn replace<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    key: StoreKey<'_>,
    value: T,
    expected: Option<&Entry>,
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
        // A near copy has no token of the store's. Each write has a revision of its own.
        let is_it =
            |expected: &Entry| expected.token() == token || expected.meta().revision == entry.meta().revision;
        if !expected.is_none_or(is_it) {
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

fn late(operation: Operation) -> Error {
    Error::new(
        ErrorKind::Timeout,
        operation,
        "another task is repairing the same key and did not finish in time",
    )
}
