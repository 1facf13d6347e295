//! Writing and removing. Each of these wins over a load of the same key that is in progress.

use std::sync::Arc;

use bytes::Bytes;

use super::{Cache, Event, Value, stamps::Stamps};
use crate::{
    backend::{Condition, Lookup, SetOptions},
    entry::{Encode, Entry, Meta, Scope, Stamp, UserMeta},
    error::{ErrorKind, Operation, Result},
    key::{Key, StoreKey},
    miss::Miss,
    ttl::Ttl,
};

/// What a write says beyond the value.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteOptions {
    pub(super) ttl: Option<Ttl>,
    pub(super) tags: Vec<Arc<str>>,
    pub(super) user: Vec<(Arc<str>, Bytes)>,
}

/// That this entry was written.
pub(super) fn stored(entry: &Entry) -> Event<'static> {
    Event::Stored { bytes: entry.encoded().map(|body| (body.raw_len, body.bytes.len() as u64)) }
}

impl WriteOptions {
    /// Those of a loader's tags that its call has not named.
    pub(super) fn tags_beyond(&self, tags: &[Arc<str>]) -> Result<Vec<Scope>> {
        let calls = Stamps::tag_scopes(&self.tags, Operation::Load)?.len();
        let mut all = Stamps::tag_scopes(&[&self.tags, tags].concat(), Operation::Load)?;
        Ok(all.split_off(calls))
    }
}

impl<T: Value> Cache<T> {
    /// Writes a value for the cache's default life; [`at`](Self::at) has more options. Value, life, tags and
    /// metadata of an existing entry are all replaced.
    ///
    /// # Errors
    /// What the store says when it fails; [`ErrorKind::TooLarge`] when the value is too large, after which the
    /// key is absent; [`ErrorKind::Encode`] when it cannot be serialized, after which an existing entry is
    /// unchanged. A store in memory does not serialize and accepts such a value.
    pub async fn set(&self, key: &Key, value: T) -> Result<()> {
        self.write(key, value, WriteOptions::default(), Condition::Always).await.map(drop)
    }

    /// Writes a value if there is no live entry: `true` if it was written. An existing entry keeps value and
    /// life. Of several at once exactly one is `true`.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub async fn add(&self, key: &Key, value: T) -> Result<bool> {
        self.write(key, value, WriteOptions::default(), Condition::Absent).await
    }

    /// Removes an entry: `true` if a live one was there. A load of the key that is in progress is not stored.
    /// On a store that other processes share, an entry that only a tag or a clear had killed counts as live, and so
    /// does a [lease](super::Policy::lease).
    ///
    /// # Errors
    /// What the store says when it fails: then the entry may still be there.
    pub async fn delete(&self, key: &Key) -> Result<bool> {
        let key = self.store_key(key, Operation::Delete)?;
        let _writing = self.inner.flights.write(&key).await;
        self.delete_inner(&key).await
    }

    async fn delete_inner(&self, key: &StoreKey<'_>) -> Result<bool> {
        let was_live = self.is_live_here(key);
        let removed = self.count_errors(self.inner.backend.delete(key).await)?;
        if removed {
            self.inner.events.happened(&Event::Deleted);
        }
        Ok(removed && was_live)
    }

    /// Gives a live entry another life, which begins now: `true` if there was one. A life of zero removes it.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn touch(&self, key: &Key, ttl: impl Into<Ttl>) -> Result<bool> {
        let ttl = ttl.into();
        let store_key = self.store_key(key, Operation::Touch)?;
        let Ok(entry) = self.count_errors(self.read_fresh(&store_key).await)? else { return Ok(false) };
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        let now = self.inner.clock.now();
        let (lifetime, kept) = self.inner.policy.life_like(entry.meta().lifetime, now, ttl);
        self.keep_stamps(&entry, kept).await;
        self.count_errors(self.inner.backend.touch(&store_key, lifetime, kept).await)
    }

    /// Empties the cache's namespace and those below it, in this process at once and in others within
    /// [`invalidation_lag`](super::CacheBuilder::invalidation_lag). Nothing else in the store is touched. It
    /// costs one small write, however many entries there are; the store drops them when their life is over or
    /// it needs the room. Loads that are in progress are not stored.
    ///
    /// # Errors
    /// What the store says when it fails: then the entries may still be there.
    pub async fn clear(&self) -> Result<()> {
        self.invalidate_scope(&self.inner.stamps.whole_namespace(), Operation::Clear).await
    }

    /// Invalidates every entry that was written under this tag, as [`clear`](Self::clear) does for all.
    ///
    /// # Errors
    /// What the store says when it fails, and [`ErrorKind::InvalidKey`] for a tag that is empty or longer
    /// than 255 bytes.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        for scope in Stamps::tag_scopes(&[tag.into()], Operation::Invalidate)? {
            self.invalidate_scope(&scope, Operation::Invalidate).await?;
        }
        Ok(())
    }

    async fn invalidate_scope(&self, scope: &Scope, operation: Operation) -> Result<()> {
        let inner = &*self.inner;
        let result = inner.stamps.invalidate(&*inner.backend, inner.clock.now(), scope).await;
        // After the version has changed: whoever begins a load from now on does so under the new one, and
        // those who began before wrote, or will write, under the old one.
        inner
            .flights
            .overtake_all(match scope {
                Scope::Tag(tag) => Some(tag),
                Scope::Namespace(_) => None,
            })
            .await;
        if result.is_ok() {
            inner.events.happened(&match scope {
                Scope::Tag(tag) => Event::Invalidated { tag },
                Scope::Namespace(_) => Event::Cleared,
            });
        }
        self.count_errors(result.map_err(|error| error.during(operation)))
    }

    pub(super) async fn write(
        &self,
        key: &Key,
        value: T,
        options: WriteOptions,
        condition: Condition,
    ) -> Result<bool> {
        let key = self.store_key(key, Operation::Set)?;
        let tags = Stamps::tag_scopes(&options.tags, Operation::Set)?;
        let ttl = options.ttl.unwrap_or(self.inner.policy.ttl);
        let _writing = self.inner.flights.write(&key).await;
        if ttl.is_zero() {
            return self.write_nothing(&key, condition).await;
        }
        let stamps = self.count_errors(self.stamps(&tags, ttl).await)?;
        let (meta, kept) = self.meta(ttl, stamps, options.user);
        self.store(&key, &self.entry(Arc::new(value), meta), kept, condition).await
    }

    /// The stamps for an entry whose value begins to be made now, and which is written for this long.
    pub(super) async fn stamps(&self, tags: &[Scope], ttl: Ttl) -> Result<Arc<[Stamp]>> {
        let inner = &*self.inner;
        inner.stamps.current(&*inner.backend, inner.clock.now(), tags, inner.policy.kept(ttl)).await
    }

    /// Sees to it that what an entry was written under is kept for as long as the entry, which is given a longer life.
    pub(super) async fn keep_stamps(&self, entry: &Entry, kept: Ttl) {
        let inner = &*self.inner;
        if inner.backend.versions().is_some() {
            return;
        }
        let scopes = entry.meta().stamps.iter().map(|stamp| stamp.scope.clone());
        let tags: Vec<Scope> = scopes.filter(|scope| matches!(scope, Scope::Tag(_))).collect();
        // If that fails, the entry ends sooner, and nothing is served that should not be.
        let renewed = inner.stamps.current(&*inner.backend, inner.clock.now(), &tags, kept).await;
        let _ = self.count_errors(renewed);
    }

    /// A mark for [`decided`](Self::decided), taken before a loader begins whose value is written for this long.
    pub(super) async fn mark(&self, ttl: Ttl) -> Result<u64> {
        let inner = &*self.inner;
        inner.stamps.mark(&*inner.backend, inner.clock.now(), inner.policy.kept(ttl)).await
    }

    /// The stamps for tags that a loader has named; `None` if it was overtaken.
    pub(super) async fn decided(
        &self,
        tags: Vec<Scope>,
        ttl: Ttl,
        mark: Option<u64>,
    ) -> Result<Option<Vec<Stamp>>> {
        let inner = &*self.inner;
        // Without a mark the store has failed, and nothing is known.
        let Some(mark) = mark else { return Ok(None) };
        let (now, kept) = (inner.clock.now(), inner.policy.kept(ttl));
        inner.stamps.decided(&*inner.backend, now, tags, kept, mark).await
    }

    /// What a life of zero comes to: the key is absent afterwards.
    async fn write_nothing(&self, key: &StoreKey<'_>, condition: Condition) -> Result<bool> {
        if condition == Condition::Absent {
            return Ok(self.count_errors(self.read_fresh(key).await)?.is_err());
        }
        self.delete_inner(key).await?;
        Ok(true)
    }

    /// Metadata for a value that is written now for this long, and how long the store is to keep it.
    pub(super) fn meta(&self, ttl: Ttl, stamps: Arc<[Stamp]>, user: Vec<(Arc<str>, Bytes)>) -> (Meta, Ttl) {
        let now = self.inner.clock.now();
        let policy = &self.inner.policy;
        let (lifetime, kept) = policy.life(now, ttl);
        let mut user = user;
        if let (Some(_), Ttl::After(own)) = (policy.sliding, ttl)
            && ttl != policy.ttl
        {
            let own = u64::try_from(own.as_millis()).unwrap_or(u64::MAX);
            user.push((super::read::OWN_LIFE.into(), Bytes::copy_from_slice(&own.to_le_bytes())));
        }
        let user: UserMeta = user.into();
        (Meta { stamps, user, ..Meta::new(now, lifetime) }, kept)
    }

    pub(super) fn entry(&self, value: Arc<T>, meta: Meta) -> Entry {
        Entry::from_live(value, Arc::clone(&self.inner.encoding) as Arc<dyn Encode>, meta)
    }

    /// Hands an entry to the store.
    pub(super) async fn store(
        &self,
        key: &StoreKey<'_>,
        entry: &Entry,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<bool> {
        let options = SetOptions::new(ttl).when(condition);
        let mut written = self.inner.backend.set(key, entry, &options).await;
        if matches!(written, Ok(false)) && condition == Condition::Absent {
            written = self.replace_dead(key, entry, ttl).await;
        }
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge)
            && condition != Condition::Absent
        {
            // The cache's own limit or the store's: either way the old value would be a lie.
            self.count_errors(self.inner.backend.delete(key).await)?;
        }
        let written = self.count_errors(written)?;
        if written {
            self.inner.events.happened(&stored(entry));
        }
        Ok(written)
    }

    /// The store has something under the key. If it is dead all the same (overtaken by a tag or a clear,
    /// expired by our clock, unreadable), it does not stand in the way of an add.
    async fn replace_dead(&self, key: &StoreKey<'_>, entry: &Entry, ttl: Ttl) -> Result<bool> {
        let store = &*self.inner.backend;
        let since = std::time::Instant::now();
        let options = SetOptions::new(ttl);
        let found = match store.get_now(key) {
            Some(found) => found,
            None => store.get(key).await?,
        };
        let condition = match &found {
            Lookup::Hit(dead) => Condition::Unchanged(dead.token()),
            // Gone in the meantime: whoever adds first wins.
            Lookup::Miss(Miss::Absent | Miss::Expired) => Condition::Absent,
            // A newer program's entry is live for it.
            Lookup::Miss(miss) if miss.is_from_the_future() => return Ok(false),
            // Bytes that no token names: in this process one after the other, so that one succeeds.
            Lookup::Miss(_) => {
                let _turn = self.inner.repairs.lock().await;
                if self.usable(store.get(key).await?, since).await?.is_ok() {
                    return Ok(false);
                }
                return store.set(key, entry, &options).await;
            }
        };
        if self.usable(found, since).await?.is_ok_and(|found| self.if_fresh(found).is_ok()) {
            return Ok(false);
        }
        match store.set(key, entry, &options.when(condition)).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                store.delete(key).await?;
                store.set(key, entry, &options.when(Condition::Absent)).await
            }
            written => written,
        }
    }

    /// Whether an entry that is there in this process still stands; `true` where that costs a round trip.
    pub(super) fn is_live_here(&self, key: &StoreKey<'_>) -> bool {
        let inner = &*self.inner;
        match (inner.backend.get_now(key), inner.backend.versions()) {
            (Some(Lookup::Hit(entry)), Some(versions)) => {
                entry.is_fresh(inner.clock.now())
                    && !entry.is_lease()
                    && inner.stamps.stand_here(versions, &entry)
            }
            (Some(Lookup::Miss(_)), _) => false,
            _ => true,
        }
    }
}
