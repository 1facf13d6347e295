//! Loads that lose: whatever is written or invalidated while a value is loaded wins over it.

use std::{convert::Infallible, future::Future, time::Duration};

use larder_core::{Key, Result, cache::Status};

use super::{Gate, answer, ask, value};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Probe,
    task,
    value::Value,
};

family! { "loading":
    without_interference_a_load_is_stored = "A load that is not superseded is stored.";
    a_delete_during_a_load_wins = "A delete during a load wins: the loaded value is not stored.";
    a_set_during_a_load_wins = "A set during a load wins: the loaded value is not stored.";
    an_add_during_a_load_wins = "An add during a load wins: the loaded value is not stored.";
    a_clear_during_a_load_wins = "A clear during a load wins: the loaded value is not stored.";
    a_tag_invalidation_during_a_load_wins = "A tag's invalidation during a load wins: the loaded value is not stored.";
    a_set_with_no_life_during_a_load_wins = "A set with a life of zero, which removes, wins over a load.";
    a_bulk_delete_during_a_load_wins = "A bulk delete during a load wins: the loaded value is not stored.";
    a_bulk_write_during_a_load_wins = "A bulk write during a load wins: the loaded value is not stored.";
    a_parents_clear_during_a_load_wins = "A clear of the parent namespace during a load wins: what was loaded below it is not served.";
    another_namespaces_clear_leaves_a_load_alone = "Clears and invalidations in other namespaces do not keep a load from being stored.";
    a_read_leaves_a_load_alone = "Reads and a touch that finds nothing do not keep a load from being stored.";
    a_delete_of_another_key_leaves_a_load_alone = "A delete or set of another key does not keep a load from being stored.";
    after_a_delete_a_new_load_begins = "A caller who arrives after a delete starts a new load.";
    after_a_clear_a_new_load_begins = "A caller who arrives after a clear starts a new load.";
    after_a_tag_invalidation_a_new_load_begins = "A caller who arrives after a tag's invalidation starts a new load.";
    after_a_set_the_new_value_is_served = "A caller who arrives after a set during a load is given what was set.";
    those_who_waited_get_the_overtaken_value = "Callers that waited when a load was superseded receive its value, and that it was not stored.";
    only_the_newest_load_is_stored = "Of loads that supersede each other only the newest is stored, in whatever order they end.";
    an_overtaken_load_that_fails_harms_nobody = "A load that was superseded and then fails does not affect the one that followed.";
    a_clear_through_another_handle_wins = "A clear through another cache of the same namespace in this process wins over a load.";
    #[needs(Sharing)] another_processs_clear_during_a_load_wins = "A clear by another process during a load wins: what was loaded is not served.";
    #[needs(Sharing)] another_processs_tag_invalidation_during_a_load_wins = "A tag's invalidation by another process during a load wins: what was loaded is not served.";
}

/// Begins a load of "k" under the tag "tag", does something else, ends the load: what is "k" then?
async fn meanwhile<F>(
    t: &Context,
    cache: &Probe,
    act: impl FnOnce(Probe) -> F,
) -> Result<Option<Value>, Failure>
where
    F: Future<Output = Result<()>>,
{
    let gate = Gate::new();
    let caller = begin(cache, &gate);
    gate.has_begun().await?;
    t.note("// a load of \"k\" under the tag \"tag\" has begun", ());
    act(cache.clone()).await?;
    gate.open();
    same(answer(caller).await?.0, "old".into())?;
    t.note("// the load has ended with \"old\"", ());
    Ok(cache.get("k").await?)
}

fn begin(cache: &Probe, gate: &Gate) -> super::Caller {
    let (cache, gate) = (cache.clone(), gate.clone());
    task::spawn(async move {
        let load = || gate.load(Ok::<_, Infallible>("old".into()));
        cache.load_as("k", Duration::from_mins(10), &["tag"], load).await
    })
}

async fn without_interference_a_load_is_stored(t: &Context) -> Verdict {
    same(meanwhile(t, &t.cache(), |_| async { Ok(()) }).await?, Some("old".into()))
}

async fn a_delete_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, &t.cache(), |cache| async move { cache.delete("k").await.map(drop) }).await?, None)
}

async fn a_set_during_a_load_wins(t: &Context) -> Verdict {
    let seen = meanwhile(t, &t.cache(), |cache| async move { cache.set("k", "new").await }).await?;
    same(seen, Some("new".into()))
}

async fn an_add_during_a_load_wins(t: &Context) -> Verdict {
    let seen = meanwhile(t, &t.cache(), |cache| async move { cache.add("k", "new").await.map(drop) }).await?;
    same(seen, Some("new".into()))
}

async fn a_clear_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, &t.cache(), |cache| async move { cache.clear().await }).await?, None)
}

async fn a_tag_invalidation_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, &t.cache(), |cache| async move { cache.invalidate_tag("tag").await }).await?, None)
}

async fn a_set_with_no_life_during_a_load_wins(t: &Context) -> Verdict {
    let act = |cache: Probe| async move { cache.set_for("k", "new", Duration::ZERO).await };
    same(meanwhile(t, &t.cache(), act).await?, None)
}

async fn a_bulk_delete_during_a_load_wins(t: &Context) -> Verdict {
    let act = |cache: Probe| async move { cache.delete_many(&["j", "k"].map(Key::from)).await.map(drop) };
    same(meanwhile(t, &t.cache(), act).await?, None)
}

async fn a_bulk_write_during_a_load_wins(t: &Context) -> Verdict {
    let act = |cache: Probe| async move {
        cache.set_many(vec![("j".into(), 1.into()), ("k".into(), "new".into())]).await.map(drop)
    };
    same(meanwhile(t, &t.cache(), act).await?, Some("new".into()))
}

async fn a_parents_clear_during_a_load_wins(t: &Context) -> Verdict {
    let (parent, child) = (t.namespace_of("shop"), t.namespace_of("shop/users"));
    let shop = t.cache_with("shop", |builder| builder.namespace(parent));
    let users = t.cache_with("users", |builder| builder.namespace(child).invalidation_lag(Duration::ZERO));
    same(meanwhile(t, &users, |_| async move { shop.clear().await }).await?, None)
}

async fn another_namespaces_clear_leaves_a_load_alone(t: &Context) -> Verdict {
    let (sibling, child) = (t.cache_in("here-too"), t.cache_in("here/below"));
    let act = |_| async move {
        for elsewhere in [sibling, child] {
            elsewhere.invalidate_tag("tag").await?;
            elsewhere.clear().await?;
        }
        Ok(())
    };
    same(meanwhile(t, &t.cache_in("here"), act).await?, Some("old".into()))
}

async fn a_read_leaves_a_load_alone(t: &Context) -> Verdict {
    let act = |cache: Probe| async move {
        cache.get("k").await?;
        cache.contains("k").await?;
        cache.ttl("k").await?;
        cache.get_many(&["k".into()]).await?;
        cache.touch("k", Duration::from_mins(1)).await.map(drop)
    };
    same(meanwhile(t, &t.cache(), act).await?, Some("old".into()))
}

async fn a_delete_of_another_key_leaves_a_load_alone(t: &Context) -> Verdict {
    let act = |cache: Probe| async move {
        cache.set("kk", "v").await?;
        cache.delete("kk").await?;
        cache.delete("K").await?;
        cache.delete_many(&["j", "l"].map(Key::from)).await.map(drop)
    };
    same(meanwhile(t, &t.cache(), act).await?, Some("old".into()))
}

/// Begins a load, invalidates it: a caller who comes then has a load of its own.
async fn a_new_load_begins<F>(t: &Context, invalidate: impl FnOnce(Probe) -> F) -> Verdict
where
    F: Future<Output = Result<()>>,
{
    let cache = t.cache();
    let gate = Gate::new();
    let first = begin(&cache, &gate);
    gate.has_begun().await?;
    invalidate(cache.clone()).await?;
    same(cache.get_or_load("k", || value("new")).await?, ("new".into(), Status::Loaded))?;
    gate.open();
    same(answer(first).await?.0, "old".into())?;
    same(cache.get("k").await?, Some("new".into()))
}

async fn after_a_delete_a_new_load_begins(t: &Context) -> Verdict {
    a_new_load_begins(t, |cache| async move { cache.delete("k").await.map(drop) }).await
}

async fn after_a_clear_a_new_load_begins(t: &Context) -> Verdict {
    a_new_load_begins(t, |cache| async move { cache.clear().await }).await
}

async fn after_a_tag_invalidation_a_new_load_begins(t: &Context) -> Verdict {
    a_new_load_begins(t, |cache| async move { cache.invalidate_tag("tag").await }).await
}

async fn after_a_set_the_new_value_is_served(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let first = begin(&cache, &gate);
    gate.has_begun().await?;
    cache.set("k", "new").await?;
    same(cache.get_or_load("k", || value("not called")).await?, ("new".into(), Status::Hit))?;
    gate.open();
    answer(first).await?;
    same(cache.get("k").await?, Some("new".into()))
}

async fn those_who_waited_get_the_overtaken_value(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let first = begin(&cache, &gate);
    gate.has_begun().await?;
    let second = ask(&cache, "k", &gate, "not called");
    super::have_joined(&cache, 1).await?;
    cache.delete("k").await?;
    gate.open();
    same(answer(first).await?, ("old".into(), Status::LoadedNotStored))?;
    same(answer(second).await?.0, "old".into())?;
    same(cache.cache().stats().fenced, 1)?;
    same(cache.get("k").await?, None)
}

async fn only_the_newest_load_is_stored(t: &Context) -> Verdict {
    let cache = t.cache();
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let first = ask(&cache, "k", &gates[0], "first");
    gates[0].has_begun().await?;
    cache.delete("k").await?;
    let second = ask(&cache, "k", &gates[1], "second");
    gates[1].has_begun().await?;
    cache.delete("k").await?;
    let third = ask(&cache, "k", &gates[2], "third");
    gates[2].has_begun().await?;
    // The newest ends first, then the oldest.
    for (gate, caller, text) in
        [(&gates[2], third, "third"), (&gates[0], first, "first"), (&gates[1], second, "second")]
    {
        gate.open();
        same(answer(caller).await?.0, text.into())?;
        same(cache.get("k").await?, Some("third".into()))?;
    }
    Ok(())
}

async fn an_overtaken_load_that_fails_harms_nobody(t: &Context) -> Verdict {
    let cache = t.cache();
    let (old, new) = (Gate::new(), Gate::new());
    let first = task::spawn({
        let (cache, gate) = (cache.clone(), old.clone());
        async move { cache.get_or_load("k", || gate.load(Err::<Value, _>("it fails"))).await }
    });
    old.has_begun().await?;
    cache.delete("k").await?;
    let second = ask(&cache, "k", &new, "new");
    new.has_begun().await?;
    old.open();
    same(answer(first).await.is_err(), true)?;
    let third = ask(&cache, "k", &new, "not called");
    super::have_joined(&cache, 1).await?;
    new.open();
    super::all_have([second, third], "new").await?;
    same(new.loads(), 1)?;
    same(cache.get("k").await?, Some("new".into()))
}

async fn a_clear_through_another_handle_wins(t: &Context) -> Verdict {
    let (cache, other) = (t.prompt("cache"), t.prompt("other"));
    same(meanwhile(t, &cache, |_| async move { other.clear().await }).await?, None)
}

async fn another_processs_clear_during_a_load_wins(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), t.peer(|builder| builder));
    same(meanwhile(t, &cache, |_| async move { peer.clear().await }).await?, None)
}

async fn another_processs_tag_invalidation_during_a_load_wins(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), t.peer(|builder| builder));
    same(meanwhile(t, &cache, |_| async move { peer.invalidate_tag("tag").await }).await?, None)
}
