//! Leases: of several processes one loads, and what any of them writes or removes wins over a load of another. Two caches
//! that share nothing but the store stand for two processes, unless the case needs real ones.

use std::{convert::Infallible, time::Duration};

use larder_core::cache::{Abandon, Policy, Status};

use super::loading::{Caller, Gate, answer, ask, have_joined, value};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::{patiently, soon},
    probe::Probe,
    task,
};

family! { "leases" needs [Storing, AtomicAdd, CompareAndSet]:
    of_two_caches_one_loads = "Of two caches that miss a key at once one loads; the other is given its value.";
    who_waits_does_not_load = "Who finds a key being loaded elsewhere waits, and is told that another made the value.";
    a_lease_is_no_value = "While a key is being loaded under a lease, every kind of read finds nothing.";
    a_lease_does_not_hinder_an_add = "A key that is being loaded under a lease can be added, and the load is then not stored.";
    a_delete_elsewhere_wins = "A delete through another cache during a load wins: the loaded value is not stored.";
    a_set_elsewhere_wins = "A set through another cache during a load wins: the loaded value is not stored.";
    a_bulk_write_elsewhere_wins = "Bulk writes and removals through another cache during a load win.";
    a_clear_elsewhere_wins = "A clear through another cache during a load wins.";
    a_tag_invalidated_elsewhere_wins = "A tag's invalidation through another cache during a load wins.";
    who_knows_of_no_leases_wins_too = "A delete or set by a cache without leases wins over a load under one.";
    who_comes_after_a_delete_elsewhere_loads_anew = "A caller who comes after a delete in another cache is not given the value of a load that began before it.";
    who_came_before_a_delete_elsewhere_is_answered = "Those who waited when another cache removed the key are given a value.";
    a_failed_load_frees_the_key = "When a load under a lease fails, the next one begins at once.";
    a_value_not_stored_frees_the_key = "When a loader says not to store, the next load begins at once.";
    a_lease_ends_by_itself = "When the process that has the lease does not come back, another loads after the lease's time.";
    a_lease_is_kept_while_its_load_goes_on = "A load that takes longer than its lease is stored: the lease is renewed meanwhile.";
    who_has_waited_long_enough_loads = "Who has waited twice a lease's time loads without storing.";
    a_kept_lease_can_be_revoked = "A delete through another cache wins over a load whose lease was renewed.";
    a_delete_elsewhere_wins_over_a_renewal = "A delete through another cache wins over the renewal of a stale value.";
    a_bulk_load_loses_against_a_delete_elsewhere = "A delete through another cache wins over a load of many keys: that key is not stored, the others are.";
    a_bulk_load_leaves_no_lease_behind = "What a load of many keys does not store can be loaded by another at once.";
    who_asks_for_many_after_a_delete_elsewhere_loads_anew = "A caller who asks for several keys after a delete in another cache is not given the value of a load that began before it.";
    bulk_loads_replace_dead_entries = "What a load of many keys finds dead or stale it replaces.";
    an_overtaken_load_leaves_no_lease = "A load that was superseded in its own process leaves no lease.";
    dead_entries_do_not_hinder_a_lease = "An invalidated entry, which the store still has, is loaded again, once.";
    #[needs(Sharing)] of_two_processes_one_loads = "Of two processes that miss a key at once one loads; the other is given its value.";
    #[needs(Sharing)] another_processs_delete_wins = "A delete by another process during a load wins: the loaded value is not stored.";
    #[needs(Sharing)] another_processs_set_wins = "A set by another process during a load wins: the loaded value is not stored.";
}

/// Longer than a case may last.
const LONG: Duration = Duration::from_mins(5);
/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(400);
const LIFE: Duration = Duration::from_mins(10);

/// A cache with leases that nothing in the case outlives.
fn cache(t: &Context, name: &str) -> Probe {
    leased(t, name, LONG)
}

fn leased(t: &Context, name: &str, time: Duration) -> Probe {
    let policy = Policy::new(LIFE).lease(time);
    t.cache_with(name, |builder| builder.policy(policy).invalidation_lag(Duration::ZERO))
}

fn peer(t: &Context) -> Probe {
    t.peer(|builder| builder.policy(Policy::new(LIFE).lease(LONG)).invalidation_lag(Duration::ZERO))
}

/// Begins a load of "k" that ends when the gate opens.
async fn begin(t: &Context, cache: &Probe, gate: &Gate) -> Result<Caller, Failure> {
    let caller = ask(cache, "k", gate, "old");
    gate.has_begun().await?;
    t.note("// a load of \"k\" has begun", ());
    Ok(caller)
}

/// Waits until so many have found a lease of somebody else's.
async fn have_waited(cache: &Probe, count: u64) -> Verdict {
    let expected = format!("{count} who wait for a lease");
    soon(&expected, || async { Ok(cache.cache().stats().leases_awaited >= count) }).await
}

async fn one_loads(t: &Context, here: Probe, there: Probe) -> Verdict {
    let gate = Gate::new();
    let first = begin(t, &here, &gate).await?;
    let others: Vec<Caller> = (0..10).map(|_| ask(&there, "k", &gate, "another")).collect();
    have_waited(&there, 1).await?;
    // Who comes when the value is there is given a hit.
    have_joined(&there, 9).await?;
    gate.open();
    same(answer(first).await?.0, "old".into())?;
    for other in others {
        same(answer(other).await?, ("old".into(), Status::Joined))?;
    }
    same(gate.loads(), 1)
}

async fn of_two_caches_one_loads(t: &Context) -> Verdict {
    one_loads(t, cache(t, "here"), cache(t, "there")).await
}

async fn of_two_processes_one_loads(t: &Context) -> Verdict {
    one_loads(t, cache(t, "here"), peer(t)).await
}

async fn who_waits_does_not_load(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let first = begin(t, &here, &gate).await?;
    let second = ask(&there, "k", &gate, "another");
    have_waited(&there, 1).await?;
    same(gate.loads(), 1)?;
    gate.open();
    same(answer(first).await?.1, Status::Loaded)?;
    same(answer(second).await?, ("old".into(), Status::Joined))?;
    same(there.cache().stats().loads, 0)
}

async fn a_lease_is_no_value(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let first = begin(t, &here, &gate).await?;
    for reader in [&here, &there, &t.cache()] {
        same(reader.get("k").await?, None)?;
        same(reader.contains("k").await?, false)?;
        same(reader.ttl("k").await?, None)?;
        same(reader.touch("k", LIFE).await?, false)?;
        for found in reader.get_many(&["k".into()]).await? {
            same(found?, None)?;
        }
    }
    gate.open();
    same(answer(first).await?.1, Status::Loaded)?;
    same(there.get("k").await?, Some("old".into()))
}

/// Begins a load, does something else, ends the load; the first caller has its value, and it was not stored.
async fn overtaken(t: &Context, here: &Probe, act: impl AsyncFnOnce() -> larder_core::Result<()>) -> Verdict {
    let gate = Gate::new();
    let first = begin(t, here, &gate).await?;
    act().await?;
    gate.open();
    same(answer(first).await?, ("old".into(), Status::LoadedNotStored))?;
    t.note("// the load has ended with \"old\"", ());
    holds(here.cache().stats().fenced > 0, "the load is counted as fenced", here.cache().stats())
}

async fn a_lease_does_not_hinder_an_add(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    overtaken(t, &here, async || {
        let added = there.add("k", "new").await?;
        t.note("// whether it was added", added);
        Ok(())
    })
    .await?;
    same(here.get("k").await?, Some("new".into()))
}

async fn a_delete_elsewhere_wins(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    overtaken(t, &here, async || there.delete("k").await.map(drop)).await?;
    same(here.get("k").await?, None)
}

async fn another_processs_delete_wins(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), peer(t));
    overtaken(t, &here, async || there.delete("k").await.map(drop)).await?;
    same(here.get("k").await?, None)
}

async fn a_set_elsewhere_wins(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    overtaken(t, &here, async || there.set("k", "new").await).await?;
    same(here.get("k").await?, Some("new".into()))
}

async fn another_processs_set_wins(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), peer(t));
    overtaken(t, &here, async || there.set("k", "new").await).await?;
    same(here.get("k").await?, Some("new".into()))
}

async fn a_bulk_write_elsewhere_wins(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    let write =
        async || there.set_many(vec![("j".into(), 1.into()), ("k".into(), "new".into())]).await.map(drop);
    overtaken(t, &here, write).await?;
    same(here.get("k").await?, Some("new".into()))?;
    there.delete("k").await?;
    let remove = async || there.delete_many(&["j".into(), "k".into()]).await.map(drop);
    overtaken(t, &here, remove).await?;
    same(here.get("k").await?, None)
}

async fn a_clear_elsewhere_wins(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let first = begin(t, &here, &gate).await?;
    there.clear().await?;
    gate.open();
    same(answer(first).await?.0, "old".into())?;
    same(here.get("k").await?, None)
}

async fn a_tag_invalidated_elsewhere_wins(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let first = {
        let (here, gate) = (here.clone(), gate.clone());
        task::spawn(async move {
            here.load_as("k", LIFE, &["tag"], || gate.load(Ok::<_, Infallible>("old".into()))).await
        })
    };
    gate.has_begun().await?;
    there.invalidate_tag("tag").await?;
    gate.open();
    same(answer(first).await?.0, "old".into())?;
    same(here.get("k").await?, None)
}

async fn who_knows_of_no_leases_wins_too(t: &Context) -> Verdict {
    let (here, plain) = (cache(t, "here"), t.cache_with("plain", |builder| builder));
    overtaken(t, &here, async || plain.delete("k").await.map(drop)).await?;
    same(here.get("k").await?, None)?;
    overtaken(t, &here, async || plain.set("k", "new").await).await?;
    same(here.get("k").await?, Some("new".into()))
}

async fn who_comes_after_a_delete_elsewhere_loads_anew(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    let (old, new) = (Gate::new(), Gate::new());
    let first = begin(t, &here, &old).await?;
    there.delete("k").await?;
    let second = ask(&here, "k", &new, "new");
    have_joined(&here, 1).await?;
    old.open();
    new.open();
    same(answer(first).await?.0, "old".into())?;
    same(answer(second).await?.0, "new".into())?;
    same(there.get("k").await?, Some("new".into()))
}

async fn who_came_before_a_delete_elsewhere_is_answered(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let mut callers = vec![begin(t, &here, &gate).await?];
    callers.extend((0..5).map(|_| ask(&here, "k", &gate, "new")));
    have_joined(&here, 5).await?;
    there.delete("k").await?;
    gate.open();
    for caller in callers {
        answer(caller).await?;
    }
    same(gate.loads(), 2)?;
    same(there.get("k").await?, Some("new".into()))
}

async fn a_failed_load_frees_the_key(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let failing = {
        let (here, gate) = (here.clone(), gate.clone());
        task::spawn(async move { here.get_or_load("k", || gate.load(Err("it is broken"))).await })
    };
    gate.has_begun().await?;
    let second = ask(&there, "k", &Gate::opened(), "new");
    have_waited(&there, 1).await?;
    gate.open();
    holds(matches!(failing.await, Ok(Err(_))), "the loader's error", "none")?;
    same(answer(second).await?, ("new".into(), Status::Loaded))
}

async fn a_value_not_stored_frees_the_key(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    let key = "k".into();
    let made = here.cache().at(&key).get_or_load_with(|_| async {
        Ok::<_, Infallible>(larder_core::cache::Loaded::not_stored("passing".into()))
    });
    same(made.await?.status(), Status::LoadedNotStored)?;
    t.note("// a loader has said not to store \"k\"", ());
    let second = patiently(
        "a load that begins before the lease's time is over",
        there.get_or_load("k", || value("new")),
    )
    .await??;
    same(second, ("new".into(), Status::Loaded))
}

async fn a_lease_ends_by_itself(t: &Context) -> Verdict {
    let policy = Policy::new(LIFE).lease(SHORT).abandon(Abandon::Cancel);
    let here = t.cache_with("here", |builder| builder.policy(policy));
    // Its own lease and its own patience last; what it waits for is the end of the other's.
    let (there, gate) = (cache(t, "there"), Gate::new());
    let first = begin(t, &here, &gate).await?;
    first.abort();
    t.note("// the process that has the lease is gone", ());
    let second = ask(&there, "k", &Gate::opened(), "new");
    t.outlive(SHORT).await;
    same(answer(second).await?, ("new".into(), Status::Loaded))?;
    same(there.get("k").await?, Some("new".into()))
}

async fn a_lease_is_kept_while_its_load_goes_on(t: &Context) -> Verdict {
    let kept = |time: Duration| async move {
        let (here, there, gate) = (leased(t, "here", time), leased(t, "there", time), Gate::new());
        here.delete("k").await?;
        let first = begin(t, &here, &gate).await?;
        tokio::time::sleep(time * 3).await;
        t.note("// three times the lease's time has passed", ());
        gate.open();
        same(answer(first).await?, ("old".into(), Status::Loaded))?;
        same(there.get("k").await?, Some("old".into()))
    };
    t.undisturbed(SHORT * 2, kept).await
}

async fn who_has_waited_long_enough_loads(t: &Context) -> Verdict {
    // The lease is renewed meanwhile, if it comes to that in time.
    let waited = |time: Duration| async move {
        let (here, there, gate) = (leased(t, "here", time), leased(t, "there", time), Gate::new());
        here.delete("k").await?;
        let first = begin(t, &here, &gate).await?;
        let second = ask(&there, "k", &Gate::opened(), "new");
        same(answer(second).await?, ("new".into(), Status::LoadedNotStored))?;
        gate.open();
        same(answer(first).await?, ("old".into(), Status::Loaded))
    };
    t.undisturbed(SHORT * 2, waited).await
}

async fn a_kept_lease_can_be_revoked(t: &Context) -> Verdict {
    let time = SHORT * 2;
    let (here, there) = (leased(t, "here", time), leased(t, "there", time));
    overtaken(t, &here, async || {
        tokio::time::sleep(time * 2).await;
        let removed = there.delete("k").await;
        tokio::time::sleep(time).await;
        removed.map(drop)
    })
    .await?;
    same(there.get("k").await?, None)
}

async fn a_delete_elsewhere_wins_over_a_renewal(t: &Context) -> Verdict {
    let life = t.short();
    let policy = Policy::new(life).lease(LONG).stale_while_revalidate(LIFE);
    let (here, there) = (t.cache_with("here", |builder| builder.policy(policy)), cache(t, "there"));
    here.set("k", "stale").await?;
    t.outlive(life).await;
    let gate = Gate::new();
    let stale = answer(ask(&here, "k", &gate, "old")).await?;
    same(stale, ("stale".into(), Status::Stale))?;
    gate.has_begun().await?;
    there.delete("k").await?;
    gate.open();
    let is_fenced = || async { Ok(here.cache().stats().fenced > 0) };
    soon("a renewal that is not stored", is_fenced).await?;
    same(there.get("k").await?, None)
}

async fn a_bulk_load_loses_against_a_delete_elsewhere(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let loading = {
        let (here, gate) = (here.clone(), gate.clone());
        task::spawn(async move {
            let keys = ["j".into(), "k".into()];
            let load = move |missing: Vec<larder_core::Key>| async move {
                gate.load(Ok::<_, Infallible>("old".into())).await.map(|value: crate::value::Value| {
                    missing.into_iter().map(move |key| (key, value.clone())).collect::<Vec<_>>()
                })
            };
            here.cache().get_or_load_many(&keys, load).await.map(drop)
        })
    };
    gate.has_begun().await?;
    t.note("// a load of \"j\" and \"k\" has begun", ());
    there.delete("k").await?;
    gate.open();
    loading.await.map_err(|panic| Failure::new("a load that ends", panic))??;
    same(there.get("k").await?, None)?;
    same(there.get("j").await?, Some("old".into()))?;
    holds(here.cache().stats().fenced == 1, "one value that was fenced", here.cache().stats())
}

async fn a_bulk_load_leaves_no_lease_behind(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    let keys = ["j".into(), "k".into()];
    let none = |_| async { Ok::<_, Infallible>(Vec::new()) };
    let _ = here.cache().get_or_load_many(&keys, none).await?;
    let failing = |_| async { Err::<Vec<(larder_core::Key, crate::value::Value)>, _>("broken") };
    for answer in here.cache().get_or_load_many(&keys, failing).await? {
        holds(answer.is_err(), "the loader's error", "none")?;
    }
    t.note("// a loader of \"j\" and \"k\" has made nothing, another has failed", ());
    let second = patiently(
        "a load that begins before the lease's time is over",
        there.get_or_load("k", || value("new")),
    )
    .await??;
    same(second, ("new".into(), Status::Loaded))
}

async fn make(
    missing: Vec<larder_core::Key>,
) -> Result<Vec<(larder_core::Key, crate::value::Value)>, Infallible> {
    Ok(missing.into_iter().map(|key| (key, "new".into())).collect())
}

async fn who_asks_for_many_after_a_delete_elsewhere_loads_anew(t: &Context) -> Verdict {
    let (here, there, gate) = (cache(t, "here"), cache(t, "there"), Gate::new());
    let first = begin(t, &here, &gate).await?;
    there.delete("k").await?;
    let many = {
        let here = here.clone();
        task::spawn(async move { here.cache().get_or_load_many(&["k".into()], make).await })
    };
    tokio::time::sleep(Duration::from_millis(30)).await;
    gate.open();
    same(answer(first).await?.0, "old".into())?;
    for found in many.await.map_err(|panic| Failure::new("an answer", panic))?? {
        same(found?.map(|found| crate::value::Value::clone(&found)), Some("new".into()))?;
    }
    Ok(())
}

async fn bulk_loads_replace_dead_entries(t: &Context) -> Verdict {
    let life = t.short();
    let policy = Policy::new(life).lease(LONG).stale_if_error(LIFE);
    let stale = t.cache_with("stale", |builder| builder.policy(policy));
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    stale.set("stale", "old").await?;
    here.set("dead", "old").await?;
    t.outlive(life).await;
    let keys = ["dead".into(), "stale".into(), "absent".into()];
    there.invalidate_tag("another").await?;
    there.clear().await?;
    for status in [Status::Loaded, Status::Hit] {
        for found in here.cache().get_or_load_many(&keys, make).await? {
            same(found?.map(|found| found.status()), Some(status))?;
        }
    }
    Ok(())
}

async fn an_overtaken_load_leaves_no_lease(t: &Context) -> Verdict {
    let (here, gate) = (cache(t, "here"), Gate::new());
    let first = {
        let (here, gate) = (here.clone(), gate.clone());
        task::spawn(async move {
            let key = "k".into();
            let load = |_| async move {
                let loaded = gate.load(Ok::<_, Infallible>("old".into())).await;
                loaded.map(|value| larder_core::cache::Loaded::new(value).tag("its own"))
            };
            here.cache().at(&key).get_or_load_with(load).await.map(|fetched| fetched.status())
        })
    };
    gate.has_begun().await?;
    here.invalidate_tag("its own").await?;
    gate.open();
    let first = first.await.map_err(|panic| Failure::new("an answer", panic))??;
    same(first, Status::LoadedNotStored)?;
    let second = patiently(
        "a load that begins before the lease's time is over",
        here.get_or_load("k", || value("new")),
    )
    .await??;
    same(second, ("new".into(), Status::Loaded))
}

async fn dead_entries_do_not_hinder_a_lease(t: &Context) -> Verdict {
    let (here, there) = (cache(t, "here"), cache(t, "there"));
    here.set("k", "dead").await?;
    there.clear().await?;
    one_loads(t, here, there).await
}
