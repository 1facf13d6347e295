//! A store written from scratch, with five mistakes in it, each of a kind that a reader of its code would not see: the
//! suite names each by its case, and nothing where the mistake is not made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is wrong here ends the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use larder_conformance::{Outcome, Store, Suite, cases};
use larder_core::{
    Backend, Clock, Entry, Miss, Result, Ttl,
    backend::{
        Capabilities, Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchOptions, Written,
    },
    clock::Timestamp,
    entry::Lifetime,
    key::StoreKey,
};

/// The mistakes, and the case that names each.
const MISTAKES: [(Mistake, &str); 5] = [
    (Mistake::BulkComparesPresence, "metadata::a_refused_bulk_compare_and_set_changes_no_field"),
    (Mistake::TouchKeepsFreshness, "metadata::a_touched_entry_has_a_stale_part"),
    (Mistake::BulkRemovalMissesStale, "states::a_stale_entry_is_removed_in_bulk"),
    (Mistake::BulkTtlOf32Bits, "extremes::ten_years_set_in_bulk_are_ten_years"),
    (Mistake::AddMindsTheDead, "endings::after_the_end_of_a_ttl_the_key_is_free"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mistake {
    /// A bulk write by token asks whether there is an entry, and not which.
    BulkComparesPresence,
    /// A touch moves the end, and leaves until when the entry is fresh.
    TouchKeepsFreshness,
    /// A bulk removal says of a stale entry that it was not there.
    BulkRemovalMissesStale,
    /// A bulk write keeps a TTL in 32 bits of milliseconds, which last for 49 days.
    BulkTtlOf32Bits,
    /// An add looks for any entry under the key, and not for a live one.
    AddMindsTheDead,
}

struct Shelf {
    entries: Mutex<BTreeMap<String, Entry>>,
    clock: Clock,
    mistakes: BTreeSet<Mistake>,
}

impl Shelf {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistakes.contains(&mistake)
    }

    fn put(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions, many: bool) -> Written {
        let mut entries = self.entries.lock().unwrap();
        let (text, now) = (key.to_string(), self.clock.now());
        let there = entries.get(&text);
        let live = there.filter(|entry| entry.is_live(now));
        let holds = match options.condition {
            Condition::Absent if self.makes(Mistake::AddMindsTheDead) => there.is_none(),
            Condition::Unchanged(_) if many && self.makes(Mistake::BulkComparesPresence) => live.is_some(),
            condition => condition.holds(live),
        };
        if !holds {
            return Written::No;
        }
        let mut kept = entry.known_by_revision();
        if let Ttl::After(ttl) = options.ttl
            && many
            && self.makes(Mistake::BulkTtlOf32Bits)
        {
            let millis = u32::try_from(ttl.as_millis() & u128::from(u32::MAX)).unwrap();
            let end = now.plus(Duration::from_millis(millis.into()));
            kept = kept.with_lifetime(Lifetime::new(kept.meta().lifetime.fresh_until, end));
        }
        let token = kept.token();
        entries.insert(text, kept);
        Written::Yes(token)
    }

    fn remove(&self, key: &StoreKey<'_>, condition: Condition, many: bool) -> bool {
        let mut entries = self.entries.lock().unwrap();
        let (text, now) = (key.to_string(), self.clock.now());
        let Some(entry) = entries.get(&text) else { return false };
        let is_live = entry.is_live(now);
        if condition != Condition::Always && !condition.holds(is_live.then_some(entry)) {
            return false;
        }
        let is_stale = !entry.is_fresh(now);
        entries.remove(&text);
        is_live && !(many && is_stale && self.makes(Mistake::BulkRemovalMissesStale))
    }
}

#[async_trait]
impl Backend for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        Ok(match self.entries.lock().unwrap().get(&key.to_string()) {
            None => Lookup::Miss(Miss::Absent),
            Some(entry) if entry.is_live(self.clock.now()) => Lookup::Hit(entry.clone()),
            Some(_) => Lookup::Miss(Miss::Expired),
        })
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        Ok(self.put(key, entry, options, false))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let mut entries = self.entries.lock().unwrap();
        let Some(entry) = entries.get_mut(&key.to_string()) else { return Ok(false) };
        if !entry.is_live(self.clock.now()) || !options.condition.holds(Some(entry)) {
            return Ok(false);
        }
        let mut lifetime = options.lifetime;
        if self.makes(Mistake::TouchKeepsFreshness) {
            let fresh: Timestamp = entry.meta().lifetime.fresh_until;
            lifetime = Lifetime::new(fresh, lifetime.expires);
        }
        *entry = entry.with_lifetime(lifetime);
        Ok(true)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        Ok(self.remove(key, options.condition, false))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        items.iter().map(|item| Ok(self.put(&item.key, &item.entry, &item.options, true))).collect()
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        items.iter().map(|item| Ok(self.remove(&item.key, item.options.condition, true))).collect()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("mistakes", &self.mistakes).finish_non_exhaustive()
    }
}

/// Which of the five cases fail over the store with these mistakes.
async fn failing(mistakes: impl IntoIterator<Item = Mistake>) -> Vec<&'static str> {
    let mistakes: BTreeSet<Mistake> = mistakes.into_iter().collect();
    let make = move |clock: Clock| {
        Store::new(Shelf { entries: Mutex::default(), clock, mistakes: mistakes.clone() })
    };
    let (suite, all, mut failing) = (Suite::new("shelf", make), cases(), Vec::new());
    for (_, name) in MISTAKES {
        let case = all.iter().find(|case| case.name() == name).unwrap();
        match suite.run(case).await {
            Ok(Outcome::Passed) => {}
            Ok(other) => panic!("{name}: {other:?}"),
            Err(told) => {
                assert!(told.contains(case.promise), "{told}");
                failing.push(name);
            }
        }
    }
    failing
}

#[tokio::test]
async fn five_mistakes_in_one_store_are_each_named() {
    assert_eq!(failing(MISTAKES.map(|(mistake, _)| mistake)).await, MISTAKES.map(|(_, case)| case));
}

#[tokio::test]
async fn each_case_names_its_mistake_and_no_other() {
    for (mistake, case) in MISTAKES {
        assert_eq!(failing([mistake]).await, [case], "{mistake:?}");
    }
    assert!(failing([]).await.is_empty());
}
