//! The end of a life.

use std::time::Duration;

use larder_core::{Key, Ttl, miss::Miss};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "ttl":
    an_entry_ends_with_its_life = "An entry is readable before its life is over and a miss afterwards.";
    every_read_sees_the_end = "Once a life is over every kind of read and write finds the key absent.";
    the_default_life_ends = "An entry that was written without a life of its own ends with the cache's default.";
    never_is_never = "An entry that lives for ever has no end.";
    never_overrides_the_default = "An explicit `Never` overrides the cache's default life.";
    a_life_of_its_own_overrides_the_default = "An explicit life overrides a default of `Never`.";
    a_loaded_entry_ends_with_its_life = "What was loaded is loaded again once its life is over.";
    reading_does_not_extend_a_life = "Reading never extends a life, whatever the kind of read.";
    an_ended_key_can_be_used_again = "After its TTL has ended, a key can be written again, with a new TTL.";
    each_entry_ends_by_itself = "Entries of one cache end each by its own life.";
    the_store_ends_lives_itself = "A store does not give an entry whose life is over by its own reckoning.";
    the_store_ends_lives_in_bulk = "A store does not give it in a bulk read either.";
    #[needs(SeenBytes)] what_has_ended_is_freed = "What has expired is freed by the store, without being read.";
    #[needs(Sharing)] a_life_ends_in_every_process = "On a shared store a life ends in every process.";
    #[needs(InjectedClock)] the_end_is_exact = "A life ends when it is over: it is there one millisecond before and gone at the end.";
    #[needs(InjectedClock)] never_outlives_a_century = "An entry that lives for ever is there after a hundred years.";
    #[needs(InjectedClock)] long_lives_end_too = "A life of more than thirty days ends when it is over, not earlier and not later.";
}

async fn an_entry_ends_with_its_life(t: &Context) -> Verdict {
    let cache = t.cache();
    let work = || async {
        cache.set_for("k", "v", t.short()).await?;
        Ok(cache.get("k").await?)
    };
    same(t.within(t.short(), work).await?, Some("v".into()))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn every_read_sees_the_end(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set_for("k", "v", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.cache().get_encoded(&key).await?.is_none(), true)?;
    same(cache.get_many(&[key]).await?.into_iter().collect::<Result<Vec<_>, _>>()?, [None])?;
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.delete("k").await?, false)?;
    same(cache.get("k").await?, None)
}

async fn the_default_life_ends(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short()));
    let work = || async {
        cache.set("k", "v").await?;
        Ok(cache.get("k").await?)
    };
    same(t.within(t.short(), work).await?, Some("v".into()))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn never_is_never(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    t.pass(Duration::from_millis(1100)).await;
    same(cache.get("k").await?, Some("v".into()))?;
    same(cache.ttl("k").await?, Some(Ttl::Never))
}

async fn never_overrides_the_default(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short()));
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("v".into()))
}

async fn a_life_of_its_own_overrides_the_default(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(Ttl::Never));
    cache.set("default", "v").await?;
    cache.set_for("own", "v", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.get("own").await?, None)?;
    same(cache.get("default").await?, Some("v".into()))?;
    same(cache.ttl("default").await?, Some(Ttl::Never))
}

async fn a_loaded_entry_ends_with_its_life(t: &Context) -> Verdict {
    let cache = t.cache();
    let load =
        |text: &'static str| move || async move { Ok::<_, std::convert::Infallible>(Value::from(text)) };
    same(cache.load_as("k", t.short(), &[], load("first")).await?.0, "first".into())?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)?;
    same(cache.load_as("k", t.short(), &[], load("second")).await?.0, "second".into())
}

async fn reading_does_not_extend_a_life(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let life = t.short();
    cache.set_for("k", "v", life).await?;
    for _ in 0..5 {
        cache.get("k").await?;
        drop(cache.look_up("k").await?);
        cache.contains("k").await?;
        cache.ttl("k").await?;
        cache.get_many(std::slice::from_ref(&key)).await?;
        cache.cache().get_encoded(&key).await?;
        cache.add("k", "w").await?;
        t.pass(life / 8).await;
    }
    // Had one of these begun a new life, it would have more than a quarter of it left by then.
    t.outlive(life / 2).await;
    same(cache.get("k").await?.filter(|seen| *seen == Value::from("v")), None)
}

async fn an_ended_key_can_be_used_again(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "first", t.short()).await?;
    t.outlive(t.short()).await;
    cache.set("k", "second").await?;
    same(cache.get("k").await?, Some("second".into()))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("second".into()))
}

async fn each_entry_ends_by_itself(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("long", "v", t.short() * 100).await?;
    cache.set_for("short", "v", t.short()).await?;
    cache.set_for("never", "v", Ttl::Never).await?;
    t.outlive(t.short()).await;
    same(cache.get("long").await?, Some("v".into()))?;
    same(cache.get("short").await?, None)?;
    same(cache.get("never").await?, Some("v".into()))
}

async fn the_store_ends_lives_itself(t: &Context) -> Verdict {
    let store = t.direct();
    let work = || async {
        store.set("k", "v", t.short()).await?;
        Ok(store.get("k").await?)
    };
    same(t.within(t.short(), work).await?, Some("v".into()))?;
    t.outlive(t.short()).await;
    same(store.get("k").await?, None)?;
    same(store.touch("k", Ttl::Never).await?, false)?;
    same(store.delete("k").await?, false)
}

async fn the_store_ends_lives_in_bulk(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("a", "v", t.short()).await?;
    store.set("b", "v", Ttl::Never).await?;
    t.outlive(t.short()).await;
    same(store.get_many(&["a", "b"]).await?, [None, Some("v".into())])
}

async fn what_has_ended_is_freed(t: &Context) -> Verdict {
    let store = t.direct();
    let text = store.text_of(&Key::new("k"));
    let look = || async {
        store.set("k", "v", t.short()).await?;
        Ok(t.stored_bytes(&text).await)
    };
    let before = t.within(t.short(), look).await?;
    holds(before.is_some(), "bytes under the key while the entry lives", before)?;
    t.outlive(t.short()).await;
    let after = t.stored_bytes(&text).await;
    holds(after.is_none(), "no bytes under the key once its life is over", after.map(|bytes| bytes.len()))
}

async fn a_life_ends_in_every_process(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    let work = || async {
        cache.set_for("k", "v", t.short()).await?;
        Ok(peer.get("k").await?)
    };
    same(t.within(t.short(), work).await?, Some("v".into()))?;
    t.outlive(t.short()).await;
    same(peer.get("k").await?, None)?;
    same(cache.get("k").await?, None)
}

async fn the_end_is_exact(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Duration::from_secs(5)).await?;
    t.pass(Duration::from_millis(4999)).await;
    same(cache.get("k").await?, Some("v".into()))?;
    t.pass(Duration::from_millis(1)).await;
    let seen = cache.look_up("k").await?;
    holds(matches!(seen, Err(Miss::Expired | Miss::Absent)), "expired or absent", seen)
}

async fn never_outlives_a_century(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    t.pass(Duration::from_hours(876_000)).await;
    same(cache.get("k").await?, Some("v".into()))
}

async fn long_lives_end_too(t: &Context) -> Verdict {
    let cache = t.cache();
    let life = Duration::from_hours(960);
    cache.set_for("k", "v", life).await?;
    t.pass(life.checked_sub(Duration::from_mins(1)).unwrap_or_default()).await;
    same(cache.get("k").await?, Some("v".into()))?;
    t.outlive(Duration::from_mins(1)).await;
    same(cache.get("k").await?, None)
}
