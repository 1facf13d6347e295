//! Reading: from the key to a value, or to the reason why there is none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::Instrument as _;

use super::{Cache, Encoded, Event, Fetched, Found, Status, Value, encoding::Encoding};
use crate::{
    backend::Lookup,
    clock::Timestamp,
    entry::{Body, Entry, Lifetime, Live, Meta},
    error::{Operation, Result},
    key::{Key, StoreKey},
    miss::{Miss, Undecodable},
    offload,
    ttl::Ttl,
};

/// The name under which an entry has its life with it, in milliseconds, when lives slide and it is not the cache's.
pub(super) const OWN_LIFE: &str = "larder.life";

impl<T: Value> Cache<T> {
    /// The value of this key, or `None`.
    ///
    /// # Errors
    /// What the store says when it fails; [`get_or_load`](Self::get_or_load) would ask the loader instead.
    pub async fn get(&self, key: &Key) -> Result<Option<Fetched<T>>> {
        match self.look_up(key).await? {
            Found::Hit(fetched) => Ok(Some(fetched)),
            Found::Miss(_) => Ok(None),
        }
    }

    /// The value of this key, or why there is none.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn look_up(&self, key: &Key) -> Result<Found<Fetched<T>>> {
        let key = self.store_key(key, Operation::Get)?;
        if let Some(fetched) = self.hit_now(&key) {
            return Ok(Found::Hit(fetched));
        }
        let read = self.read_value(&key).await.map(|read| read.and_then(|fetched| self.if_fresh(fetched)));
        if let Ok(Ok(fetched)) = &read {
            self.slide(&key, &fetched.entry).await;
        }
        Ok(self.count(read)?.map_or_else(Found::Miss, Found::Hit))
    }

    /// The encoded value of this key, as it is stored: nothing is decompressed or decoded. On a store in
    /// memory, which holds the value itself, it is encoded once and then kept beside it.
    ///
    /// # Errors
    /// What the store says when it fails, and
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) on a store in memory if the value cannot be written in
    /// the cache's format.
    pub async fn get_encoded(&self, key: &Key) -> Result<Option<Encoded<T>>> {
        let key = self.store_key(key, Operation::Get)?;
        match self.count(self.read_fresh(&key).await)? {
            Ok(entry) => {
                self.slide(&key, &entry).await;
                Ok(Some(self.encoded(entry, Status::Hit).await?))
            }
            Err(_) => Ok(None),
        }
    }

    /// Whether there is a live entry. It is not decoded, and its life does not change.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn contains(&self, key: &Key) -> Result<bool> {
        let key = self.store_key(key, Operation::Get)?;
        Ok(self.count_errors(self.read_fresh(&key).await)?.is_ok())
    }

    /// How long the entry still has to live; `None` if there is none.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn ttl(&self, key: &Key) -> Result<Option<Ttl>> {
        let key = self.store_key(key, Operation::Get)?;
        let Ok(entry) = self.count_errors(self.read_fresh(&key).await)? else { return Ok(None) };
        Ok(Some(match entry.meta().lifetime.fresh_until {
            Timestamp::NEVER => Ttl::Never,
            end => Ttl::After(end.since(self.inner.clock.now())),
        }))
    }

    /// A hit of an in-process store whose value is there decoded: no future, no allocation, no copy.
    #[inline]
    pub(super) fn hit_now(&self, key: &StoreKey<'_>) -> Option<Fetched<T>> {
        let inner = &*self.inner;
        let Some(Lookup::Hit(entry)) = inner.backend.get_now(key) else { return None };
        let at = inner.clock.now();
        let stands = entry.is_fresh(at)
            && inner.backend.versions().is_some_and(|versions| inner.stamps.stand_here(versions, &entry));
        // One that is to be made anew goes the slow way, where that is begun; so does a life.
        if !stands
            || (inner.policy.refreshes_early() && inner.policy.is_early(entry.meta(), at))
            || (inner.policy.sliding.is_some() && self.slides(entry.meta(), at).is_some())
        {
            return None;
        }
        let value = Arc::downcast(Arc::clone(entry.live()?)).ok()?;
        inner.events.hit(entry.meta().load_cost);
        Some(Fetched { value, entry, status: Status::Hit, at })
    }

    /// Reads and decodes.
    pub(super) async fn read_value(&self, key: &StoreKey<'_>) -> Result<Result<Fetched<T>, Miss>> {
        Ok(match self.read(key).await? {
            Ok(entry) => self.fetched(entry, Status::Hit).await.map_err(Miss::from),
            Err(miss) => Err(miss),
        })
    }

    /// Reads an entry that is fresh and not invalidated. Nothing is decoded or counted.
    pub(super) async fn read_fresh(&self, key: &StoreKey<'_>) -> Result<Result<Entry, Miss>> {
        Ok(self.read(key).await?.and_then(|entry| self.if_fresh(entry)))
    }

    /// What only those may see who serve stale values is a miss for everybody else.
    pub(super) fn if_fresh<R: HasMeta>(&self, read: R) -> Result<R, Miss> {
        if self.inner.clock.now() < read.meta_of().lifetime.fresh_until { Ok(read) } else { Err(Miss::Stale) }
    }

    /// Reads an entry that is neither expired nor invalidated; it may be stale. Nothing is decoded or counted.
    pub(super) async fn read(&self, key: &StoreKey<'_>) -> Result<Result<Entry, Miss>> {
        let inner = &*self.inner;
        let store = &*inner.backend;
        let since = Instant::now();
        let shared = store.versions().is_none();
        let lookup = match store.get_now(key) {
            Some(lookup) => return self.usable(lookup, since).await,
            None if shared && !inner.stamps.is_prepared(since) => {
                // Both questions leave together.
                tokio::join!(store.get(key), inner.stamps.prepare(store, since)).0
            }
            None => store.get(key).await,
        };
        let usable = match lookup {
            Ok(lookup) => self.usable(lookup, since).await,
            Err(error) => Err(error),
        };
        inner.events.counters.waited(since.elapsed());
        usable
    }

    /// What a lookup that began at `since` comes to.
    pub(super) async fn usable(&self, lookup: Lookup, since: Instant) -> Result<Result<Entry, Miss>> {
        let inner = &*self.inner;
        let entry = match lookup {
            Lookup::Hit(entry) => entry,
            Lookup::Miss(miss) => return Ok(Err(miss)),
        };
        if !entry.is_live(inner.clock.now()) {
            return Ok(Err(Miss::Expired));
        }
        let stands = match inner.backend.versions() {
            Some(versions) => inner.stamps.stand_here(versions, &entry),
            None => inner.stamps.stand_there(&*inner.backend, &entry, since).await?,
        };
        Ok(match entry {
            _ if !stands => Err(Miss::Invalidated),
            lease if lease.is_lease() => Err(Miss::Leased),
            entry => Ok(entry),
        })
    }

    pub(super) async fn fetched(&self, entry: Entry, status: Status) -> Result<Fetched<T>, Undecodable> {
        let value = self.value(&entry).await?;
        Ok(Fetched { value, entry, status, at: self.inner.clock.now() })
    }

    pub(super) async fn encoded(&self, entry: Entry, status: Status) -> Result<Encoded<T>> {
        let body = entry.body().await?.clone();
        let encoding = Arc::clone(&self.inner.encoding);
        Ok(Encoded { body, entry, status, at: self.inner.clock.now(), encoding })
    }

    async fn value(&self, entry: &Entry) -> Result<Arc<T>, Undecodable> {
        let live = entry.live_or_decode(|body| async move { Ok(self.decode(body).await? as Live) }).await?;
        if let Ok(value) = Arc::downcast(Arc::clone(live)) {
            return Ok(value);
        }
        // A value that was written through a handle of another type: read its bytes, as a remote store would.
        let body = entry.body().await.map_err(|why| Undecodable::Format(why.message().into()))?;
        self.decode(body.clone()).await
    }

    async fn decode(&self, body: Body) -> Result<Arc<T>, Undecodable> {
        let encoding = Arc::clone(&self.inner.encoding);
        if !Encoding::<T>::is_heavy_body(&body) {
            return encoding.decode(&body);
        }
        match offload::run(Operation::Decode, move || Ok(encoding.decode(&body))).await {
            Ok(decoded) => decoded,
            Err(why) => Err(Undecodable::Format(why.message().into())),
        }
    }

    /// The life that begins with a read of such an entry, if one does.
    fn slides(&self, meta: &Meta, now: Timestamp) -> Option<(Lifetime, Ttl)> {
        let policy = &self.inner.policy;
        policy.sliding?;
        let own = meta.user(OWN_LIFE).and_then(|own| own.as_ref().try_into().ok());
        let life = own.map_or(policy.ttl, |own| Ttl::After(Duration::from_millis(u64::from_le_bytes(own))));
        policy.slide(meta, life, now)
    }

    /// Begins an entry's life anew, if reading does that and it is time.
    pub(super) async fn slide(&self, key: &StoreKey<'_>, entry: &Entry) {
        let inner = &self.inner;
        let Some((lifetime, kept)) = self.slides(entry.meta(), inner.clock.now()) else { return };
        if !inner.backend.capabilities().shared {
            let touched = inner.backend.touch(key, lifetime, kept).await;
            let _ = self.count_errors(touched);
            return;
        }
        let (cache, key, entry) = (self.clone(), key.key().clone(), entry.clone());
        let touch = async move {
            let key = StoreKey::new(&cache.inner.namespace, &key);
            cache.keep_stamps(&entry, kept).await;
            let touched = cache.inner.backend.touch(&key, lifetime, kept).await;
            let _ = cache.count_errors(touched);
        };
        tokio::spawn(touch.in_current_span());
    }

    /// Counts a read.
    pub(super) fn count<R: HasMeta>(&self, read: Result<Result<R, Miss>>) -> Result<Result<R, Miss>> {
        match &read {
            Ok(Ok(hit)) => self.inner.events.hit(hit.meta_of().load_cost),
            Ok(Err(miss)) => {
                self.inner.events.happened(&Event::Miss { reason: miss });
                if matches!(miss, Miss::OtherKey | Miss::Undecodable(_)) {
                    tracing::debug!(cache = %self.inner.name, reason = miss.as_str(), %miss, "unreadable entry");
                }
            }
            Err(_) => {}
        }
        self.count_errors(read)
    }

    /// Counts and reports what the store failed at.
    pub(super) fn count_errors<R>(&self, result: Result<R>) -> Result<R> {
        if let Err(error) = &result {
            self.inner.events.happened(&Event::StoreFailed { error });
            tracing::debug!(cache = %self.inner.name, kind = error.kind().as_str(), %error, "the store failed");
        }
        result
    }
}

/// What carries metadata.
pub(super) trait HasMeta {
    fn meta_of(&self) -> &Meta;
    fn entry_of(&self) -> &Entry;
}

impl<T> HasMeta for Fetched<T> {
    fn meta_of(&self) -> &Meta {
        self.entry.meta()
    }

    fn entry_of(&self) -> &Entry {
        &self.entry
    }
}

impl HasMeta for Entry {
    fn meta_of(&self) -> &Meta {
        self.meta()
    }

    fn entry_of(&self) -> &Entry {
        self
    }
}
