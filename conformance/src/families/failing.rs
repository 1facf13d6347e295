//! A store that fails: what the cache makes of it. The faults are put between the cache and the real store, so
//! these cases need no server of their own; what a server's own failures look like is a matter of its backend.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use larder_core::{ErrorKind, Key, Result, cache::Status, layer::Deadline};

use super::{
    faulty::{Fault, Faulty},
    loading::{Gate, have_joined},
};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    patience::patiently,
    probe::Probe,
    task,
    value::Value,
};

family! { "failing":
    a_failed_read_is_an_error_and_no_miss = "A store that fails to read is an error of every plain read, never a miss.";
    each_kind_of_failure_is_told_apart = "Each kind of failure is distinguished: by a read, a write and a delete.";
    a_load_answers_when_reading_fails = "The caller of `get_or_load` gets the loader's value when the store fails to read.";
    after_a_failed_read_nothing_is_written = "After a failed read nothing is written back.";
    a_load_answers_when_writing_fails = "The caller of `get_or_load` gets the loader's value when the store fails to write it.";
    a_loaders_own_error_is_not_hidden = "When store and loader both fail the loader's error is what the caller sees.";
    many_callers_of_a_failing_store_load_once = "One key, N callers, a store that fails: still one load.";
    a_failed_delete_is_never_success = "A delete that did not reach the store is an error, and the entry is still there.";
    a_failed_write_is_never_success = "A write that did not reach the store is an error, and the old value is still there.";
    a_clear_that_succeeds_is_done = "A clear or an invalidation that says it succeeded has succeeded, also when the store fails writes.";
    a_store_that_is_back_is_used_again = "A store that is back is used again automatically.";
    one_shard_fails_its_own_keys_only = "One failing shard fails its own keys only: to read, to write and to delete.";
    a_store_that_hangs_costs_its_deadline = "A store that hangs costs its deadline: plain operations are a timeout, loads answer.";
    a_store_that_hangs_delays_all_alike = "A store that hangs costs each of many callers its deadline, not one deadline after the other.";
    a_bulk_operation_that_hangs_costs_one_deadline = "A bulk operation on a store that hangs costs one deadline, and each key is a timeout.";
    a_caller_who_gives_up_leaves_nothing_behind = "A caller who gives up on a store that hangs leaves nothing behind that holds up the next.";
    failures_are_counted_as_errors = "Failures are counted as errors, not as misses.";
}

const DOWN: Fault = Fault::Fails(ErrorKind::Unavailable);

fn faulty(t: &Context) -> (Probe, Faulty) {
    let store = Faulty::new(t);
    (t.cache_on("faulty", store.clone(), |builder| builder), store)
}

async fn loaded() -> Result<Value, Infallible> {
    Ok(Value::from("loaded"))
}

async fn a_failed_read_is_an_error_and_no_miss(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    let key = Key::new("k");
    cache.set("k", "v").await?;
    store.reads(DOWN);
    fails(cache.get("k").await, ErrorKind::Unavailable)?;
    fails(cache.look_up("missing").await, ErrorKind::Unavailable)?;
    fails(cache.contains("k").await, ErrorKind::Unavailable)?;
    fails(cache.ttl("k").await, ErrorKind::Unavailable)?;
    fails(cache.touch("k", t.short()).await, ErrorKind::Unavailable)?;
    fails(cache.cache().get_encoded(&key).await, ErrorKind::Unavailable)?;
    for one in cache.get_many(&[key, "missing".into()]).await? {
        fails(one, ErrorKind::Unavailable)?;
    }
    Ok(())
}

async fn each_kind_of_failure_is_told_apart(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Auth,
        ErrorKind::ReadOnly,
        ErrorKind::Full,
        ErrorKind::Loading,
        ErrorKind::Busy,
        ErrorKind::Protocol,
        ErrorKind::Other,
    ] {
        store.all(Fault::Fails(kind));
        fails(cache.get("k").await, kind)?;
        fails(cache.set("k", "v").await, kind)?;
        fails(cache.add("k", "v").await, kind)?;
        fails(cache.delete("k").await, kind)?;
        same(cache.get_or_load("k", loaded).await?.0, "loaded".into())?;
    }
    Ok(())
}

async fn a_load_answers_when_reading_fails(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "stored").await?;
    store.reads(DOWN);
    for _ in 0..3 {
        same(cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::LoadedNotStored))?;
    }
    store.all(DOWN);
    same(cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::LoadedNotStored))
}

async fn after_a_failed_read_nothing_is_written(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "stored").await?;
    store.reads(DOWN);
    let before = store.counts().1;
    cache.get_or_load("k", loaded).await?;
    cache.get_or_load("missing", loaded).await?;
    same(store.counts().1 - before, 0)?;
    let encoded = cache.cache().at(&"k".into()).get_or_load_encoded(loaded).await?;
    same(encoded.status(), Status::LoadedNotStored)?;
    same(store.counts().1 - before, 0)?;
    store.reads(Fault::None);
    same(cache.get("k").await?, Some("stored".into()))?;
    same(cache.get("missing").await?, None)
}

async fn a_load_answers_when_writing_fails(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.get("k").await?;
    store.writes(DOWN);
    same(cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::LoadedNotStored))?;
    store.writes(Fault::None);
    same(cache.get("k").await?, None)?;
    same(cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::Loaded))?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn a_loaders_own_error_is_not_hidden(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    store.all(DOWN);
    let failed = cache.get_or_load("k", || async { Err::<Value, _>("no database") }).await;
    let told = failed.as_ref().err().map(|error| error.chain().to_string()).unwrap_or_default();
    fails(failed, ErrorKind::Load)?;
    holds(told.contains("no database"), "the loader's own words", told)
}

async fn many_callers_of_a_failing_store_load_once(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    store.all(DOWN);
    let gate = Gate::new();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || gate.load(Ok::<_, Infallible>(Value::from("loaded")));
            task::spawn(async move { cache.get_or_load("k", load).await })
        })
        .collect();
    have_joined(&cache, 19).await?;
    gate.open();
    for caller in callers {
        same(caller.await.map_err(|panic| Failure::new("an answer", panic))??.0, "loaded".into())?;
    }
    same(gate.loads(), 1)
}

async fn a_failed_delete_is_never_success(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "v").await?;
    store.deletes(DOWN);
    fails(cache.delete("k").await, ErrorKind::Unavailable)?;
    fails(cache.touch("k", Duration::ZERO).await, ErrorKind::Unavailable)?;
    fails(cache.set_for("k", "w", Duration::ZERO).await, ErrorKind::Unavailable)?;
    for one in cache.delete_many(&["k".into()]).await? {
        fails(one, ErrorKind::Unavailable)?;
    }
    same(cache.get("k").await?, Some("v".into()))?;
    store.deletes(Fault::None);
    same(cache.delete("k").await?, true)
}

async fn a_failed_write_is_never_success(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "old").await?;
    store.writes(Fault::Fails(ErrorKind::ReadOnly));
    fails(cache.set("k", "new").await, ErrorKind::ReadOnly)?;
    fails(cache.add("free", "new").await, ErrorKind::ReadOnly)?;
    fails(cache.touch("k", t.short()).await, ErrorKind::ReadOnly)?;
    for one in cache.set_many(vec![("k".into(), "new".into()), ("free".into(), "new".into())]).await? {
        fails(one, ErrorKind::ReadOnly)?;
    }
    same(cache.get("k").await?, Some("old".into()))?;
    store.writes(Fault::None);
    same(cache.get("free").await?, None)?;
    cache.set("k", "new").await?;
    same(cache.get("k").await?, Some("new".into()))
}

async fn a_clear_that_succeeds_is_done(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    // Whoever clears remembers it; a cache that is made afterwards knows only what the store has.
    let afterwards = || t.cache_on("made afterwards", store.clone(), |builder| builder);
    for fault in [DOWN, Fault::None] {
        cache.set_tagged("k", "v", &["tag"]).await?;
        store.writes(fault);
        let invalidated = cache.invalidate_tag("tag").await;
        store.writes(Fault::None);
        holds(invalidated.is_ok() || fault == DOWN, "success", &invalidated)?;
        // What succeeded has been done; what failed may be made up for.
        if invalidated.is_ok() {
            same(cache.get("k").await?, None::<Value>)?;
            same(afterwards().get("k").await?, None::<Value>)?;
        }

        cache.set("k", "v").await?;
        store.writes(fault);
        let cleared = cache.clear().await;
        store.writes(Fault::None);
        holds(cleared.is_ok() || fault == DOWN, "success", &cleared)?;
        if cleared.is_ok() {
            same(cache.get("k").await?, None::<Value>)?;
            same(afterwards().get("k").await?, None::<Value>)?;
        }
    }
    Ok(())
}

async fn a_store_that_is_back_is_used_again(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "stored").await?;
    for _ in 0..3 {
        store.all(DOWN);
        fails(cache.get("k").await, ErrorKind::Unavailable)?;
        same(cache.get_or_load("k", loaded).await?.0, "loaded".into())?;
        store.all(Fault::None);
        same(cache.get_or_load("k", loaded).await?, ("stored".into(), Status::Hit))?;
    }
    Ok(())
}

async fn one_shard_fails_its_own_keys_only(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    let keys = ["a", "b!", "c", "d!"].map(Key::from);
    for key in &keys {
        cache.set(key.clone(), "v").await?;
    }
    store.all(Fault::OneShard);
    let read = cache.get_many(&keys).await?;
    same(read.len(), 4)?;
    for (number, one) in read.into_iter().enumerate() {
        if number % 2 == 0 { same(one?, Some("v".into()))? } else { fails(one, ErrorKind::Unavailable)? }
    }
    let written = cache.set_many(keys.iter().map(|key| (key.clone(), "w".into())).collect()).await?;
    for (number, one) in written.into_iter().enumerate() {
        if number % 2 == 0 { one? } else { fails(one, ErrorKind::Unavailable)? }
    }
    let removed = cache.delete_many(&keys[2..]).await?;
    for (number, one) in removed.into_iter().enumerate() {
        if number % 2 == 0 { same(one?, true)? } else { fails(one, ErrorKind::Unavailable)? }
    }
    store.all(Fault::None);
    let seen: Result<Vec<_>> = cache.get_many(&keys).await?.into_iter().collect();
    same(seen?, [Some("w".into()), Some("v".into()), None, Some("v".into())])
}

/// The deadline of a store that hangs, unless the machine is too busy for it.
const DEADLINE: Duration = Duration::from_millis(100);

fn hanging(t: &Context, limit: Duration) -> Probe {
    let store = Faulty::new(t);
    let deadline = Deadline::new(store.clone(), "slow", limit);
    store.all(Fault::Hangs);
    t.cache_on("hanging", deadline, |builder| builder.invalidation_lag(Duration::ZERO))
}

async fn a_store_that_hangs_costs_its_deadline(t: &Context) -> Verdict {
    let costs = |limit: Duration| async move {
        let cache = hanging(t, limit);
        let begun = Instant::now();
        fails(patiently("an end", cache.get("k")).await?, ErrorKind::Timeout)?;
        fails(patiently("an end", cache.set("k", "v")).await?, ErrorKind::Timeout)?;
        fails(patiently("an end", cache.delete("k")).await?, ErrorKind::Timeout)?;
        let load = patiently("an end", cache.get_or_load("k", loaded)).await?;
        same(load?, ("loaded".into(), Status::LoadedNotStored))?;
        holds(begun.elapsed() >= limit * 3, "a deadline for each", begun.elapsed())?;
        holds(begun.elapsed() < limit * 15, "an end soon after", begun.elapsed())?;
        let named = cache.get("k").await.err().and_then(|error| error.store().map(ToOwned::to_owned));
        same(named.as_deref(), Some("slow"))
    };
    t.undisturbed(DEADLINE, costs).await
}

async fn a_store_that_hangs_delays_all_alike(t: &Context) -> Verdict {
    let delays = |limit: Duration| async move {
        let cache = hanging(t, limit);
        let begun = Instant::now();
        let callers: Vec<_> = (0..60)
            .map(|n| {
                let cache = cache.clone();
                task::spawn(async move { cache.get_or_load(format!("k{n}").as_str(), loaded).await })
            })
            .collect();
        for caller in callers {
            let answer = patiently("an answer", caller).await?;
            same(answer.map_err(|panic| Failure::new("an answer", panic))??.0, "loaded".into())?;
        }
        // One after the other it would be sixty.
        holds(begun.elapsed() < limit * 15, "an end within a few deadlines", begun.elapsed())
    };
    t.undisturbed(DEADLINE * 2, delays).await
}

async fn a_bulk_operation_that_hangs_costs_one_deadline(t: &Context) -> Verdict {
    let costs = |limit: Duration| async move {
        let cache = hanging(t, limit);
        let keys: Vec<Key> = (0..100_u32).map(|number| Key::new("k").part(number)).collect();
        let begun = Instant::now();
        let read = patiently("an end", cache.get_many(&keys)).await??;
        same(read.len(), 100)?;
        for one in read {
            fails(one, ErrorKind::Timeout)?;
        }
        let removed = patiently("an end", cache.delete_many(&keys)).await??;
        same(removed.len(), 100)?;
        for one in removed {
            fails(one, ErrorKind::Timeout)?;
        }
        // One deadline for each key would be two hundred.
        holds(begun.elapsed() < limit * 15, "an end after two deadlines", begun.elapsed())
    };
    t.undisturbed(DEADLINE, costs).await
}

async fn a_caller_who_gives_up_leaves_nothing_behind(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    cache.set("k", "v").await?;
    store.all(Fault::Hangs);
    let patience = Duration::from_millis(10);
    let gave_up = [
        tokio::time::timeout(patience, cache.get("k")).await.is_err(),
        tokio::time::timeout(patience, cache.set("k", "w")).await.is_err(),
        tokio::time::timeout(patience, cache.add("free", "w")).await.is_err(),
        tokio::time::timeout(patience, cache.delete("k")).await.is_err(),
        tokio::time::timeout(patience, cache.get_many(&["k".into()])).await.is_err(),
        tokio::time::timeout(patience, cache.set_many(vec![("k".into(), "w".into())])).await.is_err(),
        tokio::time::timeout(patience, cache.delete_many(&["k".into()])).await.is_err(),
    ];
    t.note("// each operation is given up after 10 ms", gave_up);
    same(gave_up, [true; 7])?;
    store.all(Fault::None);
    same(cache.get("k").await?, Some("v".into()))?;
    cache.delete("k").await?;
    same(cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::Loaded))?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn failures_are_counted_as_errors(t: &Context) -> Verdict {
    let (cache, store) = faulty(t);
    store.all(DOWN);
    cache.get("k").await.err();
    cache.contains("k").await.err();
    cache.delete("k").await.err();
    cache.get_many(&["a".into(), "b".into()]).await?;
    let seen = cache.cache().stats();
    same((seen.hits, seen.misses, seen.writes, seen.deletes), (0, 0, 0, 0))?;
    same(seen.errors, 5)?;
    cache.get_or_load("k", loaded).await?;
    let seen = cache.cache().stats();
    same((seen.misses, seen.loads, seen.writes), (0, 1, 0))
}
