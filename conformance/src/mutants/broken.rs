//! Stores of live entries that are wrong in one way.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Key, Miss, Result, Ttl,
    backend::{
        Capabilities, Condition, Counters, DeleteItem, DeleteOptions, GetOptions, Invalidation, Lookup,
        SetItem, SetOptions, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::{Lifetime, Meta, Token},
    error::Operation,
    key::{Namespace, OwnedStoreKey, StoreKey},
};

use super::{Mutant, lock};
use crate::{reference::ReferenceBackend, store::Store, value::Value};

/// Names a flaw, the case that catches it, and what makes a store of it.
macro_rules! mutants {
    ($($flaw:ident $name:literal => $caught_by:literal;)*) => {
        /// The one way in which a store is wrong, or none.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { None, $($flaw),* }

        pub(super) const MUTANTS: &[Mutant] = &[$(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |clock| Store::new(Broken::new(clock, Flaw::$flaw)),
                healthy: |clock| Store::new(Broken::new(clock, Flaw::$flaw).healed()),
            },
        )*];
    };
}

mutants! {
    MissesAlways "never finds anything" => "reading::set_then_get";
    NullIsAMiss "takes a stored null for a miss" => "reading::a_stored_null_is_a_hit";
    ReadingRemoves "removes what it reads" => "reading::every_read_agrees";
    ReadingExtends "extends a life by reading" => "ttl::reading_does_not_extend_a_life";
    ServesExpired "serves expired entries" => "ttl::an_entry_ends_with_its_life";
    GetNowMisses "says now that there is nothing, and later that there is" => "reading::every_read_agrees";
    AnswersWithTheLast "answers with the value it read last" => "reading::keys_do_not_mix";
    IgnoresTtl "keeps everything for ever" => "ttl::the_default_life_ends";
    TruncatesTtl "cuts lives down to whole seconds" => "ttl::less_than_a_second_is_not_nothing";
    KeepsOldLife "keeps the old life when overwriting" => "ttl::an_overwrite_lengthens_the_life";
    KeepsOldValue "keeps the old value when overwriting" => "writing::an_overwrite_replaces_the_value";
    SetIsFalse "denies having written" => "conditional::add_on_a_free_key_stores";
    ThirtyDays "takes more than thirty days for a date" => "ttl::thirty_days_and_more_are_relative";
    NeverIsAnHour "takes never for an hour" => "ttl::never_is_never";
    LosesUserMeta "loses metadata" => "writing::user_metadata_travels_with_the_value";
    CutsUserMeta "cuts metadata off at 8 KiB" => "limits::as_much_as_is_allowed_comes_back";
    KeepsOldUserMeta "keeps the old metadata when overwriting" => "writing::an_overwrite_drops_metadata";
    DropsLarge "drops large values and says they are stored" => "values::around_a_mebibyte_nothing_is_dropped";
    AddOverwrites "overwrites when adding" => "conditional::add_on_a_taken_key_changes_nothing";
    AddRaces "adds in two steps" => "conditional::of_many_adds_one_succeeds";
    AddStoresNothing "says it added and did not" => "conditional::add_on_a_free_key_stores";
    AddTouches "gives an existing entry a new life when adding" => "conditional::add_keeps_a_shorter_life";
    AddMindsExpired "refuses to add over an expired entry" => "conditional::the_store_adds_after_the_end_of_a_life";
    PresentCreates "replaces what is not there" => "conditional::present_on_a_missing_key_writes_nothing";
    AnyToken "takes any token for the right one" => "conditional::a_stale_token_writes_nothing";
    UnchangedCreates "compares with nothing and succeeds" => "conditional::a_token_of_a_deleted_key_writes_nothing";
    OneToken "gives every state the same token" => "conditional::an_equal_value_is_another_state";
    ClaimsCompareAndSet "claims compare-and-set and has none" => "conditional::the_current_token_writes";
    DeleteIsFalse "denies having removed" => "writing::delete_tells_whether_there_was_one";
    DeleteIsTrue "says it removed what was not there" => "writing::the_store_tells_whether_there_was_one";
    DeleteKeeps "says it removed and did not" => "writing::delete_removes";
    DeletesNeighbours "removes the neighbour, too" => "writing::delete_removes_nothing_else";
    LeavesTombstones "accepts nothing after a delete" => "writing::delete_leaves_no_tombstone";
    ExpiredCounts "counts an expired entry as removed" => "ttl::the_store_ends_lives_itself";
    TouchIsTrue "says it touched what was not there" => "ttl::the_store_touches_live_entries_only";
    TouchDoesNothing "says it touched and did not" => "ttl::touch_lengthens_a_life";
    TouchRevives "revives the dead by touching" => "ttl::the_store_ends_lives_itself";
    TouchForgetsNever "cannot touch for ever" => "ttl::touch_makes_a_life_endless";
    SwapsReplies "swaps two replies of a bulk read" => "bulk::get_many_answers_in_order";
    DropsReplies "leaves misses out of a bulk read" => "bulk::get_many_tells_misses_apart";
    FirstHundred "reads only the first hundred keys of many" => "bulk::ten_thousand_keys_are_read";
    SetManyFirst "writes only the first of many" => "bulk::set_many_stores_all";
    SetManyForever "ignores the life of a bulk write" => "bulk::each_of_many_writes_has_its_own_life";
    DeleteManyIsTrue "says it removed all of many" => "bulk::the_store_removes_each";
    DeleteManyFirst "removes only the first of many" => "bulk::delete_many_tells_for_each";
    IgnoresCase "takes upper case for lower case" => "keys::case_matters";
    CutsKeys "cuts keys off at 64 bytes" => "keys::long_keys_that_differ_late_are_two";
    IgnoresNamespaces "knows no namespaces" => "namespaces::one_key_in_two_namespaces_is_two";
    ForgetsClears "says it cleared and did not" => "namespaces::a_clear_is_not_forgotten";
    ForgetsInvalidations "forgets what was invalidated" => "tags::an_old_invalidation_is_not_forgotten";
    ClearFlushes "empties the whole store to clear a namespace" => "namespaces::clear_leaves_what_is_above";
    ClearByPrefix "clears namespaces that begin alike" => "namespaces::clear_leaves_siblings";
    ReportsErrorsAsMisses "answers a miss when it should fail" => "lifecycle::after_close_every_operation_fails";
    WorksAfterClose "works on after it was closed" => "lifecycle::after_close_the_store_fails";
    ClosesOnce "cannot be closed twice" => "lifecycle::close_succeeds_twice";
    KeepsDeadLoads "brings back what was deleted, a moment later" => "writing::delete_removes";
}

struct Broken {
    store: ReferenceBackend,
    clock: Clock,
    flaw: Flaw,
    /// Whether the versions of namespaces and tags are kept in the store, where a flaw can reach them.
    keeps_versions: bool,
    last: Mutex<Option<Entry>>,
    removed: Mutex<Option<(OwnedStoreKey, Entry)>>,
    closed: AtomicBool,
    reads: AtomicU64,
}

impl Broken {
    fn new(clock: Clock, flaw: Flaw) -> Self {
        Self {
            store: ReferenceBackend::new(clock.clone()),
            clock,
            flaw,
            keeps_versions: matches!(
                flaw,
                Flaw::ClearFlushes | Flaw::ClearByPrefix | Flaw::ForgetsClears | Flaw::ForgetsInvalidations
            ),
            last: Mutex::default(),
            removed: Mutex::default(),
            closed: AtomicBool::new(false),
            reads: AtomicU64::new(0),
        }
    }

    /// The same store without its flaw.
    fn healed(self) -> Self {
        Self { flaw: Flaw::None, ..self }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// The key as this store understands it.
    fn bend<R>(&self, key: &StoreKey<'_>, with: impl FnOnce(&StoreKey<'_>) -> R) -> R {
        let text = key.key().text();
        let bent = match self.flaw {
            Flaw::IgnoresCase => text.to_ascii_lowercase(),
            Flaw::CutsKeys => text.chars().take(64).collect(),
            Flaw::IgnoresNamespaces => {
                let Ok(one) = Namespace::new("one", 0) else { return with(key) };
                return with(&StoreKey::new(&one, key.key()));
            }
            _ => return with(key),
        };
        with(&StoreKey::new(key.namespace(), &Key::new(bent)))
    }

    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method itself is of one lifetime only")]
    fn owned(&self, key: &StoreKey<'_>) -> OwnedStoreKey {
        self.bend(key, |key| key.into_owned())
    }

    fn read(&self, key: &StoreKey<'_>) -> Lookup {
        let found = self.bend(key, |key| match self.flaw {
            // The entry as it lies there, whatever its life.
            Flaw::ServesExpired => match self.store.entries().get(&key.into_owned()) {
                Some(entry) => Lookup::Hit(entry.with_lifetime(Lifetime::until(Timestamp::NEVER))),
                None => Lookup::Miss(Miss::Absent),
            },
            _ => self.store.look_up(key),
        });
        let Lookup::Hit(entry) = found else { return found };
        match self.flaw {
            Flaw::MissesAlways => Lookup::Miss(Miss::Absent),
            Flaw::NullIsAMiss if is_null(&entry) => Lookup::Miss(Miss::Absent),
            Flaw::ReadingRemoves => {
                self.store.entries().remove(&key.into_owned());
                Lookup::Hit(entry)
            }
            Flaw::ReadingExtends => {
                let lifetime = entry.meta().lifetime;
                let life = lifetime.expires.since(entry.meta().created);
                let longer = entry.with_lifetime(Lifetime::until(self.clock.now().plus(life)));
                self.store.entries().insert(key.into_owned(), longer.clone());
                Lookup::Hit(longer)
            }
            Flaw::AnswersWithTheLast => {
                let mut last = lock(&self.last);
                Lookup::Hit(last.get_or_insert(entry).clone())
            }
            Flaw::OneToken => Lookup::Hit(entry.with_token(Token(1))),
            _ => Lookup::Hit(entry),
        }
    }

    fn entry_as_written(&self, key: &StoreKey<'_>, entry: &Entry) -> Entry {
        let old = self.store.entries().get(&key.into_owned()).cloned();
        let meta = entry.meta();
        let life = meta.lifetime.expires.since(self.clock.now());
        let until = |at| entry.with_lifetime(Lifetime::until(at));
        let now = self.clock.now();
        match (self.flaw, old) {
            (Flaw::IgnoresTtl, _) => until(Timestamp::NEVER),
            (Flaw::TruncatesTtl, _) if meta.lifetime.expires != Timestamp::NEVER => {
                until(now.plus(Duration::from_secs(life.as_secs())))
            }
            (Flaw::KeepsOldLife, Some(old)) => entry.with_lifetime(old.meta().lifetime),
            (Flaw::KeepsOldValue, Some(old)) => old,
            (Flaw::ThirtyDays, _)
                if meta.lifetime.expires != Timestamp::NEVER && life.as_secs() > 2_592_000 =>
            {
                until(now)
            }
            (Flaw::NeverIsAnHour, _) if meta.lifetime.expires == Timestamp::NEVER => {
                until(now.plus(Duration::from_hours(1)))
            }
            (Flaw::LosesUserMeta, _) => with_meta(entry, meta.clone().with_user([].into())),
            (Flaw::CutsUserMeta, _) => {
                let cut = |(name, data): &(Arc<str>, bytes::Bytes)| {
                    (Arc::clone(name), data.slice(..data.len().min(8192)))
                };
                with_meta(entry, meta.clone().with_user(meta.all_user().iter().map(cut).collect()))
            }
            (Flaw::KeepsOldUserMeta, Some(old)) => {
                with_meta(entry, meta.clone().with_user(old.meta().all_user().into()))
            }
            _ => entry.clone(),
        }
    }

    /// Whether a write of this entry is passed on at all; what is answered otherwise.
    fn intercept(&self, key: &StoreKey<'_>, entry: &Entry, condition: Condition) -> Option<bool> {
        let there = self.store.entries().contains_key(&key.into_owned());
        match (self.flaw, condition) {
            (Flaw::DropsLarge, _) if entry.weight() > 500_000 => Some(true),
            (Flaw::AddStoresNothing, Condition::Absent) if !there => Some(true),
            (Flaw::AddMindsExpired, Condition::Absent) if there => Some(false),
            (Flaw::ForgetsInvalidations, Condition::Always)
                if there && key.namespace().text().ends_with("!v") =>
            {
                Some(true)
            }
            (Flaw::ForgetsClears, _) if there && key.key().text() == "generation" => Some(true),
            (Flaw::LeavesTombstones, _) => {
                let removed = lock(&self.removed);
                removed.as_ref().is_some_and(|(dead, _)| key.matches(dead)).then_some(true)
            }
            _ => None,
        }
    }
}

/// The same value with other metadata. The mutants are the only ones who would want that.
pub(super) fn with_meta(entry: &Entry, meta: Meta) -> Entry {
    match (entry.live_object(), entry.encoded()) {
        (Some(live), _) => match live.downcast_ref::<Value>() {
            Some(value) => Entry::of(value.clone(), Arc::new(NoEncoder), meta),
            None => entry.with_meta(meta),
        },
        (None, Some(body)) => Entry::from_body(body.clone(), meta),
        (None, None) => entry.clone(),
    }
}

struct NoEncoder;

impl larder_core::entry::Encode for NoEncoder {
    fn serialize(&self, _: &larder_core::entry::Live) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::Encode, Operation::Encode, "a mutant has no encoder"))
    }

    fn compress(&self, raw: Vec<u8>) -> larder_core::entry::Body {
        larder_core::entry::Body::raw(raw.into(), 0)
    }

    fn compresses(&self, _: usize) -> bool {
        false
    }

    fn weigh(&self, _: &larder_core::entry::Live) -> u64 {
        0
    }
}

fn is_null(entry: &Entry) -> bool {
    entry
        .live_object()
        .and_then(|live| live.downcast_ref::<Value>())
        .is_some_and(|value| *value == Value::Null)
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        if self.keeps_versions {
            return Capabilities::shared().with_ttl_resolution(Duration::from_millis(1));
        }
        self.store.capabilities()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        match self.flaw {
            Flaw::GetNowMisses => Some(Lookup::Miss(Miss::Absent)),
            // A cache asks for many one by one where it is answered at once.
            Flaw::SwapsReplies | Flaw::DropsReplies | Flaw::FirstHundred => None,
            // Its second answer is another than its first.
            Flaw::KeepsDeadLoads => {
                if self.reads.fetch_add(1, SeqCst) > 0
                    && let Some((key, entry)) = lock(&self.removed).take()
                {
                    self.store.entries().insert(key, entry);
                }
                Some(self.read(key))
            }
            Flaw::ReportsErrorsAsMisses if self.closed.load(SeqCst) => Some(Lookup::Miss(Miss::Absent)),
            _ => self.store.open(Operation::Get).is_ok().then(|| self.read(key)),
        }
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.store.open(Operation::Get)?;
        Ok(self.read(key))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.store.open(Operation::Set)?;
        if let Some(answer) = self.intercept(key, entry, options.condition) {
            return Ok(Written::when(answer, entry));
        }
        let space = key.namespace().text();
        if let Some(cleared) = space.strip_suffix("!v").filter(|_| key.key().text() == "generation") {
            match self.flaw {
                Flaw::ClearFlushes => self.store.entries().clear(),
                Flaw::ClearByPrefix => self.store.entries().retain(|key, _| !key.text().starts_with(cleared)),
                _ => {}
            }
        }
        let mut options = *options;
        match (self.flaw, options.condition) {
            (Flaw::AddOverwrites, Condition::Absent)
            | (Flaw::PresentCreates, Condition::Present)
            | (Flaw::AnyToken, Condition::Unchanged(_)) => options.condition = Condition::Always,
            (Flaw::UnchangedCreates, Condition::Unchanged(_))
                if !self.store.entries().contains_key(&key.into_owned()) =>
            {
                options.condition = Condition::Always;
            }
            (Flaw::OneToken, Condition::Unchanged(_)) => {
                options.condition = Condition::Present;
            }
            (Flaw::ClaimsCompareAndSet, Condition::Unchanged(_)) => {
                return Err(Error::new(ErrorKind::Unsupported, Operation::Set, "no compare-and-set"));
            }
            (Flaw::AddTouches, Condition::Absent) => {
                let longer = Lifetime::until(Timestamp::NEVER);
                self.bend(key, |key| {
                    if let Some(old) = self.store.entries().get_mut(&key.into_owned()) {
                        *old = old.with_lifetime(longer);
                    }
                });
            }
            (Flaw::AddRaces, Condition::Absent) => {
                let free = matches!(self.store.look_up(key), Lookup::Miss(_));
                tokio::task::yield_now().await;
                if !free {
                    return Ok(Written::No);
                }
                options.condition = Condition::Always;
            }
            _ => {}
        }
        let kept = self.store.kept(&self.bend(key, |key| self.entry_as_written(key, entry)));
        let (owned, now) = (self.owned(key), self.clock.now());
        let mut entries = self.store.entries();
        if !options.condition.holds(entries.get(&owned).filter(|current| current.is_live(now))) {
            return Ok(Written::No);
        }
        let token = kept.token();
        entries.insert(owned, kept);
        Ok(if self.is(Flaw::SetIsFalse) { Written::No } else { Written::Yes(token) })
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let owned = key.into_owned();
        match self.flaw {
            Flaw::TouchIsTrue => {
                self.store.touch(key, options).await?;
                Ok(true)
            }
            Flaw::TouchDoesNothing => Ok(self.store.entries().contains_key(&owned)),
            Flaw::TouchRevives => {
                let mut entries = self.store.entries();
                let Some(entry) = entries.get_mut(&owned) else { return Ok(false) };
                *entry = entry.with_lifetime(options.lifetime);
                Ok(true)
            }
            Flaw::TouchForgetsNever if options.ttl == Ttl::Never => {
                Ok(self.store.entries().contains_key(&owned))
            }
            _ => self.store.touch(key, options).await,
        }
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.store.open(Operation::Delete)?;
        let owned = self.owned(key);
        if self.is(Flaw::DeleteKeeps) {
            return Ok(self.store.entries().contains_key(&owned));
        }
        if options.condition != Condition::Always {
            return self.store.delete(key, options).await;
        }
        if self.is(Flaw::DeletesNeighbours) {
            let text = owned.text().to_owned();
            self.store.entries().retain(|other, _| other.text() == text || !other.text().starts_with(&text));
        }
        let removed = self.store.entries().remove(&owned);
        let now = self.clock.now();
        let live = removed.as_ref().is_some_and(|entry| entry.is_live(now) || self.is(Flaw::ExpiredCounts));
        if let Some(entry) = removed {
            *lock(&self.removed) = Some((owned, entry));
            self.reads.store(0, SeqCst);
        }
        Ok(match self.flaw {
            Flaw::DeleteIsFalse => false,
            Flaw::DeleteIsTrue => true,
            _ => live,
        })
    }

    async fn close(&self) -> Result<()> {
        match self.flaw {
            Flaw::WorksAfterClose => Ok(()),
            Flaw::ReportsErrorsAsMisses => {
                self.closed.store(true, SeqCst);
                self.store.close().await
            }
            Flaw::ClosesOnce if self.closed.swap(true, SeqCst) => {
                Err(Error::new(ErrorKind::Closed, Operation::Close, "closed already"))
            }
            _ => self.store.close().await,
        }
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let mut found = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let lookup = self.get(key, options).await;
            match self.flaw {
                Flaw::DropsReplies if matches!(lookup, Ok(Lookup::Miss(_))) => {}
                Flaw::FirstHundred if place >= 100 => found.push(Ok(Lookup::Miss(Miss::Absent))),
                _ => found.push(lookup),
            }
        }
        if self.is(Flaw::SwapsReplies) && found.len() > 1 {
            found.swap(0, 1);
        }
        found
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            written.push(match self.flaw {
                Flaw::SetManyFirst if place > 0 => Ok(Written::when(true, &item.entry)),
                Flaw::SetManyForever => {
                    let entry = item.entry.with_lifetime(Lifetime::until(Timestamp::NEVER));
                    self.set(&item.key, &entry, &SetOptions::new(Ttl::Never)).await
                }
                _ => self.set(&item.key, &item.entry, &item.options).await,
            });
        }
        written
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(items.len());
        for (place, DeleteItem { key, options, .. }) in items.iter().enumerate() {
            removed.push(match self.flaw {
                Flaw::DeleteManyFirst if place > 0 => Ok(true),
                Flaw::DeleteManyIsTrue => self.delete(key, options).await.map(|_| true),
                _ => self.delete(key, options).await,
            });
        }
        removed
    }

    fn invalidation(&self) -> Invalidation<'_> {
        if self.keeps_versions { Invalidation::There } else { self.store.invalidation() }
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.store.counters()
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broken({:?})", self.flaw)
    }
}
