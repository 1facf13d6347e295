//! The store that the flaws are in: a map, and connections to it that may be those of other processes.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Key, Miss, Result,
    backend::{
        Capabilities, Condition, Counters, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem,
        SetOptions, TouchItem, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::{Kind, Lifetime, Token},
    error::Operation,
    key::{MAX_KEY, OwnedStoreKey, StoreKey},
};

use super::{super::lock, Flaw, as_written, bent};
use crate::reference::ReferenceBackend;

/// A connection.
#[derive(Clone)]
pub(super) struct Twisted {
    map: Arc<ReferenceBackend>,
    more: Arc<More>,
    clock: Clock,
    flaw: Option<Flaw>,
    is_peer: bool,
    closed: Arc<AtomicBool>,
}

/// What the flaws need to remember.
#[derive(Default)]
struct More {
    /// Keys that were removed in bulk.
    tombstones: Mutex<HashSet<OwnedStoreKey>>,
    /// The last token of each key that was removed.
    tokens: Mutex<HashMap<OwnedStoreKey, Token>>,
    /// What was read in bulk.
    read: Mutex<HashMap<OwnedStoreKey, Lookup>>,
    /// The greatest time that was seen.
    latest: AtomicU64,
}

impl Twisted {
    pub(super) fn new(clock: Clock, flaw: Option<Flaw>) -> Self {
        let map = Arc::new(ReferenceBackend::new(clock.clone()));
        Self { map, more: Arc::default(), clock, flaw, is_peer: false, closed: Arc::default() }
    }

    /// Another process's connection.
    pub(super) fn peer(&self, clock: Clock) -> Self {
        match self.flaw {
            Some(Flaw::PeerIsAnother) => Self::new(clock, self.flaw),
            Some(Flaw::PeerIsTheStore) => self.clone(),
            _ => Self { is_peer: true, closed: Arc::default(), ..self.clone() },
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn open(&self, operation: Operation) -> Result<()> {
        if self.closed.load(SeqCst) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    /// Whether the clock stands before a time that it has shown already.
    fn is_set_back(&self) -> bool {
        let now = self.clock.now().as_millis();
        self.more.latest.fetch_max(now, SeqCst) > now
    }

    fn owned(&self, key: &StoreKey<'_>) -> OwnedStoreKey {
        let text = key.key().text();
        if self.is(Flaw::CutsTheLongest) && text.len() == MAX_KEY {
            return StoreKey::new(key.namespace(), &Key::new(&text[..MAX_KEY - 1])).into_owned();
        }
        key.into_owned()
    }

    fn read(&self, key: &StoreKey<'_>, bulk: bool) -> Lookup {
        let now = self.clock.now();
        let set_back = self.is_set_back();
        let Some(entry) = self.map.entries().get(&self.owned(key)).cloned() else {
            return Lookup::Miss(Miss::Absent);
        };
        let hidden = match self.flaw {
            Some(Flaw::BulkHidesStale) => bulk && !entry.is_fresh(now),
            Some(Flaw::EmptyIsAMiss) => {
                entry.encoded().is_some_and(|body| body.bytes.is_empty()) && !entry.is_lease()
            }
            Some(Flaw::SetBackLosesAll) => set_back,
            Some(Flaw::TheFutureIsAMiss) => entry.meta().created > now,
            _ => false,
        };
        if hidden {
            return Lookup::Miss(Miss::Absent);
        }
        let counts_as_live = entry.is_live(now) || bulk && self.is(Flaw::BulkReadsTheExpired);
        if !counts_as_live {
            return Lookup::Miss(Miss::Expired);
        }
        if self.is_peer && self.is(Flaw::PeersHaveOtherTokens) {
            return Lookup::Hit(entry.with_token(Token(!entry.token().0)));
        }
        Lookup::Hit(entry)
    }

    fn write(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions, bulk: bool) -> Written {
        let (owned, now) = (self.owned(key), self.clock.now());
        let set_back = self.is_set_back();
        let mut entries = self.map.entries();
        let there = entries.get(&owned).cloned();
        let mut condition = bent(self.flaw, there.as_ref(), options.condition, bulk);
        if self.is_peer
            && self.is(Flaw::PeersHaveOtherTokens)
            && let Condition::Unchanged(token) = condition
        {
            condition = Condition::Unchanged(Token(!token.0));
        }
        let live = there.as_ref().filter(|entry| entry.is_live(now));
        let live = match self.flaw {
            Some(Flaw::StaleIsAbsent) if condition == Condition::Absent => {
                live.filter(|entry| entry.is_fresh(now))
            }
            _ => live,
        };
        let refused = !condition.holds(live)
            || self.is(Flaw::BulkDeleteLeavesTombstones)
                && condition == Condition::Absent
                && lock(&self.more.tombstones).contains(&owned);
        if refused {
            if self.is(Flaw::RefusedCompareTouches)
                && matches!(condition, Condition::Unchanged(_))
                && let Some(entry) = entries.get_mut(&owned)
            {
                *entry = entry.with_lifetime(Lifetime::until(Timestamp::NEVER));
            }
            return Written::No;
        }
        let mut kept = as_written(self.flaw, live, entry, options, bulk).known_by_revision();
        if self.is(Flaw::TokensComeBack)
            && let Some(token) = lock(&self.more.tokens).get(&owned)
        {
            kept = kept.with_token(*token);
        }
        let token = kept.token();
        let lost = set_back && self.is(Flaw::SetBackRefuses)
            || bulk && live.is_some() && self.is(Flaw::BulkOverwritesAreLost)
            || self.is_peer && bulk && live.is_some() && self.is(Flaw::ReplacesOverNothing);
        if !lost {
            entries.insert(owned, kept);
        }
        Written::Yes(token)
    }

    fn touch_one(&self, key: &StoreKey<'_>, options: &TouchOptions, bulk: bool) -> bool {
        let (owned, now) = (self.owned(key), self.clock.now());
        let mut entries = self.map.entries();
        let Some(entry) = entries.get_mut(&owned) else { return false };
        let condition = bent(self.flaw, Some(entry), options.condition, bulk);
        let revives = bulk && self.is(Flaw::BulkTouchRevives)
            || condition != options.condition && condition == Condition::Always;
        if !entry.is_live(now) && !revives || !condition.holds(Some(entry)) {
            return false;
        }
        if entry.kind() == Kind::Lease && self.is(Flaw::LeasesAreNotTouched) {
            return false;
        }
        if self.is_peer && self.is(Flaw::PeersTouchesAreLost) {
            return true;
        }
        let mut lifetime = options.lifetime;
        let meta = entry.meta().clone();
        let mut touched = entry.clone();
        match self.flaw {
            Some(Flaw::TouchForgetsStale) if !bulk => lifetime = Lifetime::until(lifetime.expires),
            Some(Flaw::BulkTouchForgetsStale) if bulk => lifetime = Lifetime::until(lifetime.expires),
            Some(Flaw::TouchLosesUser) if !bulk => touched = entry.with_meta(meta.with_user([].into())),
            Some(Flaw::BulkTouchLosesStamps) if bulk => {
                touched = entry.with_meta(meta.with_stamps(Vec::new().into()));
            }
            Some(Flaw::TouchByTokenMakesYounger) if matches!(condition, Condition::Unchanged(_)) => {
                touched = entry.with_meta(meta.with_created(now));
            }
            Some(Flaw::BulkTouchOf32Bits) if bulk && lifetime.expires != Timestamp::NEVER => {
                let left = lifetime.expires.since(now).as_millis() & 0xffff_ffff;
                let left = std::time::Duration::from_millis(u64::try_from(left).unwrap_or(0));
                lifetime = Lifetime::until(now.plus(left));
            }
            Some(Flaw::MillisecondIsForEver) if options.lifetime.expires.since(now).as_millis() < 10 => {
                lifetime = Lifetime::until(Timestamp::NEVER);
            }
            _ => {}
        }
        *entry = touched.with_lifetime(lifetime);
        true
    }

    fn delete_one(&self, key: &StoreKey<'_>, options: &DeleteOptions, bulk: bool) -> bool {
        let (owned, now) = (self.owned(key), self.clock.now());
        let mut entries = self.map.entries();
        let Some(entry) = entries.get_mut(&owned) else { return false };
        let mut condition = bent(self.flaw, Some(entry), options.condition, bulk);
        if self.is_peer
            && self.is(Flaw::PeersHaveOtherTokens)
            && let Condition::Unchanged(token) = condition
        {
            condition = Condition::Unchanged(Token(!token.0));
        }
        let is_live = entry.is_live(now);
        if condition != Condition::Always && !condition.holds(is_live.then_some(&*entry)) {
            if self.is(Flaw::RefusedDeleteShortens) {
                let sooner = Timestamp::from_millis(entry.meta().lifetime.expires.as_millis() - 1);
                *entry = entry.with_lifetime(Lifetime::new(entry.meta().lifetime.fresh_until, sooner));
            }
            return false;
        }
        let was_stale = is_live && !entry.is_fresh(now);
        lock(&self.more.tokens).insert(owned.clone(), entry.token());
        if bulk {
            lock(&self.more.tombstones).insert(owned.clone());
        }
        entries.remove(&owned);
        match self.flaw {
            Some(Flaw::StaleIsNotRemoved) if was_stale => false,
            Some(Flaw::BulkDeletesTheExpired) if bulk => true,
            _ => is_live,
        }
    }
}

#[async_trait]
impl Backend for Twisted {
    fn capabilities(&self) -> Capabilities {
        Capabilities::shared()
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.open(Operation::Get)?;
        Ok(self.read(key, false))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.open(Operation::Set)?;
        Ok(self.write(key, entry, options, false))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.open(Operation::Touch)?;
        Ok(self.touch_one(key, options, false))
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.open(Operation::Delete)?;
        Ok(self.delete_one(key, options, false))
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        let one = |key: &StoreKey<'_>| {
            self.open(Operation::Get)?;
            if !self.is(Flaw::RemembersBulkReads) {
                return Ok(self.read(key, true));
            }
            let mut read = lock(&self.more.read);
            Ok(read.entry(key.into_owned()).or_insert_with(|| self.read(key, true)).clone())
        };
        keys.iter().map(one).collect()
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let one = |item: &SetItem<'_>| {
            self.open(Operation::Set)?;
            Ok(self.write(&item.key, &item.entry, &item.options, true))
        };
        items.iter().map(one).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let one = |item: &TouchItem<'_>| {
            self.open(Operation::Touch)?;
            Ok(self.touch_one(&item.key, &item.options, true))
        };
        items.iter().map(one).collect()
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let one = |item: &DeleteItem<'_>| {
            self.open(Operation::Delete)?;
            Ok(self.delete_one(&item.key, &item.options, true))
        };
        items.iter().map(one).collect()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, SeqCst);
        Ok(())
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.map.counters()
    }
}

impl fmt::Debug for Twisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twisted({:?})", self.flaw)
    }
}
