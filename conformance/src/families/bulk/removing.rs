//! Removing many keys at once.

use larder_core::{ErrorKind, Result, Ttl};

use super::{found, keys};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
};

family! { "bulk":
    delete_many_tells_for_each = "`delete_many` says for each key, in order, whether a live entry was removed.";
    delete_many_of_nothing_does_nothing = "An empty request to remove is answered with nothing.";
    delete_many_checks_every_key_first = "`delete_many` with an empty key among others removes nothing at all.";
    delete_many_of_an_expired_entry_is_false = "`delete_many` is `false` for an expired entry: it is none.";
    delete_many_removes_a_duplicate_once = "If a key stands in `delete_many` twice, it is removed, and a neighbour is not.";
    the_store_removes_each = "A store removes each of many keys and says which were there.";
}

async fn delete_many_tells_for_each(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    cache.set("c", "v").await?;
    cache.set("d", "v").await?;
    let removed: Vec<bool> =
        cache.delete_many(&keys(["a", "b", "c"])).await?.into_iter().collect::<Result<_>>()?;
    same(removed, [true, false, true])?;
    same(found(&cache, &keys(["a", "b", "c", "d"])).await?, [None, None, None, Some("v".into())])
}

async fn delete_many_of_nothing_does_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.delete_many(&[]).await?.len(), 0)
}

async fn delete_many_checks_every_key_first(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    fails(cache.delete_many(&keys(["a", ""])).await, ErrorKind::InvalidKey)?;
    same(cache.get("a").await?, Some("v".into()))
}

async fn delete_many_of_an_expired_entry_is_false(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("a", "v", t.short()).await?;
    cache.set_for("b", "v", Ttl::Never).await?;
    t.outlive(t.short()).await;
    let removed: Vec<bool> =
        cache.delete_many(&keys(["a", "b"])).await?.into_iter().collect::<Result<_>>()?;
    same(removed, [false, true])
}

async fn delete_many_removes_a_duplicate_once(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    cache.set("b", "v").await?;
    let removed: Vec<bool> =
        cache.delete_many(&keys(["a", "a"])).await?.into_iter().collect::<Result<_>>()?;
    same(removed.contains(&true), true)?;
    same(removed.len(), 2)?;
    same(found(&cache, &keys(["a", "b"])).await?, [None, Some("v".into())])
}

async fn the_store_removes_each(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("a", "v", Ttl::Never).await?;
    store.set("b", "v", Ttl::Never).await?;
    let removed: Vec<bool> = store.delete_many(&["no", "b", "a"]).await.into_iter().collect::<Result<_>>()?;
    same(removed, [false, true, true])?;
    same(store.get_many(&["a", "b", "no"]).await?, [None, None, None])
}
