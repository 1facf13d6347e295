//! Adds: writes that need the key to be free.

use std::time::Duration;

use larder_core::{Ttl, backend::Condition};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "conditional":
    add_on_a_free_key_stores = "`add` on a missing key stores the value and is `true`.";
    add_on_a_taken_key_changes_nothing = "`add` on an existing live key is `false` and leaves the value unchanged.";
    add_keeps_a_longer_life = "`add` on an existing live key leaves a life that never ends unchanged.";
    add_keeps_a_shorter_life = "`add` on an existing live key leaves a limited life unchanged.";
    add_keeps_the_tags = "`add` on an existing live key leaves its tags unchanged: it dies by its own, not by the new ones.";
    add_has_tags_of_its_own = "What was added under a tag dies with it.";
    add_after_a_delete_stores = "`add` succeeds after a delete.";
    add_after_the_end_of_a_life_stores = "`add` succeeds after the previous entry's life is over.";
    add_after_a_clear_stores = "`add` succeeds after a clear: what a clear killed is no live entry.";
    add_after_a_tag_invalidation_stores = "`add` succeeds after the previous entry's tag was invalidated.";
    add_has_a_life_of_its_own = "What was added is gone when the life it was added with is over.";
    add_on_a_stored_null_is_refused = "A stored `None` is a value: `add` on it is `false`.";
    add_with_no_life_stores_nothing = "`add` with a life of zero is `true` on a free key, and the key is absent afterwards.";
    add_with_no_life_leaves_what_is_there = "`add` with a life of zero on an existing live key is `false` and leaves it.";
    the_store_adds_to_a_free_key_only = "A store writes under `Absent` only if there is no live entry.";
    the_store_adds_after_the_end_of_a_life = "A store writes under `Absent` once the old entry's life is over.";
    #[needs(Sharing)] another_process_cannot_add_what_is_there = "On a shared store `add` is `false` for what another process wrote.";
}

async fn add_on_a_free_key_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.add("k", "v").await?, true)?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn add_on_a_taken_key_changes_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "first").await?;
    same(cache.add("k", "second").await?, false)?;
    same(cache.get("k").await?, Some("first".into()))?;
    same(cache.add("k", "third").await?, false)?;
    same(cache.get("k").await?, Some("first".into()))
}

async fn add_keeps_a_longer_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.add_for("k", "w", t.short()).await?, false)?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("v".into()))
}

async fn add_keeps_a_shorter_life(t: &Context) -> Verdict {
    let cache = t.cache();
    let work = || async {
        cache.set_for("k", "v", t.short()).await?;
        Ok(cache.add_for("k", "w", Ttl::Never).await?)
    };
    same(t.within(t.short(), work).await?, false)?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn add_keeps_the_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["old"]).await?;
    same(cache.add_tagged("k", "w", &["new"]).await?, false)?;
    cache.invalidate_tag("new").await?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("old").await?;
    same(cache.get("k").await?, None)
}

async fn add_has_tags_of_its_own(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.add_tagged("k", "v", &["tag"]).await?, true)?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn add_after_a_delete_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.add("k", "first").await?, true)?;
    cache.delete("k").await?;
    same(cache.add("k", "second").await?, true)?;
    same(cache.get("k").await?, Some("second".into()))
}

async fn add_after_the_end_of_a_life_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "first", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.add("k", "second").await?, true)?;
    same(cache.get("k").await?, Some("second".into()))
}

async fn add_after_a_clear_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "first").await?;
    cache.clear().await?;
    same(cache.add("k", "second").await?, true)?;
    same(cache.get("k").await?, Some("second".into()))?;
    same(cache.add("k", "third").await?, false)
}

async fn add_after_a_tag_invalidation_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "first", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    same(cache.add_tagged("k", "second", &["tag"]).await?, true)?;
    same(cache.get("k").await?, Some("second".into()))?;
    same(cache.add("k", "third").await?, false)
}

async fn add_has_a_life_of_its_own(t: &Context) -> Verdict {
    let cache = t.cache();
    let work = || async {
        cache.delete("k").await?;
        same(cache.add_for("k", "v", t.short()).await?, true)?;
        Ok(cache.get("k").await?)
    };
    same(t.within(t.short(), work).await?, Some("v".into()))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn add_on_a_stored_null_is_refused(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", Value::Null).await?;
    same(cache.add("k", "v").await?, false)?;
    same(cache.get("k").await?, Some(Value::Null))
}

async fn add_with_no_life_stores_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.add_for("k", "v", Duration::ZERO).await?, true)?;
    same(cache.get("k").await?, None)?;
    same(cache.add("k", "w").await?, true)
}

async fn add_with_no_life_leaves_what_is_there(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    same(cache.add_for("k", "w", Duration::ZERO).await?, false)?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn the_store_adds_to_a_free_key_only(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.set_when("k", "first", Ttl::Never, Condition::Absent).await?, true)?;
    same(store.set_when("k", "second", t.short(), Condition::Absent).await?, false)?;
    same(store.get("k").await?, Some("first".into()))?;
    same(store.delete("k").await?, true)?;
    same(store.set_when("k", "third", Ttl::Never, Condition::Absent).await?, true)?;
    same(store.get("k").await?, Some("third".into()))
}

async fn the_store_adds_after_the_end_of_a_life(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", t.short()).await?;
    t.outlive(t.short()).await;
    same(store.set_when("k", "second", Ttl::Never, Condition::Absent).await?, true)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn another_process_cannot_add_what_is_there(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    same(cache.add("k", "v").await?, true)?;
    same(peer.add("k", "w").await?, false)?;
    same(peer.get("k").await?, Some("v".into()))?;
    let gone = cache.delete("k").await?;
    holds(gone, "the entry was there to be removed", gone)?;
    same(peer.add("k", "w").await?, true)?;
    same(cache.add("k", "x").await?, false)
}
