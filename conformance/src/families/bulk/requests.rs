//! How many requests a bulk operation costs: the requests are counted between the cache and the store.

use larder_core::Key;

use super::{super::faulty::Faulty, found};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    probe::Probe,
    value::Value,
};

family! { "bulk":
    an_empty_request_asks_the_store_nothing = "An empty request does no I/O: to read, to write and to remove.";
    a_refused_request_asks_the_store_nothing = "A request that is refused for one of its keys does no I/O.";
    many_keys_are_one_request = "Many keys are one request to the store, not one each: to read, to write and to remove.";
    duplicates_are_asked_for_once = "A key that stands in a request twice is asked for once.";
}

fn counted(t: &Context) -> (Probe, Faulty) {
    let store = Faulty::new(t);
    (t.cache_on("counted", store.clone(), |builder| builder), store)
}

async fn an_empty_request_asks_the_store_nothing(t: &Context) -> Verdict {
    let (cache, store) = counted(t);
    same(found(&cache, &[]).await?, vec![])?;
    same(cache.set_many(vec![]).await?.len(), 0)?;
    same(cache.delete_many(&[]).await?.len(), 0)?;
    same(store.counts(), (0, 0, 0))
}

async fn a_refused_request_asks_the_store_nothing(t: &Context) -> Verdict {
    let (cache, store) = counted(t);
    let keys = ["a", ""].map(Key::from);
    same(cache.get_many(&keys).await.is_err(), true)?;
    same(cache.set_many(keys.iter().map(|key| (key.clone(), "v".into())).collect()).await.is_err(), true)?;
    same(cache.delete_many(&keys).await.is_err(), true)?;
    same(cache.get("").await.is_err(), true)?;
    same(cache.set("", "v").await.is_err(), true)?;
    same(cache.set_tagged("k", "v", &[""]).await.is_err(), true)?;
    same(store.counts(), (0, 0, 0))
}

async fn many_keys_are_one_request(t: &Context) -> Verdict {
    let (cache, store) = counted(t);
    // What is kept about the namespace is asked for, and made, before.
    cache.set("before", "v").await?;
    cache.get("before").await?;
    let keys: Vec<Key> = (0..100_u32).map(|number| Key::new("k").part(number)).collect();
    let (reads, writes, deletes) = store.counts();
    let looks = store.looks();
    cache.set_many(keys.iter().map(|key| (key.clone(), Value::Null)).collect()).await?;
    let after = store.counts();
    holds(
        after.1 - writes <= 4,
        "one request to write, and one for the namespace at most, on each of a few servers",
        after.1 - writes,
    )?;
    same(found(&cache, &keys).await?.len(), 100)?;
    let after = store.counts();
    // One for the keys, and on a shared store for what is kept about the namespace: by the write and by the read, if what was
    // known of it has become too old, and of each part on its own.
    let asked = (after.0 - reads) - (store.looks() - looks);
    let parts = t.backend().shards().map_or(1, |shards| usize::from(shards.count()));
    let expected = "one request to read, and two for the namespace at most, on each of its servers";
    holds(asked <= 1 + 2 * parts, expected, asked)?;
    let reads_before = after.0;
    cache.delete_many(&keys).await?;
    let after = store.counts();
    same(after.2 - deletes, 1)?;
    t.note("// a store in memory may look first which entries are live", after.0 - reads_before);
    Ok(())
}

async fn duplicates_are_asked_for_once(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    let keys = ["a", "b", "a", "b", "a"].map(Key::from);
    same(found(&cache, &keys).await?.len(), 5)?;
    let seen = cache.cache().stats();
    same((seen.hits, seen.misses), (1, 1))
}
