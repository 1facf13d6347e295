//! The store under the cache, whose operations are recorded as well. Its entries hold bytes and nothing that a
//! cache would add, so a cache takes none of them for its own.

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Key, Result, Ttl,
    backend::{
        Condition, CounterOptions, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    entry::{Body, Kind, Lifetime, Meta, Token},
    key::{Namespace, StoreKey},
};

use super::told;
use crate::{context::Log, failure::shown};

/// A store whose operations are recorded.
#[derive(Debug, Clone)]
pub(crate) struct Direct {
    name: String,
    backend: Arc<dyn Backend>,
    namespace: Namespace,
    clock: Clock,
    log: Log,
}

impl Direct {
    pub(crate) fn new(
        name: &str,
        backend: Arc<dyn Backend>,
        namespace: &str,
        clock: Clock,
        log: Log,
    ) -> Self {
        let namespace = match Namespace::new(namespace, 0) {
            Ok(namespace) => namespace,
            // The suite's own namespaces are short.
            Err(error) => unreachable!("{error}"),
        };
        Self { name: name.to_owned(), backend, namespace, clock, log }
    }

    /// The same store without record, for very many operations.
    pub(crate) fn silent(&self) -> Self {
        Self { log: Log::default(), ..self.clone() }
    }

    /// The text that the key has in the store.
    pub(crate) fn text_of(&self, key: &Key) -> String {
        StoreKey::new(&self.namespace, key).to_string()
    }

    /// The namespace of the keys.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// An entry that holds these bytes and lives this long from now on.
    pub(crate) fn entry(&self, bytes: impl Into<Bytes>, ttl: impl Into<Ttl>) -> Entry {
        let bytes = bytes.into();
        let body = Body::raw(bytes, 0);
        let now = self.clock.now();
        Entry::from_body(body, Meta::new(now, Lifetime::until(ttl.into().expires(now))))
    }

    /// The bytes of an entry, as text.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(match self.look_up(key).await? {
            Lookup::Hit(entry) => Some(text(&entry)),
            Lookup::Miss(_) => None,
        })
    }

    pub(crate) async fn look_up(&self, key: &str) -> Result<Lookup> {
        let (owned, now) = (Key::new(key), self.clock.now());
        let seen = self.backend.get(&StoreKey::new(&self.namespace, &owned), &GetOptions::new()).await;
        let told = match &seen {
            Ok(Lookup::Hit(entry)) => {
                format!("Hit({}), until {:?}", shown(&text(entry)), entry.meta().lifetime.expires)
            }
            other => told(other),
        };
        self.log.add(format!("{}.get({key:?}).await;  // {told}, at {now:?}", self.name));
        seen
    }

    /// The token of an entry that is there.
    pub(crate) async fn token(&self, key: &str) -> Result<Option<Token>> {
        Ok(self.look_up(key).await?.entry().map(|entry| entry.token()))
    }

    pub(crate) async fn set(&self, key: &str, bytes: impl Into<Bytes>, ttl: impl Into<Ttl>) -> Result<bool> {
        self.set_when(key, bytes, ttl, Condition::Always).await
    }

    pub(crate) async fn set_when(
        &self,
        key: &str,
        bytes: impl Into<Bytes>,
        ttl: impl Into<Ttl>,
        condition: Condition,
    ) -> Result<bool> {
        let ttl = ttl.into();
        let entry = self.entry(bytes, ttl);
        self.put(&Key::new(key), &entry, SetOptions::new(ttl).when(condition)).await
    }

    /// Writes, and tells by which token the store knows what was written.
    pub(crate) async fn write(
        &self,
        key: &str,
        bytes: impl Into<Bytes>,
        options: SetOptions,
    ) -> Result<Option<Token>> {
        let (owned, entry) = (Key::new(key), self.entry(bytes, options.ttl));
        let seen = self.backend.set(&StoreKey::new(&self.namespace, &owned), &entry, &options).await;
        let seen = seen.map(|written| match written {
            Written::Yes(token) => Some(token),
            Written::No => None,
        });
        self.record(&format!("set({key:?}, {}, {options:?})", shown(&text(&entry))), seen)
    }

    /// Writes this very entry.
    pub(crate) async fn put(&self, key: &Key, entry: &Entry, options: SetOptions) -> Result<bool> {
        let seen = self.backend.set(&StoreKey::new(&self.namespace, key), entry, &options).await;
        let seen = seen.map(Written::took_place);
        self.record(&format!("set({:?}, {}, {options:?})", key.text(), shown(&text(entry))), seen)
    }

    /// Writes these very entries in one go, and tells by which tokens the store knows them.
    pub(crate) async fn put_all(&self, items: &[(&str, &Entry)]) -> Vec<Result<Option<Token>>> {
        let owned: Vec<Key> = items.iter().map(|(key, _)| Key::new(*key)).collect();
        let options = SetOptions::new(Ttl::Never);
        let writes = owned.iter().zip(items).map(|(key, (_, entry))| {
            SetItem::new(StoreKey::new(&self.namespace, key), Entry::clone(entry), options)
        });
        let written = self.backend.set_many(&writes.collect::<Vec<_>>()).await;
        let token = |written| match written {
            Written::Yes(token) => Some(token),
            Written::No => None,
        };
        let seen: Vec<_> = written.into_iter().map(|written| written.map(token)).collect();
        let keys: Vec<_> = items.iter().map(|(key, _)| *key).collect();
        self.log.add(format!("{}.set_many({}).await;  // {}", self.name, shown(&keys), shown(&seen)));
        seen
    }

    /// Writes these very entries in one go, each in its own way.
    pub(crate) async fn put_each(&self, items: &[(&str, &Entry, SetOptions)]) -> Vec<Result<bool>> {
        let owned: Vec<Key> = items.iter().map(|(key, ..)| Key::new(*key)).collect();
        let writes = owned.iter().zip(items).map(|(key, (_, entry, options))| {
            SetItem::new(StoreKey::new(&self.namespace, key), Entry::clone(entry), *options)
        });
        let written = self.backend.set_many(&writes.collect::<Vec<_>>()).await;
        let seen: Vec<_> = written.into_iter().map(|written| written.map(Written::took_place)).collect();
        let told: Vec<_> =
            items.iter().map(|(key, _, options)| (*key, options.ttl, options.condition)).collect();
        self.log.add(format!("{}.set_many({}).await;  // {}", self.name, shown(&told), shown(&seen)));
        seen
    }

    /// The entry under this key.
    pub(crate) async fn entry_of(&self, key: &str) -> Result<Option<Entry>> {
        Ok(self.look_up(key).await?.entry())
    }

    /// The entries under these keys, read in one go.
    pub(crate) async fn entries_of(&self, keys: &[&str]) -> Result<Vec<Option<Entry>>> {
        let owned: Vec<Key> = keys.iter().map(|key| Key::new(*key)).collect();
        let places: Vec<_> = owned.iter().map(|key| StoreKey::new(&self.namespace, key)).collect();
        let found = self.backend.get_many(&places, &GetOptions::new()).await.into_iter();
        let entries: Result<Vec<_>> = found.map(|found| found.map(Lookup::entry)).collect();
        let told = entries
            .as_ref()
            .map(|entries| entries.iter().map(|entry| entry.as_ref().map(text)).collect::<Vec<_>>());
        self.log.add(match told {
            Ok(told) => format!("{}.get_many({}).await;  // {}", self.name, shown(&keys), shown(&told)),
            Err(error) => format!("{}.get_many({}).await;  // error: {error}", self.name, shown(&keys)),
        });
        entries
    }

    /// Touches in exactly this way.
    pub(crate) async fn touch_as(&self, key: &str, options: TouchOptions) -> Result<bool> {
        let owned = Key::new(key);
        let seen = self.backend.touch(&StoreKey::new(&self.namespace, &owned), &options).await;
        self.record(&format!("touch({key:?}, {:?}, {:?})", options.lifetime, options.condition), seen)
    }

    /// Touches several in exactly these ways.
    pub(crate) async fn touch_each(&self, items: &[(&str, TouchOptions)]) -> Vec<Result<bool>> {
        let owned: Vec<Key> = items.iter().map(|(key, _)| Key::new(*key)).collect();
        let touches = owned
            .iter()
            .zip(items)
            .map(|(key, (_, options))| TouchItem::new(StoreKey::new(&self.namespace, key), *options));
        let seen = self.backend.touch_many(&touches.collect::<Vec<_>>()).await;
        let told: Vec<_> =
            items.iter().map(|(key, options)| (*key, options.lifetime, options.condition)).collect();
        self.log.add(format!("{}.touch_many({}).await;  // {}", self.name, shown(&told), shown(&seen)));
        seen
    }

    pub(crate) async fn touch(&self, key: &str, ttl: impl Into<Ttl>) -> Result<bool> {
        self.touch_when(key, ttl, Condition::Always).await
    }

    pub(crate) async fn touch_when(
        &self,
        key: &str,
        ttl: impl Into<Ttl>,
        condition: Condition,
    ) -> Result<bool> {
        let (owned, options) = (Key::new(key), self.touching(ttl.into(), condition));
        let seen = self.backend.touch(&StoreKey::new(&self.namespace, &owned), &options).await;
        self.record(&format!("touch({key:?}, {:?}, {condition:?})", options.ttl), seen)
    }

    fn touching(&self, ttl: Ttl, condition: Condition) -> TouchOptions {
        TouchOptions::new(Lifetime::until(ttl.expires(self.clock.now())), ttl).when(condition)
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<bool> {
        self.delete_when(key, Condition::Always).await
    }

    pub(crate) async fn delete_when(&self, key: &str, condition: Condition) -> Result<bool> {
        let (owned, options) = (Key::new(key), DeleteOptions::new().when(condition));
        let seen = self.backend.delete(&StoreKey::new(&self.namespace, &owned), &options).await;
        self.record(&format!("delete({key:?}, {condition:?})"), seen)
    }

    pub(crate) async fn close(&self) -> Result<()> {
        let seen = self.backend.close().await;
        self.record("close()", seen)
    }

    /// Changes the counter under this key; only for stores that have counters.
    pub(crate) async fn count(&self, key: &str, by: i64, options: CounterOptions) -> Result<Option<u64>> {
        let owned = Key::new(key);
        let Some(counters) = self.backend.counters() else { unreachable!("the case needs Counting") };
        let seen = counters.increment(&StoreKey::new(&self.namespace, &owned), by, &options).await;
        let CounterOptions { initial, ttl, .. } = options;
        self.record(&format!("increment({key:?}, {by}, {initial:?}, {ttl:?})"), seen)
    }

    pub(crate) async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<String>>> {
        let owned: Vec<Key> = keys.iter().map(|key| Key::new(*key)).collect();
        let places: Vec<_> = owned.iter().map(|key| StoreKey::new(&self.namespace, key)).collect();
        let found: Result<Vec<_>> =
            self.backend.get_many(&places, &GetOptions::new()).await.into_iter().collect();
        let seen = found.map(|found| {
            found.into_iter().map(|lookup| lookup.entry().as_ref().map(text)).collect::<Vec<_>>()
        });
        self.record(&format!("get_many({})", shown(&keys)), seen)
    }

    /// What the entries under these keys are, read in one go.
    pub(crate) async fn kinds(&self, keys: &[&str]) -> Result<Vec<Option<Kind>>> {
        let owned: Vec<Key> = keys.iter().map(|key| Key::new(*key)).collect();
        let places: Vec<_> = owned.iter().map(|key| StoreKey::new(&self.namespace, key)).collect();
        let found = self.backend.get_many(&places, &GetOptions::new()).await.into_iter();
        let kinds = found.map(|found| found.map(|lookup| lookup.entry().map(|entry| entry.kind())));
        self.record(&format!("get_many({})", shown(&keys)), kinds.collect())
    }

    /// Each item is key, bytes, and how to write.
    pub(crate) async fn set_many(&self, items: &[(&str, &str, SetOptions)]) -> Vec<Result<bool>> {
        let owned: Vec<Key> = items.iter().map(|(key, _, _)| Key::new(*key)).collect();
        let writes: Vec<SetItem<'_>> = owned
            .iter()
            .zip(items)
            .map(|(key, (_, bytes, options))| {
                let entry = self.entry(bytes.as_bytes().to_vec(), options.ttl);
                SetItem::new(StoreKey::new(&self.namespace, key), entry, *options)
            })
            .collect();
        let written = self.backend.set_many(&writes).await;
        let seen = written.into_iter().map(|written| written.map(Written::took_place)).collect();
        self.log.add(format!("{}.set_many({}).await;  // {}", self.name, shown(&items), shown(&seen)));
        seen
    }

    pub(crate) async fn delete_many(&self, keys: &[&str]) -> Vec<Result<bool>> {
        let items: Vec<_> = keys.iter().map(|key| (*key, Condition::Always)).collect();
        self.delete_many_when(&items).await
    }

    /// Each item is key and condition.
    pub(crate) async fn delete_many_when(&self, items: &[(&str, Condition)]) -> Vec<Result<bool>> {
        let owned: Vec<Key> = items.iter().map(|(key, _)| Key::new(*key)).collect();
        let removals: Vec<_> = owned
            .iter()
            .zip(items)
            .map(|(key, (_, condition))| {
                DeleteItem::new(StoreKey::new(&self.namespace, key), DeleteOptions::new().when(*condition))
            })
            .collect();
        let seen = self.backend.delete_many(&removals).await;
        self.log.add(format!("{}.delete_many({}).await;  // {}", self.name, shown(&items), shown(&seen)));
        seen
    }

    /// Each item is key, TTL and condition.
    pub(crate) async fn touch_many(&self, items: &[(&str, Ttl, Condition)]) -> Vec<Result<bool>> {
        let owned: Vec<Key> = items.iter().map(|(key, ..)| Key::new(*key)).collect();
        let touches: Vec<_> = owned
            .iter()
            .zip(items)
            .map(|(key, (_, ttl, condition))| {
                TouchItem::new(StoreKey::new(&self.namespace, key), self.touching(*ttl, *condition))
            })
            .collect();
        let seen = self.backend.touch_many(&touches).await;
        self.log.add(format!("{}.touch_many({}).await;  // {}", self.name, shown(&items), shown(&seen)));
        seen
    }

    fn record<T: Debug>(&self, done: &str, seen: Result<T>) -> Result<T> {
        self.log.add(format!("{}.{done}.await;  // {}", self.name, told(&seen)));
        seen
    }
}

/// The bytes of an entry, as text; only entries that hold bytes are put into stores directly.
fn text(entry: &Entry) -> String {
    let bytes = entry.encoded().map(|body| body.bytes.clone()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
