//! Chains that are wrong in one way, in front of a store that is right. The chain is one of its own, a map under a lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Result, Ttl,
    backend::{
        Bus, Capabilities, Counters, DeleteItem, DeleteOptions, Ear, Forward, GetOptions, Lookup, Notice,
        SILENCE, SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::{Kind, Scope},
    key::{Namespace, StoreKey},
};
use tokio::time::Instant;

use super::{Mutant, lock, telling};
use crate::{stacks::NearCopies, store::Store};

mutants! {
    |clock, flaw| store(&clock, flaw);

    CopiesNothingRead "copies nothing that it reads" => "chain::what_was_read_or_written_is_read_near";
    CopiesNothingWritten "copies nothing that it writes" => "chain::what_was_read_or_written_is_read_near";
    AsksForAll "asks in bulk for what is near as well" => "chain::in_bulk_the_store_is_asked_for_the_rest";
    OutlivesEntries "serves copies whose entries have ended" => "chain::a_copy_ends_with_its_entry";
    IgnoresTtl "keeps copies for as long as their entries" => "chain::a_copy_ends_after_the_ttl_of_copies";
    AgesFromTheAnswer "counts the age of a copy from the answer" => "chain::a_copy_is_as_old_as_its_question";
    CopiesWhatIsNoValue "copies negative answers and leases" => "chain::what_is_no_value_has_no_copy";
    KeepsWritten "keeps the copy of what it writes over" => "chain::its_own_changes_are_seen_at_once";
    KeepsRemoved "keeps the copy of what it removes in bulk" => "chain::its_own_changes_are_seen_at_once";
    KeepsTouched "keeps the copy of what it touches" => "chain::its_own_changes_are_seen_at_once";
    ForgetsTags "copies entries without their tags" => "chain::a_clear_and_a_tag_hold_for_copies";
    DropsOnFailure "drops its copies when the store fails" => "chain::copies_are_served_while_the_store_fails";
    IgnoresFar "answers out of copies who asks the store" => "chain::who_asks_the_store_passes_copies";
    KeepsOlder "keeps its copy when the store says otherwise" => "chain::who_asks_the_store_passes_copies";
    ServesStale "answers with a stale copy" => "chain::a_stale_copy_is_no_answer";
    SaysNothing "does not say that it has copies" => "chain::a_near_hit_says_so";
    ForgetsItsChanges "copies what was read before its own change" =>
        "chain::a_read_that_a_change_has_overtaken_leaves_no_copy";
    CopiesMeanwhile "copies what was read during a change" =>
        "chain::a_read_that_began_during_a_change_leaves_no_copy";
    LastAcknowledged "takes the write that is acknowledged last for the last" =>
        "chain::of_two_writes_at_once_neither_is_the_copy";
    KeepsInDoubt "keeps its copy when a write fails" => "chain::a_write_in_doubt_leaves_no_copy";
    TrustsForever "trusts copies that nobody vouches for" => "chain::without_a_bus_others_are_seen_after_a_while";
    Deaf "hands notices on and does not heed them" => "chain::with_a_bus_others_are_seen_with_the_notice";
    ForgetsNotices "copies what was read before a notice" =>
        "chain::a_read_that_a_notice_has_overtaken_leaves_no_copy";
    IgnoresGaps "keeps its copies over a gap" => "chain::a_gap_ends_every_copy";
    TrustsSilence "trusts a bus that is silent" => "chain::copies_are_not_trusted_while_the_bus_is_silent";
}

/// A copy, and what is known of it.
#[derive(Debug, Clone)]
struct Copied {
    entry: Entry,
    /// When it ends, by the clock of the entries.
    ends: Timestamp,
    asked: Instant,
}

/// What has happened to a key.
#[derive(Debug, Default)]
struct Slot {
    copy: Option<Copied>,
    changes: u64,
    in_progress: u32,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<String, Slot>,
    gaps: u64,
    /// The last sign of life.
    alive: Option<Instant>,
}

/// The near side.
#[derive(Debug)]
struct Near {
    state: Mutex<State>,
    clock: Clock,
    copies: NearCopies,
    flaw: Option<Flaw>,
    ears: Mutex<Vec<Arc<Heeding>>>,
}

#[derive(Debug)]
struct Chaining {
    far: Arc<dyn Backend>,
    near: Arc<Near>,
}

/// The right to copy an answer; the changes of the key and the gaps until then, unless a change was in progress.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    state: Option<(u64, u64)>,
    asked: Instant,
}

fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    let far = telling::processes(clock);
    let copies = NearCopies { ttl: None, ttl_without_bus: Duration::from_secs(1), listens: true };
    Store::new(Chaining::new(far(), copies, clock.clone(), flaw))
        .with_chain(move |_| far(), move |far, copies, clock| Chaining::new(far, copies, clock, flaw))
}

impl Near {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The copy that may be served.
    fn get(&self, key: &StoreKey<'_>) -> Option<Entry> {
        let state = lock(&self.state);
        let slot = state.slots.get(&key.to_string()).filter(|slot| slot.in_progress == 0)?;
        let copy = slot.copy.as_ref()?;
        let is_trusted = !self.copies.listens
            || self.is(Flaw::TrustsSilence)
            || copy.asked.elapsed() < self.copies.ttl_without_bus
            || state.alive.is_some_and(|alive| alive.elapsed() < self.copies.ttl_without_bus.max(SILENCE));
        let now = self.clock.now();
        let is_over = now >= copy.ends || (!copy.entry.is_live(now) && !self.is(Flaw::OutlivesEntries));
        (is_trusted && !is_over).then(|| copy.entry.clone())
    }

    fn ticket(&self, key: &StoreKey<'_>) -> Ticket {
        let mut state = lock(&self.state);
        let gaps = state.gaps;
        let slot = state.slots.entry(key.to_string()).or_default();
        let is_quiet = slot.in_progress == 0 || self.is(Flaw::CopiesMeanwhile);
        Ticket { state: is_quiet.then_some((slot.changes, gaps)), asked: Instant::now() }
    }

    fn promote(&self, key: &StoreKey<'_>, ticket: Ticket, options: &GetOptions, found: &Result<Lookup>) {
        let mut state = lock(&self.state);
        let Ok(lookup) = found else {
            if self.is(Flaw::DropsOnFailure) {
                state.slots.values_mut().for_each(|slot| slot.copy = None);
            }
            return;
        };
        let gaps = state.gaps;
        let Some(slot) = state.slots.get_mut(&key.to_string()) else { return };
        if options.far && self.is(Flaw::KeepsOlder) && slot.copy.is_some() {
            return;
        }
        slot.copy = match lookup {
            Lookup::Hit(entry) if ticket.state == Some((slot.changes, gaps)) => {
                self.copy(key, entry, None, ticket.asked).filter(|_| !self.is(Flaw::CopiesNothingRead))
            }
            _ => None,
        };
    }

    /// What is kept of an entry, if anything is.
    fn copy(&self, key: &StoreKey<'_>, entry: &Entry, kept: Option<Ttl>, asked: Instant) -> Option<Copied> {
        let is_value = entry.kind() == Kind::Value || self.is(Flaw::CopiesWhatIsNoValue);
        if !is_value || key.to_string().contains("!v:") {
            return None;
        }
        let age = if self.is(Flaw::AgesFromTheAnswer) { Duration::ZERO } else { asked.elapsed() };
        let vouched = self.copies.listens || self.is(Flaw::TrustsForever);
        let ttl = self.copies.ttl.filter(|_| !self.is(Flaw::IgnoresTtl));
        let without = self.copies.ttl.is_none() && !vouched;
        let most = ttl.or_else(|| without.then_some(self.copies.ttl_without_bus));
        let kept = match kept {
            Some(Ttl::After(kept)) => Some(kept),
            _ => None,
        };
        let now = self.clock.now();
        let ends = most
            .into_iter()
            .chain(kept)
            .min()
            .map_or(Timestamp::NEVER, |ttl| now.plus(ttl.saturating_sub(age)));
        let entry = if self.is(Flaw::ForgetsTags) {
            {
                let stamps = entry.meta().stamps.iter().filter(|stamp| !matches!(stamp.scope, Scope::Tag(_)));
                entry.with_meta(entry.meta().clone().with_stamps(stamps.cloned().collect()))
            }
        } else {
            entry.clone()
        };
        Some(Copied { entry, ends, asked })
    }

    fn drop_copy(&self, text: &str, ends_tickets: bool) {
        let mut state = lock(&self.state);
        let slot = state.slots.entry(text.to_owned()).or_default();
        slot.copy = None;
        slot.changes += u64::from(ends_tickets);
    }
}

/// A change of a key that is in progress. What it leaves when it is dropped is what there is when it has failed.
struct Changing<'a> {
    near: &'a Near,
    key: &'a StoreKey<'a>,
    /// The changes since it began, if it began alone.
    alone: Option<u64>,
    asked: Instant,
    left: Left,
}

/// What a change leaves of the copy.
enum Left {
    AsItIs,
    Nothing,
    Doubt,
    Written(Entry, Ttl),
}

impl<'a> Changing<'a> {
    fn begin(near: &'a Near, key: &'a StoreKey<'a>) -> Self {
        let mut state = lock(&near.state);
        let slot = state.slots.entry(key.to_string()).or_default();
        slot.in_progress += 1;
        if !near.is(Flaw::ForgetsItsChanges) {
            slot.changes += 1;
        }
        let alone = (slot.in_progress == 1).then_some(slot.changes);
        drop(state);
        Self { near, key, alone, asked: Instant::now(), left: Left::Doubt }
    }

    fn wrote(mut self, entry: &Entry, options: &SetOptions, written: &Result<Written>) {
        if self.near.is(Flaw::KeepsWritten) {
            self.left = Left::AsItIs;
        } else if let Ok(written) = written {
            self.left = match written {
                Written::Yes(token) => Left::Written(entry.with_token(*token), options.ttl),
                Written::No => Left::Nothing,
            };
        }
    }

    fn did<T>(mut self, done: &Result<T>, keeps: bool) {
        if done.is_ok() {
            self.left = if keeps { Left::AsItIs } else { Left::Nothing };
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let near = self.near;
        let mut state = lock(&near.state);
        let Some(slot) = state.slots.get_mut(&self.key.to_string()) else { return };
        let is_alone = self.alone == Some(slot.changes) && slot.in_progress == 1;
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::AsItIs => {}
            Left::Doubt if near.is(Flaw::KeepsInDoubt) => {}
            Left::Written(entry, ttl) if is_alone || near.is(Flaw::LastAcknowledged) => {
                let copy = near.copy(self.key, &entry, Some(ttl), self.asked);
                slot.copy = copy.filter(|_| !near.is(Flaw::CopiesNothingWritten));
            }
            _ => slot.copy = None,
        }
        slot.in_progress -= 1;
        if !near.is(Flaw::ForgetsItsChanges) && !near.is(Flaw::CopiesMeanwhile) {
            slot.changes += 1;
        }
    }
}

impl Chaining {
    fn new(far: Arc<dyn Backend>, copies: NearCopies, clock: Clock, flaw: Option<Flaw>) -> Self {
        let copies = NearCopies { listens: copies.listens && (*far).bus().is_some(), ..copies };
        let (state, ears) = (Mutex::default(), Mutex::default());
        Self { far, near: Arc::new(Near { state, clock, copies, flaw, ears }) }
    }

    /// What is found without the store.
    fn copy(&self, key: &StoreKey<'_>, options: &GetOptions) -> Option<Entry> {
        let copy = self.near.get(key)?;
        let is_stale = !copy.is_fresh(self.near.clock.now());
        let passes =
            options.far && !self.near.is(Flaw::IgnoresFar) && !(is_stale && self.near.is(Flaw::ServesStale));
        (!passes).then_some(copy)
    }
}

#[async_trait]
impl Forward for Chaining {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.far
    }

    fn capabilities(&self) -> Capabilities {
        let ttl = self.near.copies.ttl.unwrap_or(self.near.copies.ttl_without_bus);
        let has_copies = !self.near.is(Flaw::SaysNothing);
        self.inner().capabilities().with_near_ttl(has_copies.then_some(ttl))
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        self.copy(key, &GetOptions::new()).map(Lookup::Hit)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        None
    }

    fn bus(&self) -> Option<&dyn Bus> {
        self.near.copies.listens.then_some(self)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if let Some(copy) = self.copy(key, options) {
            return Ok(Lookup::Hit(copy));
        }
        let ticket = self.near.ticket(key);
        let found = self.inner().get(key, options).await;
        self.near.promote(key, ticket, options, &found);
        found
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let near = |key| self.copy(key, options).filter(|_| !self.near.is(Flaw::AsksForAll));
        let copies: Vec<Option<Entry>> = keys.iter().map(near).collect();
        let missing: Vec<StoreKey<'_>> =
            keys.iter().zip(&copies).filter(|(_, copy)| copy.is_none()).map(|(key, _)| *key).collect();
        let tickets: Vec<_> = missing.iter().map(|key| self.near.ticket(key)).collect();
        let found =
            if missing.is_empty() { Vec::new() } else { self.inner().get_many(&missing, options).await };
        for ((key, ticket), found) in missing.iter().zip(tickets).zip(&found) {
            self.near.promote(key, ticket, options, found);
        }
        let mut found = found.into_iter();
        copies
            .into_iter()
            .filter_map(|copy| copy.map(|entry| Ok(Lookup::Hit(entry))).or_else(|| found.next()))
            .collect()
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let changing = Changing::begin(&self.near, key);
        let written = self.inner().set(key, entry, options).await;
        changing.wrote(entry, options, &written);
        written
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let changing: Vec<_> = items.iter().map(|item| Changing::begin(&self.near, &item.key)).collect();
        let written = self.inner().set_many(items).await;
        for ((changing, item), written) in changing.into_iter().zip(items).zip(&written) {
            changing.wrote(&item.entry, &item.options, written);
        }
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let changing = Changing::begin(&self.near, key);
        let touched = self.inner().touch(key, options).await;
        changing.did(&touched, self.near.is(Flaw::KeepsTouched));
        touched
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let changing: Vec<_> = items.iter().map(|item| Changing::begin(&self.near, &item.key)).collect();
        let touched = self.inner().touch_many(items).await;
        changing.into_iter().zip(&touched).for_each(|(changing, touched)| changing.did(touched, false));
        touched
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let changing = Changing::begin(&self.near, key);
        let removed = self.inner().delete(key, options).await;
        changing.did(&removed, false);
        removed
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let changing: Vec<_> = items.iter().map(|item| Changing::begin(&self.near, &item.key)).collect();
        let removed = self.inner().delete_many(items).await;
        let keeps = self.near.is(Flaw::KeepsRemoved);
        changing.into_iter().zip(&removed).for_each(|(changing, removed)| changing.did(removed, keeps));
        removed
    }
}

impl Bus for Chaining {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        let Some(bus) = self.inner().bus() else { return };
        let heeding = Arc::new(Heeding { near: Arc::downgrade(&self.near), outer: ear });
        lock(&self.near.ears).push(Arc::clone(&heeding));
        // From here on a weak one of another type.
        let heeding: Arc<dyn Ear> = heeding;
        bus.listen(namespace, Arc::downgrade(&heeding));
    }
}

/// Hears of the store behind, and hands on what it has heard when the copies have followed.
#[derive(Debug)]
struct Heeding {
    near: Weak<Near>,
    outer: Weak<dyn Ear>,
}

impl Ear for Heeding {
    fn hear(&self, notice: Notice<'_>) {
        if let Some(near) = self.near.upgrade() {
            match notice {
                Notice::Changed(_) if near.is(Flaw::Deaf) => {}
                Notice::Changed(text) => near.drop_copy(text, !near.is(Flaw::ForgetsNotices)),
                Notice::Gap if near.is(Flaw::IgnoresGaps) => {}
                Notice::Gap => {
                    let mut state = lock(&near.state);
                    state.gaps += 1;
                    state.slots.values_mut().for_each(|slot| slot.copy = None);
                }
                Notice::Alive(moment) => lock(&near.state).alive = Some(moment),
                _ => {}
            }
        }
        if let Some(outer) = self.outer.upgrade() {
            outer.hear(notice);
        }
    }
}
