//! What becomes of a life when its entry is overwritten.

use std::time::Duration;

use larder_core::{Ttl, backend::SetOptions};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
};

family! { "ttl":
    an_overwrite_lengthens_the_life = "Overwriting replaces a short life by a long one.";
    an_overwrite_shortens_the_life = "Overwriting replaces a long life by a short one.";
    an_overwrite_with_never_ends_the_ending = "Overwriting replaces a limited life by one that never ends.";
    an_overwrite_limits_a_life_without_end = "Overwriting replaces a life that never ends by a limited one.";
    an_overwrite_without_life_takes_the_default = "Overwriting without a life of its own gives the cache's default, not what was left.";
    an_overwrite_begins_the_life_anew = "Overwriting with the same TTL resets it.";
    deleting_forgets_the_life = "A key that was deleted and written again has nothing of its old life.";
    a_bulk_write_replaces_the_life = "Writing several entries replaces each one's life, longer or shorter.";
}

async fn an_overwrite_lengthens_the_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "old", t.short()).await?;
    cache.set_for("k", "new", t.short() * 100).await?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("new".into()))
}

async fn an_overwrite_shortens_the_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "old", t.short() * 100).await?;
    cache.set_for("k", "new", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn an_overwrite_with_never_ends_the_ending(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    cache.set_for("k", "old", t.short()).await?;
    store.set("direct", "old", t.short()).await?;
    cache.set_for("k", "new", Ttl::Never).await?;
    store.set("direct", "new", Ttl::Never).await?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("new".into()))?;
    same(store.get("direct").await?, Some("new".into()))
}

async fn an_overwrite_limits_a_life_without_end(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    cache.set_for("k", "old", Ttl::Never).await?;
    store.set("direct", "old", Ttl::Never).await?;
    cache.set_for("k", "new", t.short()).await?;
    store.set("direct", "new", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)?;
    same(store.get("direct").await?, None)
}

async fn an_overwrite_without_life_takes_the_default(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short() * 100));
    cache.set_for("shorter", "old", t.short()).await?;
    cache.set_for("longer", "old", Ttl::Never).await?;
    cache.set("shorter", "new").await?;
    cache.set("longer", "new").await?;
    let left = cache.ttl("longer").await?;
    same(left.is_some_and(|left| left != Ttl::Never), true)?;
    t.outlive(t.short()).await;
    same(cache.get("shorter").await?, Some("new".into()))
}

async fn an_overwrite_begins_the_life_anew(t: &Context) -> Verdict {
    let work = |life: Duration| async move {
        let cache = t.cache();
        cache.set_for("k", "old", life).await?;
        t.pass(life * 7 / 10).await;
        cache.set_for("k", "new", life).await?;
        t.pass(life * 7 / 10).await;
        same(cache.get("k").await?, Some("new".into()))
    };
    t.undisturbed(t.short() * 2, work).await
}

async fn deleting_forgets_the_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "old", t.short()).await?;
    cache.delete("k").await?;
    cache.set_for("k", "new", t.short() * 100).await?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("new".into()))
}

async fn a_bulk_write_replaces_the_life(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("longer", "old", t.short()).await?;
    store.set("shorter", "old", Ttl::Never).await?;
    let (never, short) = (SetOptions::new(Ttl::Never), SetOptions::new(t.short().into()));
    for written in store.set_many(&[("longer", "new", never), ("shorter", "new", short)]).await {
        same(written?, true)?;
    }
    t.outlive(t.short()).await;
    same(store.get_many(&["longer", "shorter"]).await?, [Some("new".into()), None])
}
