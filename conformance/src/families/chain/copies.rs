//! What has a copy, for how long, and who is served by it.

use std::{convert::Infallible, time::Duration};

use larder_core::{
    ErrorKind, Key, Ttl,
    backend::{Condition, SetOptions},
    cache::{Policy, Status},
    entry::Kind,
};

use super::{super::kinds::entry, LONG, Process, STEADY, ended, outside, outside_cache};
use crate::{
    between::{Act, Calls},
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    gate::Gate,
    stacks::NearCopies,
    value::Value,
};

family! { "chain" needs [Storing, Chained]:
    what_was_read_or_written_is_read_near = "What was read or written is read again without asking the store behind, alone and in bulk.";
    in_bulk_the_store_is_asked_for_the_rest = "A bulk read asks the store behind for what has no copy, and for nothing else.";
    a_copy_ends_with_its_entry = "A copy ends when its entry does, however late it was made.";
    a_copy_ends_after_the_ttl_of_copies = "A copy ends after the TTL of near copies, however long its entry lives.";
    a_copy_is_as_old_as_its_question = "The age of a copy counts from when the store was asked, not from when it answered.";
    what_is_no_value_has_no_copy = "Only values have copies: no miss, no negative answer and no lease.";
    its_own_changes_are_seen_at_once = "What is written, removed or touched through a chain is seen by the next read through it, alone and in bulk.";
    a_clear_and_a_tag_hold_for_copies = "A clear and an invalidation by tag hold for copies at once.";
    copies_are_served_while_the_store_fails = "Copies are served while the store behind fails, and what has none is an error.";
    who_asks_the_store_passes_copies = "Who asks the store itself is answered by it, and its answer takes the place of the copy.";
    a_stale_copy_is_no_answer = "A stale copy is not served where the store behind has a fresh entry, and no loader runs.";
    a_near_hit_says_so = "A hit says whether a copy answered, and near hits are counted.";
}

async fn what_was_read_or_written_is_read_near(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    outside(t).set("read", "v", LONG).await?;
    p.has("read", "v").await?;
    for written in ["new", "newer"] {
        p.store.set("written", written, LONG).await?;
    }
    p.store
        .set_many(&[("in bulk", "w", SetOptions::new(LONG.into()))])
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for (key, value) in [("read", "v"), ("written", "newer"), ("in bulk", "w")] {
        let before = p.asked(key);
        for _ in 0..3 {
            p.has(key, value).await?;
            same(p.store.get_many(&[key]).await?, [Some(value.to_owned())])?;
        }
        same(p.asked(key) - before, 0)?;
    }
    Ok(())
}

async fn in_bulk_the_store_is_asked_for_the_rest(t: &Context) -> Verdict {
    let (p, outside) = (Process::new(t, "chain", STEADY), outside(t));
    for key in ["a", "b", "c"] {
        outside.set(key, key, LONG).await?;
    }
    p.has("a", "a").await?;
    p.has("c", "c").await?;
    let keys = ["b", "a", "missing", "c"];
    let before = keys.map(|key| p.asked(key));
    let found = p.store.get_many(&keys).await?;
    same(found, [Some("b"), Some("a"), None, Some("c")].map(|value| value.map(str::to_owned)))?;
    let after = keys.map(|key| p.asked(key));
    same(std::array::from_fn::<usize, 4, _>(|place| after[place] - before[place]), [1, 0, 1, 0])?;
    p.has_near("b", "b").await
}

async fn a_copy_ends_with_its_entry(t: &Context) -> Verdict {
    let (p, outside, life) = (Process::new(t, "chain", STEADY), outside(t), t.short());
    let read = || async {
        outside.set("k", "v", life).await?;
        // Whatever there was is known to be another one.
        p.store.delete("k").await?;
        outside.set("k", "v", life).await?;
        t.pass(life / 2).await;
        p.has("k", "v").await?;
        p.has_near("k", "v").await
    };
    t.within(life, read).await?;
    t.outlive(life / 2).await;
    p.lacks("k").await
}

async fn a_copy_ends_after_the_ttl_of_copies(t: &Context) -> Verdict {
    let cap = t.short();
    let p = Process::new(t, "chain", NearCopies { ttl: Some(cap), ..STEADY });
    let outside = outside(t);
    outside.set("read", "old", LONG).await?;
    p.has("read", "old").await?;
    p.store.set("written", "old", LONG).await?;
    for key in ["read", "written"] {
        outside.set(key, "new", LONG).await?;
    }
    pass_cap(t, cap).await;
    p.has("read", "new").await?;
    p.has("written", "new").await
}

/// Lets so much time pass that copies of this TTL have ended.
async fn pass_cap(t: &Context, cap: Duration) {
    t.pass(cap + Duration::from_millis(60)).await;
}

async fn a_copy_is_as_old_as_its_question(t: &Context) -> Verdict {
    const ON_ITS_WAY: Duration = Duration::from_millis(300);
    let cap = t.short();
    let p = Process::new(t, "chain", NearCopies { ttl: Some(cap), ..STEADY });
    let outside = outside(t);
    outside.set("k", "old", LONG).await?;
    let gate = Gate::new();
    p.far.on(Calls::Reads, &p.text("k"), Act::AnswerHeld(gate.clone()));
    let reading = p.begin(|store| async move { store.get("k").await });
    gate.has_begun("a read").await?;
    tokio::time::sleep(ON_ITS_WAY).await;
    gate.open();
    same(ended(reading).await??.as_deref(), Some("old"))?;
    outside.set("k", "new", LONG).await?;
    // Less than its TTL after the answer, and more than that after the question.
    t.pass(cap.saturating_sub(ON_ITS_WAY / 3)).await;
    p.has("k", "new").await
}

async fn what_is_no_value_has_no_copy(t: &Context) -> Verdict {
    let (p, outside) = (Process::new(t, "chain", STEADY), outside(t));
    p.lacks("k").await?;
    outside.set("k", "v", LONG).await?;
    p.has("k", "v").await?;
    for kind in [Kind::Negative, Kind::Lease] {
        for is_read in [true, false] {
            let key = format!("{kind:?} {is_read}");
            let entry = entry(t, kind, LONG.into());
            let writer = if is_read { &outside } else { &p.store };
            writer.put(&Key::new(&*key), &entry, SetOptions::new(LONG.into())).await?;
            same(p.store.kinds(&[&key]).await?, [Some(kind)])?;
            outside.set(&key, "v", LONG).await?;
            p.has(&key, "v").await?;
        }
    }
    Ok(())
}

async fn its_own_changes_are_seen_at_once(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    let (store, outside, always) = (&p.store, outside(t), SetOptions::new(LONG.into()));
    for change in 0..8 {
        let key = format!("k{change}");
        outside.set(&key, "old", LONG).await?;
        p.has(&key, "old").await?;
        p.has_near(&key, "old").await?;
        let expected = match change {
            0 => store.set(&key, "new", LONG).await?.then_some("new"),
            1 => store.set_when(&key, "new", LONG, Condition::Present).await?.then_some("new"),
            2 => store
                .set_many(&[(&key, "new", always), ("beside", "b", always)])
                .await
                .remove(0)?
                .then_some("new"),
            3 if t.capabilities().compare_and_set => {
                let token = store.token(&key).await?.ok_or_else(|| Failure::new("a token", "none"))?;
                let done = store.set_when(&key, "new", LONG, Condition::Unchanged(token)).await?;
                done.then_some("new")
            }
            3 => Some("old"),
            4 => {
                same(store.delete(&key).await?, true)?;
                None
            }
            5 => {
                same(store.delete_many(&["beside", &key]).await.remove(1)?, true)?;
                None
            }
            6 => {
                same(store.touch(&key, t.short()).await?, true)?;
                t.outlive(t.short()).await;
                None
            }
            _ => {
                let ttl = Ttl::After(t.short());
                same(store.touch_many(&[(&key, ttl, Condition::Always)]).await.remove(0)?, true)?;
                t.outlive(t.short()).await;
                None
            }
        };
        for _ in 0..2 {
            same(store.get(&key).await?.as_deref(), expected)?;
        }
    }
    Ok(())
}

async fn a_clear_and_a_tag_hold_for_copies(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    let cache = p.cache(t, |builder| builder);
    for by_tag in [true, false] {
        cache.set_tagged("k", "v", &["t"]).await?;
        for _ in 0..2 {
            same(cache.get("k").await?, Some("v".into()))?;
        }
        if by_tag {
            cache.invalidate_tag("t").await?;
        } else {
            cache.clear().await?;
        }
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn copies_are_served_while_the_store_fails(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    let cache = p.cache(t, |builder| builder);
    for key in ["k", "other"] {
        p.store.set(key, "v", LONG).await?;
        p.has_near(key, "v").await?;
    }
    cache.set("cached", "v").await?;
    same(cache.get("cached").await?, Some("v".into()))?;
    p.far.fails(ErrorKind::Unavailable);
    fails(p.store.get("missing").await, ErrorKind::Unavailable)?;
    fails(p.store.get_many(&["missing", "k"]).await, ErrorKind::Unavailable)?;
    for _ in 0..5 {
        p.has_near("k", "v").await?;
        same(p.store.get_many(&["other", "k"]).await?, ["v", "v"].map(|value| Some(value.to_owned())))?;
        let loaded = cache.get_or_load("cached", || async { Ok::<_, Infallible>(Value::from("loaded")) });
        same(loaded.await?, ("v".into(), Status::Hit))?;
    }
    p.far.heal();
    p.lacks("missing").await
}

async fn who_asks_the_store_passes_copies(t: &Context) -> Verdict {
    let (p, outside) = (Process::new(t, "chain", STEADY), outside(t));
    for (in_bulk, key) in [(false, "alone"), (true, "in bulk")] {
        let ask = async || if in_bulk { p.far_get_many(key).await } else { p.far_get(key).await };
        p.store.set(key, "1", LONG).await?;
        outside.set(key, "2", LONG).await?;
        p.has(key, "1").await?;
        same(ask().await?.as_deref(), Some("2"))?;
        p.has_near(key, "2").await?;
        outside.delete(key).await?;
        same(ask().await?, None)?;
        p.lacks(key).await?;
    }
    let (cache, other) = (p.cache(t, |builder| builder), outside_cache(t, |builder| builder));
    let key = Key::new("cached");
    cache.set("cached", "1").await?;
    other.set(&key, "2".into()).await?;
    let asked = cache.cache().at(&key).from_store().get().await?;
    same(asked.map(|found| (Value::clone(&found), found.is_near())), Some(("2".into(), false)))
}

async fn a_stale_copy_is_no_answer(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    let policy = Policy::new(t.short()).stale_while_revalidate(LONG);
    let cache = p.cache(t, |builder| builder.policy(policy));
    let other = outside_cache(t, |builder| builder.ttl(LONG));
    for in_bulk in [false, true] {
        cache.set("k", "stale").await?;
        t.outlive(t.short()).await;
        other.set(&"k".into(), "fresh".into()).await?;
        if in_bulk {
            let key = Key::new("k");
            let loaded = cache.cache().get_or_load_many([&key], |keys| async move {
                Ok::<_, Infallible>(
                    keys.into_iter().map(|key| (key, Value::from("loaded"))).collect::<Vec<_>>(),
                )
            });
            let found = loaded.await?;
            same(found.value(0).map(|value| Value::clone(value)), Some("fresh".into()))?;
        } else {
            let loaded = cache.get_or_load("k", || async { Ok::<_, Infallible>(Value::from("loaded")) });
            same(loaded.await?, ("fresh".into(), Status::Hit))?;
        }
    }
    same(cache.cache().stats().loads, 0)
}

async fn a_near_hit_says_so(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    // Versions that have to be asked for again would take a near hit along.
    let cache = p.cache(t, |builder| builder.invalidation_lag(LONG));
    let other = outside_cache(t, |builder| builder);
    let (cache, key) = (cache.cache(), Key::new("k"));
    other.set(&key, "v".into()).await?;
    for is_near in [false, true, true] {
        let found = cache.get(&key).await?.ok_or_else(|| Failure::new("a hit", "none"))?;
        same(found.is_near(), is_near)?;
        let status = found.cache_status();
        holds(status.ends_with("; detail=near") == is_near, "a status that says so", &status)?;
    }
    let found = cache.get_many([&key]).await?;
    same(found.value(0).map(larder_core::Fetched::is_near), Some(true))?;
    let found = cache.at(&key).from_store().get().await?;
    same(found.map(|found| found.is_near()), Some(false))?;
    let stats = cache.stats();
    same((stats.hits, stats.near_hits), (5, 3))
}
