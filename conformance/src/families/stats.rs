//! What is counted: exact figures after a fixed script.

use std::{convert::Infallible, time::Duration};

use larder_core::{Key, Ttl, cache::Stats};

use super::loading::{Gate, have_joined};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    probe::Probe,
    task,
    value::Value,
};

family! { "stats":
    nothing_is_counted_in_the_beginning = "A new cache has counted nothing, and no hit rate.";
    hits_and_misses_are_counted = "Every read is one hit or one miss.";
    an_expired_read_is_a_miss = "A read of an expired entry is a miss of its own kind, where the store can tell.";
    an_invalidated_read_is_a_miss = "A read of an entry that a tag or a clear killed is a miss of that kind, where the store can tell.";
    questions_are_not_counted_as_reads = "`contains`, `ttl` and `touch` are neither hits nor misses.";
    writes_are_counted = "Every entry written is counted once, an overwrite as well; an add that was refused is not.";
    removals_are_counted = "Only deletes that removed something are counted.";
    bulk_operations_count_each_entry = "Bulk operations count each entry; a key that is given twice is looked up once.";
    encoded_reads_are_counted = "Encoded reads are hits and misses like any other.";
    loads_are_counted = "Loads, failed loads, callers that joined and loads that were superseded are counted.";
    time_in_loaders_is_counted = "The time spent in loaders, and what hits have saved of it, is counted.";
    refused_operations_are_not_counted = "An operation that is refused for its key counts as nothing.";
    clones_count_together_and_caches_apart = "Clones of a cache count together, caches made separately each for themselves.";
    the_hit_rate_is_the_share_of_hits = "The hit rate is the share of reads that were hits.";
    a_whole_script_adds_up = "After a script of every operation all figures are exactly what was done.";
}

/// Fails unless these figures are so, and names them.
macro_rules! counted {
    ($seen:expr, $($figure:ident: $expected:expr),+) => {{
        let seen = $seen;
        same([$((stringify!($figure), seen.$figure)),+], [$((stringify!($figure), $expected)),+])
    }};
}

fn stats(cache: &Probe) -> Stats {
    cache.cache().stats()
}

async fn nothing_is_counted_in_the_beginning(t: &Context) -> Verdict {
    same(stats(&t.cache()), Stats::default())?;
    same(stats(&t.cache()).hit_rate(), None)
}

async fn hits_and_misses_are_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.get("k").await?;
    drop(cache.look_up("k").await?);
    cache.set("k", Value::Null).await?;
    for _ in 0..3 {
        cache.get("k").await?;
    }
    drop(cache.look_up("k").await?);
    let seen = stats(&cache);
    counted!(seen, hits: 4, misses: 2, expired: 0, invalidated: 0, undecodable: 0, errors: 0)
}

async fn an_expired_read_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", t.short()).await?;
    t.outlive(t.short()).await;
    cache.get("k").await?;
    let seen = stats(&cache);
    counted!(seen, hits: 0, misses: 1, invalidated: 0)?;
    holds(seen.expired <= 1, "at most one expired", seen.expired)
}

async fn an_invalidated_read_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("tagged", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    cache.get("tagged").await?;
    cache.set("cleared", "v").await?;
    cache.clear().await?;
    cache.get("cleared").await?;
    let seen = stats(&cache);
    counted!(seen, hits: 0, misses: 2, expired: 0)?;
    holds(seen.invalidated <= 2, "at most two invalidated", seen.invalidated)
}

async fn questions_are_not_counted_as_reads(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in 0..2 {
        cache.contains("k").await?;
        cache.ttl("k").await?;
        cache.touch("k", Ttl::Never).await?;
        cache.set("k", "v").await?;
    }
    let seen = stats(&cache);
    counted!(seen, hits: 0, misses: 0, writes: 2)
}

async fn writes_are_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.set("k", "w").await?;
    cache.set_for("k", "w", Ttl::Never).await?;
    cache.add("k", "x").await?;
    cache.add("free", "x").await?;
    same(stats(&cache).writes, 4)
}

async fn removals_are_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.delete("k").await?;
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    cache.delete("k").await?;
    cache.set("k", "v").await?;
    cache.touch("k", Duration::ZERO).await?;
    same(stats(&cache).deletes, 2)
}

async fn bulk_operations_count_each_entry(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = ["a", "b", "a", "missing", "missing", "a"].map(Key::from);
    cache.set_many(vec![("a".into(), 1.into()), ("b".into(), 2.into())]).await?;
    cache.get_many(&keys).await?;
    cache.delete_many(&["a", "missing"].map(Key::from)).await?;
    cache.get_many(&[]).await?;
    let seen = stats(&cache);
    counted!(seen, writes: 2, hits: 2, misses: 1, deletes: 1)
}

async fn encoded_reads_are_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.cache().get_encoded(&key).await?;
    cache.set("k", "v").await?;
    cache.cache().get_encoded(&key).await?;
    cache.cache().at(&key).get_or_load_encoded(|| async { Ok::<_, Infallible>(Value::Null) }).await?;
    cache.cache().at(&"l".into()).get_or_load_encoded(|| async { Ok::<_, Infallible>(Value::Null) }).await?;
    let seen = stats(&cache);
    counted!(seen, hits: 2, misses: 2, loads: 1, writes: 2)
}

async fn loads_are_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
    cache.get_or_load("k", load).await?;
    cache.get_or_load("k", load).await?;
    drop(cache.get_or_load("fails", || async { Err::<Value, _>("as it should") }).await);
    let inner = cache.clone();
    cache
        .get_or_load("overtaken", || async move {
            // Deleted in the middle of its own load.
            inner.delete("overtaken").await?;
            Ok::<_, larder_core::Error>(Value::Null)
        })
        .await?;
    let seen = stats(&cache);
    counted!(seen, hits: 1, misses: 3)?;
    counted!(seen, loads: 3, load_failures: 1, writes: 1, fenced: 1)?;
    let gate = Gate::new();
    let callers: Vec<_> = (0..5)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || gate.load(Ok::<_, Infallible>(Value::Null));
            task::spawn(async move { cache.get_or_load("joined", load).await })
        })
        .collect();
    have_joined(&cache, 4).await?;
    gate.open();
    for caller in callers {
        caller.await.map_err(|panic| Failure::new("an answer", panic))??;
    }
    let after = stats(&cache);
    counted!(after, loads: 4, joined: 4, writes: 2)
}

async fn time_in_loaders_is_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok::<_, Infallible>(Value::Null)
    };
    cache.get_or_load("k", slow).await?;
    let seen = stats(&cache);
    holds(seen.load_micros >= 30_000, "at least 30 000 microseconds in loaders", seen.load_micros)?;
    same(seen.saved_micros, 0)?;
    for _ in 0..3 {
        cache.get("k").await?;
    }
    cache.set("set", "v").await?;
    cache.get("set").await?;
    same(stats(&cache).saved_micros, 3 * seen.load_micros)
}

async fn refused_operations_are_not_counted(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(cache.get("").await, larder_core::ErrorKind::InvalidKey)?;
    fails(cache.set("", "v").await, larder_core::ErrorKind::InvalidKey)?;
    fails(cache.set_tagged("k", "v", &[""]).await, larder_core::ErrorKind::InvalidKey)?;
    fails(cache.get_many(&["a".into(), "".into()]).await, larder_core::ErrorKind::InvalidKey)?;
    fails(cache.delete("").await, larder_core::ErrorKind::InvalidKey)?;
    same(stats(&cache), Stats::default())
}

async fn clones_count_together_and_caches_apart(t: &Context) -> Verdict {
    let (cache, apart) = (t.cache(), t.cache_with("apart", |builder| builder));
    let clone = cache.clone();
    cache.set("k", "v").await?;
    clone.get("k").await?;
    apart.get("k").await?;
    same(stats(&cache), stats(&clone))?;
    counted!(stats(&cache), writes: 1, hits: 1)?;
    counted!(stats(&apart), writes: 0, hits: 1)
}

async fn the_hit_rate_is_the_share_of_hits(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.get("k").await?;
    same(stats(&cache).hit_rate(), Some(0.0))?;
    cache.set("k", "v").await?;
    for _ in 0..3 {
        cache.get("k").await?;
    }
    same(stats(&cache).hit_rate(), Some(0.75))
}

async fn a_whole_script_adds_up(t: &Context) -> Verdict {
    let cache = t.cache();
    let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
    for name in ["a", "b", "c"] {
        cache.set(name, "v").await?; // 3 stores
    }
    cache.get("a").await?; // hit
    cache.get("z").await?; // miss
    cache.get_many(&["a", "b", "z", "a"].map(Key::from)).await?; // 2 hits, miss
    cache.add("a", "w").await?;
    cache.add("d", "w").await?; // store
    cache.delete("a").await?; // delete
    cache.delete("a").await?;
    cache.get_or_load("a", load).await?; // miss, load, store
    cache.get_or_load("a", load).await?; // hit
    cache.set_many(vec![("e".into(), 1.into()), ("f".into(), 2.into())]).await?; // 2 stores
    cache.delete_many(&["e", "f", "g"].map(Key::from)).await?; // 2 deletes
    cache.contains("b").await?;
    cache.get_or_load("h", || async { Err::<Value, _>("as it should") }).await.err(); // miss, load, failure
    let mut seen = stats(&cache);
    // Times are another every time.
    (seen.load_micros, seen.saved_micros, seen.store_micros) = (0, 0, 0);
    // A chain's own affair.
    seen.near_hits = 0;
    let mut expected = Stats::default();
    (expected.hits, expected.misses) = (4, 4);
    (expected.writes, expected.deletes) = (7, 3);
    (expected.loads, expected.load_failures) = (2, 1);
    same(seen, expected)
}
