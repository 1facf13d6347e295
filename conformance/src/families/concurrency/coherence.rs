//! After an invalidation has returned nobody reads what was before it. A number stands for the database; a
//! writer raises it and invalidates, readers load it slowly, and whoever asks after the invalidation must see
//! at least that number.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use larder_core::{Key, Result};
use tokio::task::JoinSet;

use super::super::random::{Random, Rounds};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds},
    patience::patiently,
    probe::Probe,
    value::Value,
};

family! { "concurrency":
    after_a_delete_nobody_reads_what_was_before = "After a delete has returned nobody is given what was loaded before it, however loads, reads and deletes meet.";
    after_a_set_nobody_reads_what_was_before = "After a set has returned nobody is given what was loaded or set before it.";
    after_a_clear_nobody_reads_what_was_before = "After a clear has returned nobody is given what was loaded before it.";
    after_a_tag_invalidation_nobody_reads_what_was_before = "After a tag's invalidation has returned nobody is given what was loaded before it.";
    after_a_bulk_delete_nobody_reads_what_was_before = "After a bulk delete has returned nobody is given what was loaded before it.";
    after_changing_invalidations_nobody_reads_what_was_before = "The same for invalidations of all kinds in turn.";
    #[needs(Sharing)] after_another_processs_clear_nobody_reads_what_was_before = "After a clear by another process has returned no read hits what was loaded before it.";
    #[needs(Sharing)] after_another_processs_tag_invalidation_nobody_reads_what_was_before = "After a tag's invalidation by another process has returned no read hits what was loaded before it.";
}

/// What all tasks of a case know.
#[derive(Debug, Default)]
struct World {
    /// What the database holds.
    truth: AtomicI64,
    /// The newest number whose invalidation has returned.
    settled: AtomicI64,
    over: AtomicBool,
}

impl World {
    fn load(
        self: &Arc<Self>,
        random: &mut Random,
    ) -> impl Future<Output = Result<Value, Infallible>> + Send + 'static {
        let (world, mut random) = (Arc::clone(self), random.fork());
        async move {
            let read = world.truth.load(Ordering::SeqCst);
            // The longer the way from the database, the more can overtake it.
            random.pause(500).await;
            Ok(Value::Signed(read))
        }
    }
}

/// How a reader asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// `get_or_load`, and what it gives is checked.
    Loading,
    /// `get_or_load` to fill the cache, and what a plain `get` gives is checked.
    Plainly,
}

async fn read(cache: &Probe, world: &Arc<World>, random: &mut Random, asks: Asks) -> Verdict {
    let key = Key::new("k");
    let at = || cache.cache().at(&key).tag("tag");
    let load = world.load(random);
    if asks == Asks::Plainly {
        at().get_or_load(|| load).await?;
        let least = world.settled.load(Ordering::SeqCst);
        let seen = cache.cache().get(&key).await?.map(|seen| Value::clone(&seen));
        let is_new = seen.as_ref().is_none_or(|seen| matches!(seen, Value::Signed(seen) if *seen >= least));
        return holds(is_new, &format!("at least {least}, whose invalidation had returned, or none"), seen);
    }
    let least = world.settled.load(Ordering::SeqCst);
    let seen = at().get_or_load(|| load).await?;
    let is_new = matches!(*seen, Value::Signed(seen) if seen >= least);
    holds(is_new, &format!("at least {least}, whose invalidation had returned"), &seen)
}

/// Readers and a writer, whose invalidation this is.
async fn nobody_reads_the_past<F>(
    t: &Context,
    cache: &Probe,
    asks: Asks,
    invalidate: impl Fn(i64) -> F,
) -> Verdict
where
    F: Future<Output = Result<()>>,
{
    const READERS: usize = 6;
    let world = Arc::new(World::default());
    let mut random = Random::new(t);
    // They end with the case, however it ends.
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (cache, world, mut random) = (cache.clone(), Arc::clone(&world), random.fork());
        readers.spawn(async move {
            while !world.over.load(Ordering::SeqCst) {
                read(&cache, &world, &mut random, asks).await?;
                random.pause(60).await;
            }
            Ok::<_, Failure>(())
        });
    }
    let mut written = Ok(());
    for (number, _) in (1_i64..).zip(Rounds::new(300)) {
        world.truth.store(number, Ordering::SeqCst);
        written = invalidate(number).await;
        if written.is_err() {
            break;
        }
        world.settled.store(number, Ordering::SeqCst);
        random.pause(700).await;
    }
    world.over.store(true, Ordering::SeqCst);
    t.note("// the database's last number", world.truth.load(Ordering::SeqCst));
    while let Some(reader) = patiently("the end of a reader", readers.join_next()).await? {
        reader.map_err(|panic| Failure::new("an end", panic))??;
    }
    Ok(written?)
}

async fn after_a_delete_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    let delete = |_| async { cache.cache().delete(&Key::new("k")).await.map(drop) };
    nobody_reads_the_past(t, &cache, Asks::Loading, delete).await
}

async fn after_a_set_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    let set = |number: i64| {
        let cache = cache.cache();
        async move { cache.set(&Key::new("k"), number.into()).await }
    };
    nobody_reads_the_past(t, &cache, Asks::Loading, set).await
}

async fn after_a_clear_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    nobody_reads_the_past(t, &cache, Asks::Loading, |_| async { cache.cache().clear().await }).await
}

async fn after_a_tag_invalidation_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    let invalidate = |_| async { cache.cache().invalidate_tag("tag").await };
    nobody_reads_the_past(t, &cache, Asks::Loading, invalidate).await
}

async fn after_a_bulk_delete_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    let delete = |_| async {
        let removed = cache.cache().delete_many(&["j", "k", "l"].map(Key::from)).await?;
        removed.into_iter().collect::<Result<Vec<_>>>().map(drop)
    };
    nobody_reads_the_past(t, &cache, Asks::Loading, delete).await
}

async fn after_changing_invalidations_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let cache = t.cache();
    let invalidate = |number: i64| invalidate_in_turn(&cache, number);
    nobody_reads_the_past(t, &cache, Asks::Loading, invalidate).await
}

async fn invalidate_in_turn(cache: &Probe, number: i64) -> Result<()> {
    let (cache, key) = (cache.cache(), Key::new("k"));
    match number % 6 {
        0 => cache.delete(&key).await.map(drop),
        1 => cache.at(&key).tag("tag").set(number.into()).await,
        2 => cache.invalidate_tag("tag").await,
        3 => cache.at(&key).ttl(Duration::ZERO).set(Value::Null).await,
        4 => {
            let written = cache.set_many([(key, number.into())]).await?;
            written.into_iter().collect::<Result<Vec<_>>>().map(drop)
        }
        _ => cache.clear().await,
    }
}

async fn after_another_processs_clear_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), t.peer(|builder| builder));
    nobody_reads_the_past(t, &cache, Asks::Plainly, |_| async { peer.cache().clear().await }).await
}

async fn after_another_processs_tag_invalidation_nobody_reads_what_was_before(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), t.peer(|builder| builder));
    let invalidate = |_| async { peer.cache().invalidate_tag("tag").await };
    nobody_reads_the_past(t, &cache, Asks::Plainly, invalidate).await
}
