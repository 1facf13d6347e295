//! A cache that records what is done to it, as code that can be pasted.

mod direct;

use std::{error::Error as StdError, fmt::Debug, pin::Pin};

use larder_core::{
    Cache, Fetched, Key, Result, Ttl,
    cache::{Found, Status},
    miss::Miss,
};

pub(crate) use self::direct::Direct;
use crate::{
    context::Log,
    failure::{brief, shown},
    value::Value,
};

/// A cache whose operations are recorded.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    name: String,
    cache: Cache<Value>,
    log: Log,
}

impl Probe {
    pub(crate) fn new(name: &str, cache: Cache<Value>, log: Log) -> Self {
        Self { name: name.to_owned(), cache, log }
    }

    /// The cache itself, for what is not recorded.
    pub(crate) fn cache(&self) -> &Cache<Value> {
        &self.cache
    }

    pub(crate) async fn get(&self, key: impl Into<Key>) -> Result<Option<Value>> {
        let key = key.into();
        let seen = self.cache.get(&key).await.map(|found| found.map(|value| Value::clone(&value)));
        self.record(format_args!("get({})", code(&key)), seen)
    }

    /// The value, or the reason why there is none.
    pub(crate) async fn look_up(&self, key: impl Into<Key>) -> Result<Result<Value, Miss>> {
        let key = key.into();
        let seen = self.cache.look_up(&key).await.map(|found| match found {
            Found::Hit(value) => Ok(Value::clone(&value)),
            Found::Miss(miss) => Err(miss),
        });
        self.record(format_args!("look_up({})", code(&key)), seen)
    }

    pub(crate) async fn set(&self, key: impl Into<Key>, value: impl Into<Value>) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        let done = format!("set({}, {})", code(&key), shown(&value));
        let seen = self.cache.set(&key, value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn set_for(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        ttl: impl Into<Ttl>,
    ) -> Result<()> {
        let (key, value, ttl) = (key.into(), value.into(), ttl.into());
        let done = format!("at({}).ttl({ttl:?}).set({})", code(&key), shown(&value));
        let seen = self.cache.at(&key).ttl(ttl).set(value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn set_tagged(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        tags: &[&str],
    ) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        let done = format!("at({}).tags({tags:?}).set({})", code(&key), shown(&value));
        let seen = self.cache.at(&key).tags(tags.iter().copied()).set(value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn add(&self, key: impl Into<Key>, value: impl Into<Value>) -> Result<bool> {
        let (key, value) = (key.into(), value.into());
        let done = format!("add({}, {})", code(&key), shown(&value));
        let seen = self.cache.add(&key, value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn add_for(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        ttl: impl Into<Ttl>,
    ) -> Result<bool> {
        let (key, value, ttl) = (key.into(), value.into(), ttl.into());
        let done = format!("at({}).ttl({ttl:?}).add({})", code(&key), shown(&value));
        let seen = self.cache.at(&key).ttl(ttl).add(value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn add_tagged(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        tags: &[&str],
    ) -> Result<bool> {
        let (key, value) = (key.into(), value.into());
        let done = format!("at({}).tags({tags:?}).add({})", code(&key), shown(&value));
        let seen = self.cache.at(&key).tags(tags.iter().copied()).add(value).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn delete(&self, key: impl Into<Key>) -> Result<bool> {
        let key = key.into();
        let seen = self.cache.delete(&key).await;
        self.record(format_args!("delete({})", code(&key)), seen)
    }

    pub(crate) async fn touch(&self, key: impl Into<Key>, ttl: impl Into<Ttl>) -> Result<bool> {
        let (key, ttl) = (key.into(), ttl.into());
        let seen = self.cache.touch(&key, ttl).await;
        self.record(format_args!("touch({}, {ttl:?})", code(&key)), seen)
    }

    pub(crate) async fn contains(&self, key: impl Into<Key>) -> Result<bool> {
        let key = key.into();
        let seen = self.cache.contains(&key).await;
        self.record(format_args!("contains({})", code(&key)), seen)
    }

    pub(crate) async fn ttl(&self, key: impl Into<Key>) -> Result<Option<Ttl>> {
        let key = key.into();
        let seen = self.cache.ttl(&key).await;
        self.record(format_args!("ttl({})", code(&key)), seen)
    }

    pub(crate) async fn clear(&self) -> Result<()> {
        let seen = self.cache.clear().await;
        self.record(format_args!("clear()"), seen)
    }

    pub(crate) async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        let seen = self.cache.invalidate_tag(tag).await;
        self.record(format_args!("invalidate_tag({tag:?})"), seen)
    }

    pub(crate) async fn get_many(&self, keys: &[Key]) -> Result<Vec<Result<Option<Value>>>> {
        let seen = self.cache.get_many(keys).await.map(|all| {
            all.into_iter().map(|one| one.map(|found| found.map(|value| Value::clone(&value)))).collect()
        });
        self.record(format_args!("get_many([{} keys])", keys.len()), seen)
    }

    pub(crate) async fn set_many(&self, items: Vec<(Key, Value)>) -> Result<Vec<Result<()>>> {
        let done = format!("set_many([{} items])", items.len());
        let seen = self.cache.set_many(items).await;
        self.record(format_args!("{done}"), seen)
    }

    pub(crate) async fn delete_many(&self, keys: &[Key]) -> Result<Vec<Result<bool>>> {
        let seen = self.cache.delete_many(keys).await;
        self.record(format_args!("delete_many([{} keys])", keys.len()), seen)
    }

    pub(crate) async fn close(&self) -> Result<()> {
        let seen = self.cache.close().await;
        self.record(format_args!("close()"), seen)
    }

    /// The value and where it came from.
    pub(crate) async fn get_or_load<F, Fut, E>(
        &self,
        key: impl Into<Key>,
        loader: F,
    ) -> Result<(Value, Status)>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Value, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.load(key.into(), erased(loader)).await
    }

    async fn load(&self, key: Key, loader: Loader) -> Result<(Value, Status)> {
        let seen = self.cache.get_or_load(&key, loader).await.map(|fetched| value_and_status(&fetched));
        self.record(format_args!("get_or_load({}, loader)", code(&key)), seen)
    }

    /// The same with a life and tags of its own.
    pub(crate) async fn load_as<F, Fut, E>(
        &self,
        key: impl Into<Key>,
        ttl: impl Into<Ttl>,
        tags: &[&str],
        loader: F,
    ) -> Result<(Value, Status)>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Value, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.load_at(key.into(), ttl.into(), tags, erased(loader)).await
    }

    async fn load_at(&self, key: Key, ttl: Ttl, tags: &[&str], loader: Loader) -> Result<(Value, Status)> {
        let at = self.cache.at(&key).ttl(ttl).tags(tags.iter().copied());
        let seen = at.get_or_load(loader).await.map(|fetched| value_and_status(&fetched));
        self.record(format_args!("at({}).ttl({ttl:?}).tags({tags:?}).get_or_load(loader)", code(&key)), seen)
    }

    /// Records what a case did with [`cache`](Self::cache).
    pub(crate) fn note<T: Debug>(&self, done: std::fmt::Arguments<'_>, seen: &Result<T>) {
        self.log.add(format!("{}.{done}.await;  // {}", self.name, told(seen)));
    }

    fn record<T: Debug>(&self, done: std::fmt::Arguments<'_>, seen: Result<T>) -> Result<T> {
        self.note(done, &seen);
        seen
    }
}

/// Any loader, as one type: some five hundred cases would otherwise be five hundred copies of how a cache loads, which
/// took most of the time of building the suite.
type Loader = Box<dyn FnOnce() -> Loading + Send>;
type Loading = Pin<Box<dyn Future<Output = Result<Value, Box<dyn StdError + Send + Sync>>> + Send>>;

fn erased<F, Fut, E>(loader: F) -> Loader
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Value, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    Box::new(move || {
        let loading = loader();
        Box::pin(async move { loading.await.map_err(Into::into) })
    })
}

fn value_and_status(fetched: &Fetched<Value>) -> (Value, Status) {
    let status = fetched.status();
    (Value::clone(fetched), status)
}

/// A key as code.
fn code(key: &Key) -> String {
    let text = key.text();
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        format!("&Key::new({text:?})")
    } else {
        format!("&key /* {} */", brief(text))
    }
}

fn told<T: Debug>(seen: &Result<T>) -> String {
    match seen {
        Ok(value) => shown(value),
        Err(error) => format!("error: {error}"),
    }
}
