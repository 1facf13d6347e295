//! The store that keeps nothing: every operation succeeds, and nothing is ever there.

use std::{convert::Infallible, time::Duration};

use larder_core::{
    ErrorKind, Key, Result, Ttl,
    backend::{Condition, CounterOptions},
    miss::Miss,
};

use super::loading::{Gate, have_joined};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, same},
    task,
    value::Value,
};

family! { "null" needs [KeepingNothing]:
    set_succeeds_and_get_misses = "Set succeeds, get misses: always.";
    add_is_always_true = "Add is `true`, however often.";
    delete_touch_and_contains_are_false = "Delete, touch and contains are `false`, and no life is left.";
    bulk_operations_find_nothing = "Bulk writes succeed, bulk reads miss for every key, bulk deletes are `false`.";
    every_load_runs = "Get-or-load loads: always. It never holds or invents a value.";
    a_failing_load_fails = "A loader's error is an error: there is nothing to fall back on.";
    callers_at_once_share_a_load = "N callers at once still share one load.";
    clear_and_tags_succeed = "Clears and tag invalidations succeed.";
    writes_on_a_condition_find_nothing = "A write that needs an entry is `false`, one that needs none is `true`.";
    the_store_itself_has_nothing = "A store that keeps nothing has nothing to touch and nothing to remove.";
    #[needs(Counting)] a_counter_is_always_new = "A counter is always missing: it stays so, or becomes its initial value, always.";
    keys_and_tags_are_checked = "Empty keys and tags are refused as everywhere.";
    every_read_counts_as_a_miss = "Every read counts as a miss.";
}

async fn set_succeeds_and_get_misses(t: &Context) -> Verdict {
    let cache = t.cache();
    for life in [Ttl::Never, t.short().into(), Ttl::After(Duration::ZERO)] {
        cache.set_for("k", "v", life).await?;
        same(cache.look_up("k").await?, Err(Miss::Absent))?;
    }
    cache.set("k", Value::Null).await?;
    same(cache.get("k").await?, None)
}

async fn add_is_always_true(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in 0..3 {
        same(cache.add("k", "v").await?, true)?;
        same(cache.add_for("k", "v", Duration::ZERO).await?, true)?;
    }
    same(cache.get("k").await?, None)
}

async fn delete_touch_and_contains_are_false(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.touch("k", Duration::ZERO).await?, false)?;
    same(cache.delete("k").await?, false)
}

async fn bulk_operations_find_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = ["a", "b"].map(Key::from);
    let written = cache.set_many(keys.iter().map(|key| (key.clone(), "v".into())).collect()).await?;
    same(written.into_iter().collect::<Result<Vec<_>>>()?.len(), 2)?;
    same(cache.get_many(&keys).await?.into_iter().collect::<Result<Vec<_>>>()?, [None, None])?;
    same(cache.delete_many(&keys).await?.into_iter().collect::<Result<Vec<_>>>()?, [false, false])?;
    same(cache.get_many(&[]).await?.len(), 0)
}

async fn every_load_runs(t: &Context) -> Verdict {
    let cache = t.cache();
    for text in ["first", "second", "third"] {
        let load = move || async move { Ok::<_, Infallible>(Value::from(text)) };
        same(cache.get_or_load("k", load).await?.0, text.into())?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn a_failing_load_fails(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    fails(cache.get_or_load("k", || async { Err::<Value, _>("no database") }).await, ErrorKind::Load)
}

async fn callers_at_once_share_a_load(t: &Context) -> Verdict {
    let cache = t.cache();
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

async fn clear_and_tags_succeed(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    cache.clear().await?;
    same(cache.get("k").await?, None)
}

async fn writes_on_a_condition_find_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.set_when("k", "v", Ttl::Never, Condition::Absent).await?, true)?;
    same(store.set_when("k", "v", Ttl::Never, Condition::Always).await?, true)?;
    same(store.set_when("k", "v", Ttl::Never, Condition::Present).await?, false)?;
    let unchanged = Condition::Unchanged(larder_core::entry::Token(1));
    same(store.set_when("k", "v", Ttl::Never, unchanged).await?, false)?;
    same(store.get("k").await?, None)
}

async fn the_store_itself_has_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.set("k", "v", Ttl::Never).await?, true)?;
    same(store.touch("k", Ttl::Never).await?, false)?;
    same(store.touch("k", t.short()).await?, false)?;
    same(store.delete("k").await?, false)?;
    same(store.get_many(&["k"]).await?, [None])
}

async fn a_counter_is_always_new(t: &Context) -> Verdict {
    let store = t.direct();
    let options = CounterOptions::new(Ttl::Never);
    for _ in 0..2 {
        same(store.count("k", 1, options).await?, None)?;
        same(store.count("k", 1, options.with_initial(Some(5))).await?, Some(5))?;
    }
    Ok(())
}

async fn keys_and_tags_are_checked(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(cache.set("", "v").await, ErrorKind::InvalidKey)?;
    fails(cache.get("").await, ErrorKind::InvalidKey)?;
    fails(cache.set_tagged("k", "v", &[""]).await, ErrorKind::InvalidKey)
}

async fn every_read_counts_as_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.get("k").await?;
    cache.get_many(&["k".into(), "l".into()]).await?;
    let seen = cache.cache().stats();
    same((seen.hits, seen.misses, seen.errors), (0, 3, 0))
}
