//! What becomes of what a loader made: stored, renewed, negative, not stored, fenced.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Few,
    budget::Budget,
    call::{Call, check_extra},
    events::Event,
    fetched::{Fetched, Status},
    freshness::Life,
    kit::{Kit, Outcome},
    lease::{self, Hold},
    loaded::{Loaded, What},
    register::Each,
    stamps::tag_scopes,
    store::Write,
    wanted::Wanted,
};
use crate::{
    backend::Written,
    entry::{Kind, Meta, Scope, Token},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
    value::Value,
    versions::Standing,
};

/// How a loader ran.
pub(crate) struct Ran {
    /// Marks in the invalidations of tags, from before it began.
    pub(crate) marks: Each<u64>,
    /// What one value has cost.
    pub(crate) cost: Duration,
    /// How long those who wait still wait for the store.
    pub(crate) budget: Budget,
}

/// What is to be done with one value.
enum Action {
    /// Nothing is stored.
    Nothing,
    /// It is written.
    Write(Life),
    /// What is there lives longer.
    Touch(Life),
}

/// One value that is being kept.
struct Kept<T: Value> {
    wanted: Wanted<T>,
    outcome: Outcome<T>,
    action: Action,
}

/// Does with each answer of a loader what it says. Those who wait are told what was made before anything is stored, so that a
/// slow store costs them no more than their budgets.
pub(crate) async fn keep<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    wanted: Vec<Wanted<T>>,
    made: Few<Option<Loaded<T>>>,
    ran: Ran,
) {
    let mut kept = Vec::with_capacity(wanted.len());
    for (mut wanted, loaded) in wanted.into_iter().zip(made) {
        let (outcome, action) = match loaded {
            None => (Ok(None), Action::Nothing),
            Some(loaded) => match digest(kit, call, &mut wanted, loaded, &ran).await {
                Ok((fetched, action)) => (Ok(Some(fetched)), action),
                Err(error) => (Err(error), Action::Nothing),
            },
        };
        wanted.make(outcome.clone());
        kept.push(Kept { wanted, outcome, action });
    }
    for one in &mut kept {
        if matches!(one.action, Action::Nothing) {
            continue;
        }
        one.wanted.flight().older_landed().await;
        // Whatever has superseded the load may have left its lease.
        if !one.wanted.flight().may_store() {
            kit.events.happened(&Event::Fenced);
            one.action = Action::Nothing;
        }
    }
    store(kit, &mut kept, call.policy.lease.is_some()).await;
    release(kit, &kept).await;
    for Kept { wanted, outcome, .. } in kept {
        if let Some(error) = &wanted.cut_off_by {
            wanted.flight().cannot_vouch(error);
        }
        wanted.land(outcome);
    }
}

/// What a loader's answer comes to, before it is stored.
async fn digest<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    wanted: &mut Wanted<T>,
    loaded: Loaded<T>,
    ran: &Ran,
) -> Result<(Fetched<T>, Action)> {
    let policy = &call.policy;
    let Loaded { what, ttl: own_ttl, user, tags } = loaded;
    let (value, kind, ttl, stores) = match what {
        What::Value(value) => (value, Kind::Value, own_ttl.unwrap_or(call.ttl), true),
        What::Negative(value) => (value, Kind::Negative, own_ttl.unwrap_or(policy.negative_ttl.into()), true),
        What::NotStored(value) => (value, Kind::Value, own_ttl.unwrap_or(call.ttl), false),
        What::Unchanged => return unchanged(kit, call, wanted, own_ttl),
    };
    let mut all_user = call.user.clone();
    all_user.extend(user);
    let own = tags_beyond(&call.tags, &tags)?;
    if !all_user.is_empty() {
        let reserved = usize::from(kind == Kind::Negative) + usize::from(policy.sliding.is_some());
        check_extra(&[&call.tags[..], &own].concat(), &all_user, reserved, Operation::Load)?;
    }
    let mut stores = stores && !ttl.is_zero() && wanted.hold.is_some();
    if stores && !own.is_empty() {
        stores = stamp_own(kit, wanted, &own, policy.kept(ttl), ran).await;
    }
    let now = kit.clock.now();
    let life = policy.life(now, ttl, kind);
    let stamps = wanted.hold.as_ref().map(|hold| hold.stamps.clone()).unwrap_or_default();
    let meta = Meta::new(now, life.0).with_kind(kind).with_load_cost(ran.cost).with_stamps(stamps);
    let meta = if all_user.is_empty() { meta } else { meta.with_user(all_user.into()) };
    let entry = kit.encoding.entry(value, call.sliding(meta, ttl));
    let fetched = Fetched::new(None, entry, Status::LoadedNotStored, now);
    Ok((fetched, if stores { Action::Write(life) } else { Action::Nothing }))
}

/// Gives an old value that is still right a new TTL.
fn unchanged<T: Value>(
    kit: &Kit<T>,
    call: &Call,
    wanted: &Wanted<T>,
    own_ttl: Option<Ttl>,
) -> Result<(Fetched<T>, Action)> {
    let Some(old) = &wanted.old else {
        let message = "the loader answered that the value is unchanged, but there is no earlier value";
        return Err(Error::new(ErrorKind::Load, Operation::Load, message));
    };
    let kind = old.entry.kind();
    let ttl = own_ttl.unwrap_or_else(|| match kind {
        Kind::Negative => call.policy.negative_ttl.into(),
        _ => call.ttl,
    });
    let now = kit.clock.now();
    let life = call.policy.life(now, ttl, kind);
    // It was found right just now, so its age begins at zero.
    let entry = old.entry.renewed(now, life.0);
    let action = match &wanted.hold {
        None => Action::Nothing,
        Some(_) if ttl.is_zero() => Action::Nothing,
        // The store need not be sent the value again; but a touch leaves its age, by which an
        // early refresh would soon be due with every read.
        Some(hold) if hold.lease.is_none() && !call.policy.refreshes_early() => Action::Touch(life),
        Some(_) => Action::Write(life),
    };
    let fetched = old.under(entry, Status::LoadedNotStored, now);
    Ok((fetched, action))
}

/// Those of a loader's tags that its call has not named.
fn tags_beyond(call: &[Scope], own: &[Arc<str>]) -> Result<Vec<Scope>> {
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let named = call.iter().filter_map(|scope| if let Scope::Tag(tag) = scope { Some(tag) } else { None });
    let mut all = tag_scopes(named.chain(own), Operation::Load)?;
    Ok(all.split_off(call.len()))
}

/// Puts the entry under tags that the loader has named. `false` if one was invalidated since the loader began, or nobody
/// knows.
async fn stamp_own<T: Value>(
    kit: &Kit<T>,
    wanted: &mut Wanted<T>,
    own: &[Scope],
    kept: Ttl,
    ran: &Ran,
) -> bool {
    let key = wanted.key();
    // Without a mark the store has failed, and nothing is known.
    let Some(mark) = ran.marks.of(kit.store.part(&key)).copied() else { return false };
    if wanted.hold.is_none() {
        return false;
    }
    match kit.store.stamps_since(&key, own, kept, mark, ran.budget).await {
        Ok(Some(stamps)) => {
            let Some(hold) = &mut wanted.hold else { return false };
            hold.stamps = hold.stamps.iter().chain(stamps.iter()).cloned().collect();
            true
        }
        // Superseded.
        Ok(None) => {
            kit.events.happened(&Event::Fenced);
            wanted.flight().doubt();
            false
        }
        Err(_) => false,
    }
}

/// Stores what is to be stored, and notes what came of it.
async fn store<T: Value>(kit: &Kit<T>, kept: &mut [Kept<T>], leases: bool) {
    // Asked for by leases only.
    let begun = leases.then(Instant::now);
    let mut places: Few<usize> = Few::new();
    let mut writes: Few<Write<'_>> = Few::new();
    for (place, Kept { wanted, outcome, action }) in kept.iter().enumerate() {
        let (Action::Write((_, ttl)), Ok(Some(fetched)), Some(hold)) = (action, outcome, &wanted.hold) else {
            continue;
        };
        let key = StoreKey::new(&kit.namespace, &wanted.flight().key);
        writes.push(Write { key, entry: fetched.entry.clone(), kept: *ttl, condition: hold.condition });
        places.push(place);
    }
    let written = kit.store.write_many(&writes, None).await;
    drop(writes);
    for (place, written) in places.into_iter().zip(written) {
        settle(kit, &mut kept[place], written, begun).await;
    }
    for one in kept {
        let (Action::Touch(life), Some(hold)) = (&one.action, &one.wanted.hold) else { continue };
        let key = StoreKey::new(&kit.namespace, &one.wanted.flight().key);
        if let Ok(Some(fetched)) = &one.outcome {
            kit.store.keep_stamps(&key, &fetched.entry, life.1, kit.store.budget()).await;
        }
        let touched = kit.store.touch(&key, *life, hold.condition, None).await;
        // The state of an entry that is touched keeps its name.
        let token = one.wanted.old.as_ref().map(|old| old.entry.token());
        let touched = touched.map(|touched| match token {
            Some(token) if touched => Written::Yes(token),
            _ => Written::No,
        });
        settle(kit, one, touched, begun).await;
    }
}

/// Notes what came of storing one value; under leases, since when it was being stored.
async fn settle<T: Value>(kit: &Kit<T>, one: &mut Kept<T>, written: Result<Written>, begun: Option<Instant>) {
    let Kept { wanted, outcome, action } = one;
    let Ok(Some(fetched)) = outcome else { return };
    match written {
        Ok(Written::Yes(token)) => {
            fetched.status = Status::Loaded;
            if token != fetched.entry.token() {
                fetched.entry = fetched.entry.with_token(token);
            }
            if let (Some(begun), Some(hold)) = (begun, &wanted.hold) {
                vouch(kit, wanted, hold, begun).await;
            }
        }
        Ok(Written::No) => {
            kit.events.happened(&Event::Fenced);
            *action = Action::Nothing;
        }
        Err(error) => {
            if let Some(times) = kit.warnings.due(("store", error.kind().as_str())) {
                tracing::warn!(
                    cache = %kit.name, kind = error.kind().as_str(), error = %error.chain(), times,
                    "a loaded value was not stored"
                );
            }
            wanted.flight().cannot_vouch(&error);
            *action = Action::Nothing;
        }
    }
}

/// The key was unchanged until then, as its lease says. If no tag of it was invalidated and no clear came before this moment
/// either, which leaves a lease where it is, then the value is right for all who came before.
async fn vouch<T: Value>(kit: &Kit<T>, wanted: &Wanted<T>, hold: &Hold, moment: Instant) {
    let budget: Budget = kit.store.budget();
    match kit.store.standing(&wanted.key(), &hold.stamps, moment, budget).await {
        Ok(Standing::Stands) => wanted.flight().vouch_for_those_before(moment),
        Ok(_) => {}
        Err(error) => wanted.flight().cannot_vouch(&error),
    }
}

/// Ends the leases of what is not stored.
async fn release<T: Value>(kit: &Kit<T>, kept: &[Kept<T>]) {
    let unused = kept.iter().filter(|one| matches!(one.action, Action::Nothing)).map(|one| &one.wanted);
    release_all(kit, unused).await;
}

/// Ends the leases of these.
pub(crate) async fn release_all<'a, T: Value>(kit: &Kit<T>, wanted: impl Iterator<Item = &'a Wanted<T>>) {
    let mut leases: Few<(StoreKey<'_>, Token)> = Few::new();
    let mut holders = Few::new();
    for one in wanted {
        let lease = one.hold.as_ref().and_then(|hold| hold.lease);
        if let Some(token) = lease.or(one.perhaps) {
            leases.push((StoreKey::new(&kit.namespace, &one.flight().key), token));
            holders.push((one, lease.is_some()));
        }
    }
    if leases.is_empty() {
        return;
    }
    let begun = Instant::now();
    let released = lease::release(&kit.store, &leases).await;
    for ((one, was_ours), released) in holders.into_iter().zip(released) {
        if let (true, true, Some(hold)) = (released, was_ours, &one.hold) {
            vouch(kit, one, hold, begun).await;
        }
    }
}
