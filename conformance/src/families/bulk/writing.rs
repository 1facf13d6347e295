//! Writing many keys at once.

use std::time::Duration;

use larder_core::{ErrorKind, Key, Result, Ttl, backend::SetOptions};

use super::{found, keys};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, holds, same},
    probe::Probe,
    value::Value,
};

family! { "bulk":
    set_many_stores_all = "`set_many` stores every item under its own key.";
    set_many_of_nothing_does_nothing = "An empty request to write is answered with nothing.";
    set_many_replaces_what_is_there = "`set_many` replaces value and life of what is there.";
    set_many_drops_the_old_tags = "`set_many` replaces the tags of what is there.";
    set_many_gives_the_default_life = "What `set_many` writes lives for the cache's default life.";
    set_many_with_no_life_removes = "`set_many` with a default life of zero leaves all keys absent.";
    the_last_of_duplicates_stays = "If a key stands in `set_many` twice, the last value is the one that stays.";
    set_many_checks_every_key_first = "`set_many` with an empty key among others writes nothing at all.";
    one_that_cannot_be_encoded_fails_alone = "In `set_many` a value that cannot be encoded fails alone: the others are written and its old value stays.";
    one_over_the_caches_limit_fails_alone = "In `set_many` a value larger than the cache allows fails alone, and its old value is gone.";
    each_of_many_writes_has_its_own_life = "A store gives each of many entries the life that it was written with.";
}

fn items<const N: usize>(items: [(&str, Value); N]) -> Vec<(Key, Value)> {
    items.map(|(name, value)| (Key::from(name), value)).into()
}

/// All were written.
async fn set_all(cache: &Probe, items: Vec<(Key, Value)>) -> Verdict {
    let count = items.len();
    let written: Result<Vec<()>> = cache.set_many(items).await?.into_iter().collect();
    same(written?.len(), count)
}

async fn set_many_stores_all(t: &Context) -> Verdict {
    let cache = t.cache();
    let written = items([("a", "of a".into()), ("b", Value::Null), ("c", vec![7_u8; 3000].into())]);
    set_all(&cache, written.clone()).await?;
    for (key, value) in written {
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}

async fn set_many_of_nothing_does_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    set_all(&cache, vec![]).await
}

async fn set_many_replaces_what_is_there(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("a", "old", t.short()).await?;
    cache.set_for("b", "old", Ttl::Never).await?;
    set_all(&cache, items([("a", "new".into()), ("b", "new".into())])).await?;
    same(cache.ttl("b").await?.is_some_and(|ttl| ttl != Ttl::Never), true)?;
    t.outlive(t.short()).await;
    same(found(&cache, &keys(["a", "b"])).await?, [Some("new".into()), Some("new".into())])
}

async fn set_many_drops_the_old_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("a", "old", &["tag"]).await?;
    set_all(&cache, items([("a", "new".into()), ("b", "new".into())])).await?;
    cache.invalidate_tag("tag").await?;
    same(found(&cache, &keys(["a", "b"])).await?, [Some("new".into()), Some("new".into())])
}

async fn set_many_gives_the_default_life(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short()));
    let work = || async {
        set_all(&cache, items([("a", "v".into()), ("b", "v".into())])).await?;
        Ok(found(&cache, &keys(["a", "b"])).await?)
    };
    same(t.within(t.short(), work).await?, [Some("v".into()), Some("v".into())])?;
    t.outlive(t.short()).await;
    same(found(&cache, &keys(["a", "b"])).await?, [None, None])
}

async fn set_many_with_no_life_removes(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(Duration::ZERO));
    cache.set_for("a", "old", Ttl::Never).await?;
    set_all(&cache, items([("a", "new".into()), ("b", "new".into())])).await?;
    same(found(&cache, &keys(["a", "b"])).await?, [None, None])
}

async fn the_last_of_duplicates_stays(t: &Context) -> Verdict {
    let cache = t.cache();
    set_all(&cache, items([("a", 1.into()), ("b", 2.into()), ("a", 3.into()), ("a", 4.into())])).await?;
    same(found(&cache, &keys(["a", "b"])).await?, [Some(4.into()), Some(2.into())])
}

async fn set_many_checks_every_key_first(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "old").await?;
    let refused = cache.set_many(items([("a", "new".into()), ("b", "new".into()), ("", 1.into())])).await;
    fails(refused, ErrorKind::InvalidKey)?;
    same(found(&cache, &keys(["a", "b"])).await?, [Some("old".into()), None])
}

async fn one_that_cannot_be_encoded_fails_alone(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("b", "old").await?;
    let written = items([("a", "new".into()), ("b", Value::Unserializable), ("c", "new".into())]);
    let mut written = cache.set_many(written).await?;
    let of_b = match written.remove(1) {
        // A store in memory holds the value itself, and need not encode it.
        Ok(()) => Value::Unserializable,
        refused => {
            fails(refused, ErrorKind::Encode)?;
            "old".into()
        }
    };
    holds(written.len() == 2 && written.iter().all(Result::is_ok), "the two others are written", &written)?;
    let expected = [Some("new".into()), Some(of_b), Some("new".into())];
    same(found(&cache, &keys(["a", "b", "c"])).await?, expected)
}

async fn one_over_the_caches_limit_fails_alone(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.max_value(1000));
    let large = Value::from("x".repeat(2000));
    cache.set("b", "old").await?;
    let written = items([("a", "new".into()), ("b", large.clone()), ("c", "new".into())]);
    let mut written = cache.set_many(written).await?;
    let of_b = match written.remove(1) {
        Ok(()) => Some(large),
        refused => {
            fails(refused, ErrorKind::TooLarge)?;
            None
        }
    };
    holds(written.len() == 2 && written.iter().all(Result::is_ok), "the two others are written", &written)?;
    same(found(&cache, &keys(["a", "b", "c"])).await?, [Some("new".into()), of_b, Some("new".into())])
}

async fn each_of_many_writes_has_its_own_life(t: &Context) -> Verdict {
    let store = t.direct();
    store
        .set_many(&[
            ("a", "v", SetOptions::new(Ttl::Never)),
            ("b", "v", SetOptions::new(t.short().into())),
            ("c", "v", SetOptions::new((t.short() * 100).into())),
        ])
        .await
        .into_iter()
        .collect::<Result<Vec<bool>>>()?;
    t.outlive(t.short()).await;
    same(store.get_many(&["a", "b", "c"]).await?, [Some("v".into()), None, Some("v".into())])
}
