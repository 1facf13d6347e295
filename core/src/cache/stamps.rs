//! Tags and clears: what an entry was written under, and whether that still holds.
//!
//! An entry carries the version that each level of its namespace and each of its tags had when its value began
//! to be made. Invalidating changes a version. Where only this process sees the entries, the versions are in
//! memory, beside them ([`Versions`]); on a shared store each is a small entry of its own, under
//! `namespace!v:…`, read in one round trip for all who wait, and remembered for a bounded time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    backend::{Backend, Condition, Lookup, SetOptions},
    clock::Timestamp,
    entry::{Body, Entry, Lifetime, Meta, Scope, Stamp},
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, Namespace, OwnedStoreKey, StoreKey},
    random,
    ttl::Ttl,
    versions::Versions,
};

/// How many versions of a shared store are remembered; beyond it all are asked for again.
const MAX_REMEMBERED: usize = 65_536;
/// The least life of a version in a shared store. It is renewed while entries are written that outlive it;
/// a version that is lost kills the entries written under it, and brings none back.
const MIN_VERSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The most tags that one entry can have.
pub(super) const MAX_TAGS: usize = 64;
/// The longest tag, in bytes.
pub(super) const MAX_TAG_LEN: usize = 255;

/// The versions that a cache's entries are written under.
#[derive(Debug)]
pub(super) struct Stamps {
    levels: Vec<Namespace>,
    generation: Key,
    lag: Duration,
    near: Mutex<Near>,
    /// Held while versions are read from a shared store, so that all who wait leave in the next round trip.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Near {
    known: HashMap<Scope, Known>,
    wanted: Vec<Scope>,
    /// When a shared store was last asked and failed, and how.
    failed: Option<(Instant, Error)>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None`: the store has none.
    version: Option<u64>,
    /// Until when the store keeps it.
    expires: Timestamp,
    /// When the question was sent, or when a version of our own had been written.
    asked: Instant,
}

impl Known {
    fn just_written(version: u64, expires: Timestamp) -> Self {
        Self { version: Some(version), expires, asked: Instant::now() }
    }
}

impl Stamps {
    pub(super) fn new(namespace: &Namespace, lag: Duration) -> Self {
        let levels = (0..namespace.depth()).map(|level| namespace.bookkeeping(level)).collect();
        Self {
            levels,
            generation: Key::new("generation"),
            lag,
            near: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Checks tags from the caller.
    pub(super) fn tag_scopes(tags: &[Arc<str>], operation: Operation) -> Result<Vec<Scope>> {
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidKey, operation, why));
        let mut scopes: Vec<Scope> = Vec::with_capacity(tags.len());
        for tag in tags {
            if tag.is_empty() || tag.len() > MAX_TAG_LEN {
                return refuse(format!("a tag has {} bytes; 1 to {MAX_TAG_LEN} are allowed", tag.len()));
            }
            let scope = Scope::Tag(Arc::clone(tag));
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        if scopes.len() > MAX_TAGS {
            return refuse(format!("{} tags; at most {MAX_TAGS} are allowed", scopes.len()));
        }
        Ok(scopes)
    }

    /// Whether an entry on an in-process store still stands. This is the hot path: one load and a comparison,
    /// unless something was invalidated since the entry was last read.
    #[inline]
    pub(super) fn stand_here(&self, versions: &Versions, entry: &Entry) -> bool {
        let epoch = versions.epoch();
        entry.validated() == epoch || self.stand_here_slowly(versions, entry, epoch)
    }

    #[cold]
    fn stand_here_slowly(&self, versions: &Versions, entry: &Entry, epoch: u64) -> bool {
        let stamps = &entry.meta().stamps;
        let stands = self.has_all_levels(stamps)
            && stamps.iter().all(|stamp| self.version_here(versions, &stamp.scope) == Some(stamp.version));
        if stands {
            entry.set_validated(epoch);
        }
        stands
    }

    fn version_here(&self, versions: &Versions, scope: &Scope) -> Option<u64> {
        let (key, is_namespace) = self.record(scope)?;
        Some(versions.get(&key, is_namespace))
    }

    /// Whether an entry on a shared store still stands. `since` is when the read of the entry began.
    pub(super) async fn stand_there(
        &self,
        store: &dyn Backend,
        entry: &Entry,
        since: Instant,
    ) -> Result<bool> {
        let stamps = &entry.meta().stamps;
        if !self.has_all_levels(stamps) {
            return Ok(false);
        }
        let scopes: Vec<Scope> = stamps.iter().map(|stamp| stamp.scope.clone()).collect();
        let known = self.known(store, &scopes, since).await?;
        Ok(stamps.iter().zip(known).all(|(stamp, known)| known.version == Some(stamp.version)))
    }

    /// Asks for the namespace's versions if they are not known well enough, so that they come in the same
    /// round trip as an entry that is read at the same time.
    pub(super) async fn prepare(&self, store: &dyn Backend, since: Instant) {
        // A failure shows again when the entry is checked.
        let _ = self.known(store, &self.level_scopes(), since).await;
    }

    /// Whether the namespace's versions are known well enough for a read that begins now.
    pub(super) fn is_prepared(&self, since: Instant) -> bool {
        let near = self.near();
        (0..self.levels.len()).all(|level| {
            near.known.get(&level_scope(level)).is_some_and(|known| known.asked + self.lag >= since)
        })
    }

    /// The stamps for an entry whose value begins to be made now.
    pub(super) async fn current(
        &self,
        store: &dyn Backend,
        now: Timestamp,
        tags: &[Scope],
        ttl: Ttl,
    ) -> Result<Arc<[Stamp]>> {
        let mut scopes = self.level_scopes();
        scopes.extend_from_slice(tags);
        Ok(self.versions_of(store, now, scopes, ttl, Instant::now()).await?.into())
    }

    /// Has the next question to a shared store ask for what [`mark`](Self::mark) needs, too.
    pub(super) fn will_mark(&self) {
        let mut near = self.near();
        if !near.wanted.contains(&any_tag()) {
            near.wanted.push(any_tag());
        }
    }

    /// A mark in the invalidations of tags, for [`decided`](Self::decided). Taken before a loader begins that may name tags
    /// itself.
    pub(super) async fn mark(&self, store: &dyn Backend, now: Timestamp, ttl: Ttl) -> Result<u64> {
        if let Some(versions) = store.versions() {
            return Ok(versions.mark());
        }
        // One that is remembered may be older than now: then more counts as invalidated since, and nothing less.
        let any = self.versions_of(store, now, vec![any_tag()], ttl, Instant::now()).await?;
        Ok(any.first().map_or(0, |stamp| stamp.version))
    }

    /// The stamps of tags that a loader has named, as of the time of the mark; `None` if a tag was invalidated since.
    ///
    /// On a shared store: who invalidates gives a new version to [`any_tag`] first, then to the tag. Here the
    /// tags are read first, then that. If it is unchanged, whatever is invalidated later changes a version that was
    /// read here; and whatever was invalidated earlier was so before the loader began.
    pub(super) async fn decided(
        &self,
        store: &dyn Backend,
        now: Timestamp,
        tags: Vec<Scope>,
        ttl: Ttl,
        mark: u64,
    ) -> Result<Option<Vec<Stamp>>> {
        if store.versions().is_some() {
            let stamps = self.versions_of(store, now, tags, ttl, Instant::now()).await?;
            let overtaken = stamps.iter().any(|stamp| Versions::is_since(stamp.version, mark));
            return Ok((!overtaken).then_some(stamps));
        }
        // Nothing that is remembered will do.
        let stamps = self.versions_of(store, now, tags, ttl, Instant::now() + self.lag).await?;
        let any = self.known(store, &[any_tag()], Instant::now() + self.lag).await?;
        Ok((any.first().and_then(|any| any.version) == Some(mark)).then_some(stamps))
    }

    /// The versions of these; in a shared store, those that have none get one.
    async fn versions_of(
        &self,
        store: &dyn Backend,
        now: Timestamp,
        scopes: Vec<Scope>,
        ttl: Ttl,
        since: Instant,
    ) -> Result<Vec<Stamp>> {
        if let Some(versions) = store.versions() {
            let stamps = scopes.into_iter().filter_map(|scope| {
                let version = self.version_here(versions, &scope)?;
                Some(Stamp { scope, version })
            });
            return Ok(stamps.collect());
        }
        let known = self.known(store, &scopes, since).await?;
        let mut stamps = Vec::with_capacity(scopes.len());
        for (scope, known) in scopes.into_iter().zip(known) {
            let version = match known.version {
                Some(version) if known.expires >= ttl.expires(now) => version,
                Some(version) => {
                    self.renew(store, &scope, now, ttl).await?;
                    version
                }
                None => self.create(store, &scope, now, ttl).await?,
            };
            stamps.push(Stamp { scope, version });
        }
        Ok(stamps)
    }

    /// Gives something a new version. When this returns, every entry written under the old one is dead: for
    /// this process at once, for others at most the lag later.
    pub(super) async fn invalidate(&self, store: &dyn Backend, now: Timestamp, scope: &Scope) -> Result<()> {
        let Some((key, is_namespace)) = self.record(scope) else { return Ok(()) };
        if let Some(versions) = store.versions() {
            // Only the store knows whether it is still in use.
            if let Some((space, key)) = self.record_key(scope) {
                store.get(&StoreKey::new(space, &key)).await?;
            }
            versions.bump(key, is_namespace);
            return Ok(());
        }
        if matches!(scope, Scope::Tag(tag) if !tag.is_empty()) {
            // First: see `decided`.
            Box::pin(self.invalidate(store, now, &any_tag())).await?;
        }
        let version = random::unique();
        // Once nobody writes under it any more, the new version may go as well: without one, the entries
        // of the old one are dead all the same.
        let life = Ttl::After(MIN_VERSION_LIFE);
        let written = self.write(store, scope, version, now, life, Condition::Always).await;
        match written {
            Ok(_) => self.remember(scope.clone(), Known::just_written(version, life.expires(now))),
            // It may have been written all the same.
            Err(_) => drop(self.near().known.remove(scope)),
        }
        written.map(drop)
    }

    /// Tells one time between two clears of the namespace, or one above it, from another, where only this process sees the
    /// entries; 0 on a shared store.
    pub(super) fn generation_here(&self, store: &dyn Backend) -> u64 {
        let Some(versions) = store.versions() else { return 0 };
        let levels =
            (0..self.levels.len()).filter_map(|level| self.version_here(versions, &level_scope(level)));
        // Every version is larger than all before it, so that the largest changes with each of them.
        levels.max().unwrap_or(0)
    }

    /// The namespace itself, without those above it.
    pub(super) fn whole_namespace(&self) -> Scope {
        level_scope(self.levels.len() - 1)
    }

    fn level_scopes(&self) -> Vec<Scope> {
        (0..self.levels.len()).map(level_scope).collect()
    }

    fn has_all_levels(&self, stamps: &[Stamp]) -> bool {
        // They are written in order, levels first.
        stamps.len() >= self.levels.len()
            && stamps.iter().zip(0..self.levels.len()).all(|(stamp, level)| stamp.scope == level_scope(level))
    }

    /// What is known of these in a shared store, asking for what was not asked since `since`, less the lag.
    async fn known(&self, store: &dyn Backend, scopes: &[Scope], since: Instant) -> Result<Vec<Known>> {
        if let Some(known) = self.remembered(scopes, since, true) {
            return Ok(known);
        }
        let entered = Instant::now();
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have asked for these as well.
        if let Some(known) = self.remembered(scopes, since, false) {
            return Ok(known);
        }
        // A store that is slow to fail fails all who wait at once, not one after the other.
        if let Some((asked, error)) = &self.near().failed
            && *asked >= entered
        {
            return Err(error.clone());
        }
        let mut wanted = std::mem::take(&mut self.near().wanted);
        wanted.extend_from_slice(scopes);
        let mut distinct: Vec<Scope> = Vec::with_capacity(wanted.len());
        for scope in wanted {
            if !distinct.contains(&scope) {
                distinct.push(scope);
            }
        }
        let asked = Instant::now();
        if let Err(error) = self.ask(store, distinct).await {
            self.near().failed = Some((asked, error.clone()));
            return Err(error);
        }
        self.remembered(scopes, since, false).ok_or_else(|| {
            Error::new(ErrorKind::Busy, Operation::Get, "more tags are read at once than can be remembered")
        })
    }

    fn remembered(&self, scopes: &[Scope], since: Instant, want: bool) -> Option<Vec<Known>> {
        let mut near = self.near();
        let known: Option<Vec<Known>> = scopes
            .iter()
            .map(|scope| near.known.get(scope).filter(|known| known.asked + self.lag >= since).copied())
            .collect();
        if known.is_none() && want {
            near.wanted.extend_from_slice(scopes);
        }
        known
    }

    async fn ask(&self, store: &dyn Backend, scopes: Vec<Scope>) -> Result<()> {
        let asked = Instant::now();
        let keys: Vec<(&Namespace, Key)> = scopes.iter().filter_map(|scope| self.record_key(scope)).collect();
        let store_keys: Vec<StoreKey<'_>> =
            keys.iter().map(|(space, key)| StoreKey::new(space, key)).collect();
        for (scope, answer) in scopes.into_iter().zip(store.get_many(&store_keys).await) {
            let known = match answer? {
                Lookup::Hit(record) => {
                    Known { version: version_of(&record), expires: record.meta().lifetime.expires, asked }
                }
                Lookup::Miss(_) => Known { version: None, expires: Timestamp::NEVER, asked },
            };
            self.remember(scope, known);
        }
        Ok(())
    }

    async fn create(&self, store: &dyn Backend, scope: &Scope, now: Timestamp, ttl: Ttl) -> Result<u64> {
        let version = random::unique();
        let life = version_life(ttl);
        if self.write(store, scope, version, now, life, Condition::Absent).await? {
            self.remember(scope.clone(), Known::just_written(version, life.expires(now)));
            return Ok(version);
        }
        // Somebody else was faster, or there are bytes that are no version.
        self.ask(store, vec![scope.clone()]).await?;
        if let Some(version) = self.near().known.get(scope).and_then(|known| known.version) {
            return Ok(version);
        }
        self.write(store, scope, version, now, life, Condition::Always).await?;
        self.remember(scope.clone(), Known::just_written(version, life.expires(now)));
        Ok(version)
    }

    async fn renew(&self, store: &dyn Backend, scope: &Scope, now: Timestamp, ttl: Ttl) -> Result<()> {
        let Some((space, key)) = self.record_key(scope) else { return Ok(()) };
        let life = version_life(ttl);
        let lifetime = Lifetime::until(life.expires(now));
        // If it has just gone, the entry that is about to be written will be dead, which is safe.
        store.touch(&StoreKey::new(space, &key), lifetime, life).await?;
        if let Some(known) = self.near().known.get_mut(scope) {
            known.expires = lifetime.expires;
        }
        Ok(())
    }

    async fn write(
        &self,
        store: &dyn Backend,
        scope: &Scope,
        version: u64,
        now: Timestamp,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<bool> {
        let Some((space, key)) = self.record_key(scope) else { return Ok(false) };
        let body = Body {
            bytes: Bytes::copy_from_slice(&version.to_le_bytes()),
            format: 0,
            codec: 0,
            dictionary: 0,
            raw_len: 8,
        };
        let entry = Entry::from_body(body, Meta::new(now, Lifetime::until(ttl.expires(now))));
        store.set(&StoreKey::new(space, &key), &entry, &SetOptions::new(ttl).when(condition)).await
    }

    fn remember(&self, scope: Scope, known: Known) {
        let mut near = self.near();
        if near.known.len() >= MAX_REMEMBERED && !near.known.contains_key(&scope) {
            near.known.clear();
        }
        // An answer to a question that was sent before we wrote must not hide what we wrote.
        if near.known.get(&scope).is_none_or(|newer| newer.asked <= known.asked) {
            near.known.insert(scope, known);
        }
    }

    fn record(&self, scope: &Scope) -> Option<(OwnedStoreKey, bool)> {
        let (space, key) = self.record_key(scope)?;
        Some((StoreKey::new(space, &key).to_owned(), matches!(scope, Scope::Namespace(_))))
    }

    /// Where the version of this is kept. `None` for a level that this namespace does not have, which only a
    /// foreign writer's entry can name.
    fn record_key(&self, scope: &Scope) -> Option<(&Namespace, Key)> {
        match scope {
            Scope::Namespace(level) => Some((self.levels.get(usize::from(*level))?, self.generation.clone())),
            Scope::Tag(tag) => Some((self.levels.last()?, Key::new("tag").part(tag))),
        }
    }

    fn near(&self) -> MutexGuard<'_, Near> {
        // Nothing in here can panic half-way through a change.
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level_scope(level: usize) -> Scope {
    // A namespace of at most 70 bytes has at most 35 levels.
    Scope::Namespace(u8::try_from(level).unwrap_or(u8::MAX))
}

/// What changes with every tag: the empty one, which no entry can have.
fn any_tag() -> Scope {
    Scope::Tag(Arc::from(""))
}

fn version_of(record: &Entry) -> Option<u64> {
    let body = record.encoded()?;
    Some(u64::from_le_bytes(body.bytes.as_ref().try_into().ok()?))
}

/// Twice the life of the entry that needs it, so that it is not renewed on every write.
fn version_life(ttl: Ttl) -> Ttl {
    match ttl {
        Ttl::Never => Ttl::Never,
        Ttl::After(life) => Ttl::After(life.saturating_mul(2).max(MIN_VERSION_LIFE)),
    }
}
