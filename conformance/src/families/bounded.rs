//! Stores that are bounded in this process's memory: how full they get, what counts, and what is reported of what leaves.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use larder_core::{
    Backend, Cache, Entry, ErrorKind, Key, Ttl,
    backend::{Bound, Cause, CounterOptions, SetItem, SetOptions, Usage},
    cache::{Event, Listener},
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::{patience, ticks},
};

family! { "bounded" needs [Storing, InProcess]:
    #[needs(BoundedByEntries)]
    a_full_store_keeps_no_more_entries_than_its_bound = "However many are written, no more entries than the bound are kept, and not many fewer.";
    #[needs(BoundedByBytes)]
    a_full_store_weighs_no_more_than_its_bound = "However large entries are, they weigh no more than the bound, and not much less.";
    #[needs(BoundedByEntries)]
    a_bulk_write_is_bounded_like_single_ones = "What is written in bulk is bounded like what is written one by one.";
    #[needs(BoundedByEntries, Counting)]
    counters_are_within_the_bound = "Counters count against the bound like any entry.";
    #[needs(BoundedByEntries)]
    what_is_asked_for_all_the_time_stays = "An entry that is asked for between any two writes is not what a full store evicts.";
    #[needs(BoundedByEntries)]
    usage_counts_what_is_there = "The usage says how many entries there are, after writing, overwriting and removing.";
    #[needs(BoundedByBytes)]
    what_is_heavier_than_the_store_is_too_large = "An entry heavier than the store is too large, and what it should have replaced is gone.";
    #[needs(BoundedByBytes)]
    a_bulk_write_tells_which_entry_is_too_large = "Of a bulk write only the entry that is heavier than the store fails.";
    #[needs(BoundedByBytes)]
    weights_saturate = "A weigher that answers the largest numbers makes entries too large, and upsets no sum.";
    #[needs(BoundedByBytes)]
    bytes_that_are_made_later_count = "The bytes of an entry that is encoded after it was written count from then on, once.";
    #[needs(BoundedByBytes)]
    an_object_that_is_made_later_counts = "The object of an entry that is decoded after it was written counts from then on, once.";
    #[needs(BoundedByEntries)]
    every_evicted_entry_is_told_once = "Each entry that a full store drops is reported once as evicted, and counted.";
    #[needs(BoundedByEntries, InjectedClock)]
    an_expired_entry_is_freed_and_told = "An entry whose TTL is over is freed without being asked for, and told as expired.";
    #[needs(BoundedByEntries, InjectedClock)]
    what_has_expired_is_not_told_as_evicted = "An entry that is over when the store needs its room has expired, and was not evicted.";
    #[needs(BoundedByEntries)]
    an_overwritten_entry_is_told_as_replaced = "An entry that is overwritten is reported once as replaced.";
    #[needs(BoundedByEntries)]
    what_is_removed_or_touched_is_not_told = "An entry that was removed, or given another TTL, is not reported as having left.";
    #[needs(BoundedByEntries)]
    each_namespace_is_told_of_its_own = "What leaves is reported to the caches of its namespace and to no others.";
    #[needs(BoundedByEntries, InjectedClock)]
    the_age_of_what_left_is_told = "An entry that leaves is reported with the age of its value.";
}

/// Small enough to be filled at once.
const ENTRIES: u64 = 100;
const BYTES: u64 = 1 << 20;
const HOUR: Ttl = Ttl::After(Duration::from_hours(1));
const ALWAYS: SetOptions = SetOptions::new(HOUR);

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Cause, Duration)>>);

impl Heard {
    fn all(&self) -> Vec<(String, Cause, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listener for Heard {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        if let Event::Left { key, cause, age } = event {
            let heard = ((*key).to_owned(), *cause, *age);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        }
    }
}

/// A small store of its own, and what it tells a cache.
struct Small {
    store: Arc<dyn Backend>,
    namespace: Namespace,
    cache: Cache<String>,
    heard: Arc<Heard>,
}

impl Small {
    fn new(t: &Context, bound: Bound) -> Result<Self, Failure> {
        let store = t.bounded(bound).ok_or_else(|| Failure::new("a store of this bound", "none"))?;
        let heard = Arc::new(Heard::default());
        let builder = Cache::builder(store.clone()).namespace(t.namespace()).clock(t.clock().clone());
        let cache = builder.listener(heard.clone()).build()?;
        let namespace = cache.namespace().clone();
        Ok(Self { store, namespace, cache, heard })
    }

    fn usage(&self) -> Result<Usage, Failure> {
        let bounded = self.store.bounded().ok_or_else(|| Failure::new("the ability Bounded", "none"))?;
        Ok(bounded.usage())
    }

    fn key<'a>(&'a self, key: &'a Key) -> StoreKey<'a> {
        StoreKey::new(&self.namespace, key)
    }

    /// An entry of this many bytes.
    fn entry(t: &Context, len: usize) -> Entry {
        let now = t.clock().steady().now();
        Entry::from_body(
            Body::raw(vec![b'x'; len].into(), 0),
            Meta::new(now, Lifetime::until(HOUR.expires(now))),
        )
    }

    async fn fill(&self, number: usize, value: &str) -> Verdict {
        for n in 0..number {
            self.cache.set(&Key::new("k").part(n), value.to_owned()).await?;
            breathe(n).await;
        }
        Ok(())
    }

    /// Looks until this holds, since a store may free and evict in the background.
    async fn becomes(&self, what: &str, holds: impl Fn(&Self, Usage) -> bool) -> Verdict {
        let patience = patience();
        for _ in 0..patience {
            if holds(self, self.usage()?) {
                return Ok(());
            }
            ticks(1).await;
        }
        let (usage, heard) = (self.usage()?, self.heard.all());
        Err(Failure::new(what, format_args!("{usage:?}, {heard:?}, after {patience} ticks of 10 ms")))
    }
}

/// Lets others run now and then: nothing in memory is waited for.
async fn breathe(n: usize) {
    if n.is_multiple_of(8) {
        tokio::task::yield_now().await;
    }
}

async fn a_full_store_keeps_no_more_entries_than_its_bound(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    small.fill(500, "v").await?;
    small.becomes("at most 100 entries", |_, usage| usage.entries <= ENTRIES).await?;
    let usage = small.usage()?;
    same(usage.bound, Bound::Entries(ENTRIES))?;
    holds(usage.entries >= ENTRIES / 2, "at least 50 entries", usage)?;
    let mut there = 0;
    for n in 0..500 {
        there += u64::from(small.cache.get(&Key::new("k").part(n)).await?.is_some());
        breathe(n).await;
    }
    same(there, usage.entries)
}

async fn a_full_store_weighs_no_more_than_its_bound(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Bytes(BYTES))?;
    for len in [10, 1000, 30_000] {
        small.fill(150, &"x".repeat(len)).await?;
        let usage = small.usage()?;
        holds(usage.weight <= BYTES, "no more than 1 MiB", usage)?;
    }
    let usage = small.usage()?;
    holds(usage.weight >= BYTES / 2, "at least half of it", usage)?;
    holds(usage.entries <= BYTES / 30_000, "no more entries of 30 000 bytes than fit", usage)
}

async fn a_bulk_write_is_bounded_like_single_ones(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let entry = Small::entry(t, 3);
    let keys: Vec<Key> = (0..500).map(|n| Key::new("k").part(n)).collect();
    let items: Vec<_> = keys.iter().map(|key| SetItem::new(small.key(key), entry.clone(), ALWAYS)).collect();
    for written in small.store.set_many(&items).await {
        same(written?.took_place(), true)?;
    }
    small.becomes("at most 100 entries", |_, usage| usage.entries <= ENTRIES).await
}

async fn counters_are_within_the_bound(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let options = CounterOptions::new(HOUR).with_initial(Some(1));
    let Some(counters) = small.store.counters() else { return Err(Failure::new("counters", "none")) };
    for n in 0..500 {
        counters.increment(&small.key(&Key::new("k").part(n)), 1, &options).await?;
        breathe(n).await;
    }
    small.becomes("at most 100 entries", |_, usage| (1..=ENTRIES).contains(&usage.entries)).await
}

async fn what_is_asked_for_all_the_time_stays(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let hot = Key::new("hot");
    small.cache.set(&hot, "v".into()).await?;
    for n in 0..500 {
        // A store that counts uses has to have counted some.
        for _ in 0..3 {
            holds(small.cache.get(&hot).await?.is_some(), "the entry that is always asked for", n)?;
        }
        small.cache.set(&Key::new("k").part(n), "v".into()).await?;
        breathe(n).await;
    }
    Ok(())
}

async fn usage_counts_what_is_there(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    same(small.usage()?.entries, 0)?;
    small.fill(10, "v").await?;
    small.fill(5, "w").await?;
    same(small.usage()?.entries, 10)?;
    for n in 0..3 {
        small.cache.delete(&Key::new("k").part(n)).await?;
    }
    let usage = small.usage()?;
    same((usage.entries, usage.weight), (7, 7))?;
    same(small.cache.usage(), Some(usage))
}

async fn what_is_heavier_than_the_store_is_too_large(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Bytes(BYTES))?;
    let key = Key::new("k");
    small.cache.set(&key, "old".into()).await?;
    // The store itself: a cache would remove the old one, if the store did not.
    let written = small.store.set(&small.key(&key), &Small::entry(t, 2 << 20), &ALWAYS).await;
    same(written.map_err(|error| error.kind()), Err(ErrorKind::TooLarge))?;
    same(small.cache.get(&key).await?.is_some(), false)?;
    small.cache.set(&key, "new".into()).await?;
    same(small.usage()?.entries, 1)
}

async fn a_bulk_write_tells_which_entry_is_too_large(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Bytes(BYTES))?;
    let (light, heavy) = (Small::entry(t, 10), Small::entry(t, 2 << 20));
    let keys: Vec<Key> = (0..3).map(|n| Key::new("k").part(n)).collect();
    let entries = [light.clone(), heavy, light];
    let items: Vec<_> =
        keys.iter().zip(entries).map(|(key, entry)| SetItem::new(small.key(key), entry, ALWAYS)).collect();
    let written =
        small.store.set_many(&items).await.into_iter().map(|written| {
            written.map(larder_core::backend::Written::took_place).map_err(|error| error.kind())
        });
    same(written.collect::<Vec<_>>(), [Ok(true), Err(ErrorKind::TooLarge), Ok(true)])
}

async fn weights_saturate(t: &Context) -> Verdict {
    for weight in [u64::MAX, u64::MAX - 100, u64::MAX / 2 + 1, 1 << 32] {
        let small = Small::new(t, Bound::Bytes(BYTES))?;
        let builder = Cache::builder(small.store.clone()).namespace(t.namespace()).clock(t.clock().clone());
        let heavy: Cache<String> = builder.weigher(move |_| weight).build()?;
        for n in 0..20 {
            let written = heavy.set(&Key::new("heavy").part(n), "v".into()).await;
            same(written.map_err(|error| error.kind()), Err(ErrorKind::TooLarge))?;
        }
        small.fill(20, "v").await?;
        same(small.usage()?.entries, 20)?;
    }
    Ok(())
}

async fn bytes_that_are_made_later_count(t: &Context) -> Verdict {
    const LEN: usize = 20_000;
    let small = Small::new(t, Bound::Bytes(BYTES))?;
    let key = Key::new("k");
    small.cache.set(&key, "x".repeat(LEN)).await?;
    let before = small.usage()?.weight;
    drop(small.cache.get_encoded(&key).await?);
    let after = small.usage()?.weight;
    holds(after >= before + LEN as u64, "20 000 bytes more", (before, after))?;
    drop(small.cache.get_encoded(&key).await?);
    same(small.usage()?.weight, after)?;
    // All of them, twice as much as there is room for.
    for n in 0..2 * BYTES / LEN as u64 {
        let load = || async { Ok::<_, Infallible>("x".repeat(LEN)) };
        drop(small.cache.at(&Key::new("k").part(n)).get_or_load_encoded(load).await?);
        tokio::task::yield_now().await;
    }
    let usage = small.usage()?;
    holds(usage.weight <= BYTES, "no more than 1 MiB", usage)?;
    holds(usage.entries <= BYTES / (2 * LEN as u64), "no more entries than fit with their bytes", usage)
}

async fn an_object_that_is_made_later_counts(t: &Context) -> Verdict {
    const LEN: usize = 20_000;
    let small = Small::new(t, Bound::Bytes(BYTES))?;
    let key = Key::new("k");
    small.cache.set(&key, "x".repeat(LEN)).await?;
    let Some(encoded) = small.cache.get_encoded(&key).await? else {
        return Err(Failure::new("a hit", "none"));
    };
    // As it comes from another store.
    let bytes = Entry::from_body(encoded.body().clone(), encoded.meta().clone());
    same(small.store.set(&small.key(&key), &bytes, &ALWAYS).await?.took_place(), true)?;
    let before = small.usage()?.weight;
    same(small.cache.get(&key).await?.map(|value| value.len()), Some(LEN))?;
    let after = small.usage()?.weight;
    holds(after >= before + LEN as u64, "20 000 bytes more", (before, after))?;
    same(small.cache.get(&key).await?.map(|value| value.len()), Some(LEN))?;
    same(small.usage()?.weight, after)
}

async fn every_evicted_entry_is_told_once(t: &Context) -> Verdict {
    const WRITTEN: usize = 500;
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    small.fill(WRITTEN, "v").await?;
    let complete =
        |small: &Small, usage: Usage| small.heard.all().len() as u64 + usage.entries == WRITTEN as u64;
    small.becomes("each that is not there told once", complete).await?;
    let mut heard = small.heard.all();
    holds(heard.iter().all(|(_, cause, _)| *cause == Cause::Evicted), "evicted", &heard)?;
    same(small.cache.stats().evictions, heard.len() as u64)?;
    heard.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    heard.dedup_by(|(a, ..), (b, ..)| a == b);
    same(heard.len() as u64, WRITTEN as u64 - small.usage()?.entries)
}

async fn an_expired_entry_is_freed_and_told(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    for n in 0..10 {
        small.cache.at(&Key::new("k").part(n)).ttl(t.short()).set("v".into()).await?;
    }
    small.cache.at(&Key::new("stays")).ttl(Ttl::Never).set("v".into()).await?;
    t.outlive(t.short()).await;
    small.becomes("one entry", |small, usage| usage.entries == 1 && small.heard.all().len() == 10).await?;
    let heard = small.heard.all();
    holds(heard.iter().all(|(_, cause, _)| *cause == Cause::Expired), "expired", &heard)?;
    let stats = small.cache.stats();
    same((stats.expirations, stats.evictions, stats.replacements), (10, 0, 0))
}

async fn what_has_expired_is_not_told_as_evicted(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    for n in 0..50 {
        small.cache.at(&Key::new("short").part(n)).ttl(t.short()).set("v".into()).await?;
    }
    t.outlive(t.short()).await;
    small.fill(500, "v").await?;
    small.becomes("50 expired", |small, _| small.cache.stats().expirations == 50).await?;
    let wrong =
        |(key, cause, _): &(String, Cause, Duration)| key.starts_with("short") != (*cause == Cause::Expired);
    let wrong: Vec<_> = small.heard.all().into_iter().filter(wrong).collect();
    same(wrong, [])
}

async fn an_overwritten_entry_is_told_as_replaced(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let key = Key::new("k").part("a:b");
    small.cache.set(&key, "1".into()).await?;
    same(small.heard.all().len(), 0)?;
    small.cache.set(&key, "2".into()).await?;
    small.cache.replace(&key, "3".into()).await?;
    small.cache.add(&key, "no".into()).await?;
    let heard: Vec<_> = small.heard.all().into_iter().map(|(key, cause, _)| (key, cause)).collect();
    same(heard, vec![(key.text().to_owned(), Cause::Replaced); 2])?;
    same(small.cache.stats().replacements, 2)
}

async fn what_is_removed_or_touched_is_not_told(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    small.fill(10, "v").await?;
    for n in 0..10 {
        let key = Key::new("k").part(n);
        same(small.cache.touch(&key, Duration::from_mins(1)).await?, true)?;
        same(small.cache.delete(&key).await?, true)?;
    }
    same(small.heard.all(), [])
}

async fn each_namespace_is_told_of_its_own(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let heard = Arc::new(Heard::default());
    let of = |namespace: String| {
        let builder = Cache::builder(small.store.clone()).namespace(namespace).clock(t.clock().clone());
        builder.listener(heard.clone()).build()
    };
    let below: Cache<String> = of(format!("{}/below", t.namespace()))?;
    let beside: Cache<String> = of(format!("{}-beside", t.namespace()))?;
    for value in ["1", "2"] {
        small.cache.set(&Key::new("k"), value.into()).await?;
    }
    same((small.heard.all().len(), heard.all().len()), (1, 0))?;
    for value in ["1", "2"] {
        below.set(&Key::new("k"), value.into()).await?;
        beside.set(&Key::new("k"), value.into()).await?;
    }
    same((small.heard.all().len(), heard.all().len()), (1, 2))
}

async fn the_age_of_what_left_is_told(t: &Context) -> Verdict {
    let small = Small::new(t, Bound::Entries(ENTRIES))?;
    let key = Key::new("k");
    small.cache.set(&key, "1".into()).await?;
    t.clock().advance(Duration::from_secs(7));
    small.cache.set(&key, "2".into()).await?;
    same(small.heard.all(), [(key.text().to_owned(), Cause::Replaced, Duration::from_secs(7))])
}
