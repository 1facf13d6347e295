//! Stores whose counters are wrong in one way.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Clock, Entry, Key, Result, Ttl,
    backend::{CounterOptions, Counters, Forward},
    clock::Timestamp,
    entry::{Body, Lifetime},
    error::Operation,
    key::{Namespace, StoreKey},
};

use super::Mutant;
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| Store::new(Miscounting::new(clock, flaw));

    MakesFromNothing "makes every counter that is missing" => "counters::a_missing_counter_stays_missing";
    StepsAtOnce "makes a counter and takes the step" => "counters::a_missing_counter_becomes_its_initial_value";
    OnlyUp "counts up when it should count down" => "counters::steps_add_up";
    CountersAreEntries "keeps a counter where the entry is" => "counters::a_counter_is_no_entry";
    EntriesAreCounters "goes on counting from an entry" => "counters::an_entry_is_no_counter";
    OneForAll "has one counter for all namespaces" => "counters::keys_and_namespaces_have_counters_of_their_own";
    CutsKeys "knows a counter by the beginning of its key" => "counters::long_keys_that_differ_late_count_apart";
    NeverEnds "keeps every counter for ever" => "counters::a_counter_ends_with_its_ttl";
    Renews "resets a counter's TTL with each step" => "counters::counting_keeps_the_ttl";
    EndsWhenRead "takes the TTL of a step for the counter's" => "counters::a_counter_can_live_for_ever";
    KeepsTheEnded "keeps a counter whose TTL is zero" => "counters::a_ttl_of_zero_keeps_nothing";
    CountsInDoubles "counts in floating point" => "counters::large_numbers_are_exact";
    WrapsBelow "begins at the largest number below zero" =>
        "counters::below_zero_a_counter_does_what_the_store_says";
    WrapsAbove "begins at zero above the largest number, and says that it stops" =>
        "counters::above_the_largest_a_counter_does_what_the_store_says";
    InTwoSteps "reads and writes in two steps" => "counters::concurrent_steps_lose_nothing";
    MakesInTwoSteps "makes a counter in two steps" => "counters::of_many_who_make_a_counter_one_does";
    CountsWhenClosed "counts on after it was closed" => "counters::after_close_counting_fails";
}

/// How many milliseconds one waits for another.
const AT_MOST: u32 = 1000;

struct Miscounting {
    inner: ReferenceBackend,
    clock: Clock,
    flaw: Option<Flaw>,
    /// How many have found no counter.
    makers: AtomicUsize,
}

impl Miscounting {
    fn new(clock: Clock, flaw: Option<Flaw>) -> Self {
        Self { inner: ReferenceBackend::new(clock.clone()), clock, flaw, makers: AtomicUsize::new(0) }
    }

    /// Waits until another one has found no counter either, so that the flaw does not hang on who is how fast.
    async fn another_maker(&self) {
        self.makers.fetch_add(1, Ordering::Relaxed);
        for _ in 0..AT_MOST {
            if self.makers.load(Ordering::Relaxed) > 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Where the counter of this key is kept.
    fn place<R>(&self, key: &StoreKey<'_>, with: impl FnOnce(&StoreKey<'_>) -> R) -> R {
        match self.flaw {
            Some(Flaw::CountersAreEntries) => with(key),
            Some(Flaw::CutsKeys) => {
                let cut: String = key.key().text().chars().take(60).collect();
                with(&StoreKey::new(key.namespace(), &Key::new(cut)).of_counter())
            }
            Some(Flaw::OneForAll) => match Namespace::new("one", 0) {
                Ok(one) => with(&StoreKey::new(&one, key.key()).of_counter()),
                Err(_) => with(&key.of_counter()),
            },
            _ => with(&key.of_counter()),
        }
    }

    /// The step as this store takes it.
    fn step(&self, live: Option<&Entry>, by: i64, options: CounterOptions) -> Option<(u64, Entry)> {
        let now = self.clock.now();
        let (mut by, mut options) = (by, options);
        match (self.flaw, live) {
            (Some(Flaw::MakesFromNothing), None) => options.initial = options.initial.or(Some(0)),
            (Some(Flaw::StepsAtOnce), None) => {
                options.initial = options.initial.map(|initial| initial.saturating_add_signed(by));
            }
            (Some(Flaw::OnlyUp), _) => by = by.saturating_abs(),
            (Some(Flaw::KeepsTheEnded), _) if options.ttl.is_zero() => options.ttl = Ttl::Never,
            _ => {}
        }
        let (value, entry) = options.step(live, by, now)?;
        let until = |at| Some((value, entry.with_lifetime(Lifetime::until(at))));
        let becomes = |value: u64| {
            let body = Body::raw(Bytes::copy_from_slice(&value.to_le_bytes()), 0);
            Some((value, Entry::from_body(body, entry.meta().clone())))
        };
        let before = live.and_then(|entry| {
            let bytes = entry.encoded()?.bytes.as_ref().try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        });
        match (self.flaw, before) {
            (Some(Flaw::NeverEnds), _) => until(Timestamp::NEVER),
            (Some(Flaw::Renews | Flaw::EndsWhenRead), Some(_)) => until(options.ttl.expires(now)),
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (Some(Flaw::CountsInDoubles), Some(before)) => becomes((before as f64 + by as f64) as u64),
            (Some(Flaw::WrapsBelow), Some(before)) if by < 0 => becomes(before.wrapping_add_signed(by)),
            (Some(Flaw::WrapsAbove), Some(before)) if by > 0 => becomes(before.wrapping_add_signed(by)),
            _ => Some((value, entry)),
        }
    }

    fn live(&self, key: &StoreKey<'_>) -> Option<Entry> {
        let found = self.inner.entries().get(&key.into_owned()).cloned();
        found.filter(|entry| entry.is_live(self.clock.now()))
    }
}

impl Forward for Miscounting {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.inner
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

#[async_trait]
impl Counters for Miscounting {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        if !self.is(Flaw::CountsWhenClosed) {
            self.inner.open(Operation::Increment)?;
        }
        let place = self.place(key, |key| key.into_owned());
        let mut options = *options;
        let before = self.place(key, |key| self.live(key));
        if self.is(Flaw::EntriesAreCounters) && before.is_none() {
            let entry = self.live(key);
            let text = entry.and_then(|entry| String::from_utf8(entry.encoded()?.bytes.to_vec()).ok());
            options.initial = options.initial.or(text.and_then(|text| text.parse().ok()));
        }
        let makes = self.is(Flaw::MakesInTwoSteps) && before.is_none();
        if makes || self.is(Flaw::InTwoSteps) {
            if makes {
                self.another_maker().await;
            } else {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            let Some((value, entry)) = self.step(before.as_ref(), by, options) else { return Ok(None) };
            self.inner.entries().insert(place, entry);
            return Ok(Some(value));
        }
        let mut entries = self.inner.entries();
        let live = entries.get(&place).filter(|entry| entry.is_live(self.clock.now()));
        let Some((value, entry)) = self.step(live, by, options) else { return Ok(None) };
        entries.insert(place, entry);
        Ok(Some(value))
    }
}

impl fmt::Debug for Miscounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Miscounting({:?})", self.flaw)
    }
}
