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

/// What an operation comes to. As a box: else the compiler would follow each of the thousands of operations in the cases
/// down into the engine to see that it can be sent to another thread, which took half of the time of building the suite.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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

    pub(crate) fn get(&self, key: impl Into<Key>) -> Answer<'_, Result<Option<Value>>> {
        let key = key.into();
        Box::pin(async move {
            let seen = self.cache.get(&key).await.map(|found| found.map(|value| Value::clone(&value)));
            self.record(format_args!("get({})", code(&key)), seen)
        })
    }

    /// The value, or the reason why there is none.
    pub(crate) fn look_up(&self, key: impl Into<Key>) -> Answer<'_, Result<Result<Value, Miss>>> {
        let key = key.into();
        Box::pin(async move {
            let seen = self.cache.look_up(&key).await.map(|found| match found {
                Found::Hit(value) => Ok(Value::clone(&value)),
                Found::Miss(miss) => Err(miss),
            });
            self.record(format_args!("look_up({})", code(&key)), seen)
        })
    }

    pub(crate) fn set(&self, key: impl Into<Key>, value: impl Into<Value>) -> Answer<'_, Result<()>> {
        let (key, value) = (key.into(), value.into());
        Box::pin(async move {
            let done = format!("set({}, {})", code(&key), shown(&value));
            let seen = self.cache.set(&key, value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn set_for(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        ttl: impl Into<Ttl>,
    ) -> Answer<'_, Result<()>> {
        let (key, value, ttl) = (key.into(), value.into(), ttl.into());
        Box::pin(async move {
            let done = format!("at({}).ttl({ttl:?}).set({})", code(&key), shown(&value));
            let seen = self.cache.at(&key).ttl(ttl).set(value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn set_tagged<'a>(
        &'a self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        tags: &'a [&'a str],
    ) -> Answer<'a, Result<()>> {
        let (key, value) = (key.into(), value.into());
        Box::pin(async move {
            let done = format!("at({}).tags({tags:?}).set({})", code(&key), shown(&value));
            let seen = self.cache.at(&key).tags(tags.iter().copied()).set(value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn add(&self, key: impl Into<Key>, value: impl Into<Value>) -> Answer<'_, Result<bool>> {
        let (key, value) = (key.into(), value.into());
        Box::pin(async move {
            let done = format!("add({}, {})", code(&key), shown(&value));
            let seen = self.cache.add(&key, value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn add_for(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        ttl: impl Into<Ttl>,
    ) -> Answer<'_, Result<bool>> {
        let (key, value, ttl) = (key.into(), value.into(), ttl.into());
        Box::pin(async move {
            let done = format!("at({}).ttl({ttl:?}).add({})", code(&key), shown(&value));
            let seen = self.cache.at(&key).ttl(ttl).add(value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn add_tagged<'a>(
        &'a self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        tags: &'a [&'a str],
    ) -> Answer<'a, Result<bool>> {
        let (key, value) = (key.into(), value.into());
        Box::pin(async move {
            let done = format!("at({}).tags({tags:?}).add({})", code(&key), shown(&value));
            let seen = self.cache.at(&key).tags(tags.iter().copied()).add(value).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn delete(&self, key: impl Into<Key>) -> Answer<'_, Result<bool>> {
        let key = key.into();
        Box::pin(async move {
            let seen = self.cache.delete(&key).await;
            self.record(format_args!("delete({})", code(&key)), seen)
        })
    }

    pub(crate) fn touch(&self, key: impl Into<Key>, ttl: impl Into<Ttl>) -> Answer<'_, Result<bool>> {
        let (key, ttl) = (key.into(), ttl.into());
        Box::pin(async move {
            let seen = self.cache.touch(&key, ttl).await;
            self.record(format_args!("touch({}, {ttl:?})", code(&key)), seen)
        })
    }

    pub(crate) fn contains(&self, key: impl Into<Key>) -> Answer<'_, Result<bool>> {
        let key = key.into();
        Box::pin(async move {
            let seen = self.cache.contains(&key).await;
            self.record(format_args!("contains({})", code(&key)), seen)
        })
    }

    pub(crate) fn ttl(&self, key: impl Into<Key>) -> Answer<'_, Result<Option<Ttl>>> {
        let key = key.into();
        Box::pin(async move {
            let seen = self.cache.ttl(&key).await;
            self.record(format_args!("ttl({})", code(&key)), seen)
        })
    }

    pub(crate) fn clear(&self) -> Answer<'_, Result<()>> {
        Box::pin(async move {
            let seen = self.cache.clear().await;
            self.record(format_args!("clear()"), seen)
        })
    }

    pub(crate) fn invalidate_tag<'a>(&'a self, tag: &'a str) -> Answer<'a, Result<()>> {
        Box::pin(async move {
            let seen = self.cache.invalidate_tag(tag).await;
            self.record(format_args!("invalidate_tag({tag:?})"), seen)
        })
    }

    pub(crate) fn get_many<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Result<Vec<Result<Option<Value>>>>> {
        Box::pin(async move {
            let seen = self.cache.get_many(keys).await.map(|all| {
                all.into_iter().map(|one| one.map(|found| found.map(|value| Value::clone(&value)))).collect()
            });
            self.record(format_args!("get_many([{} keys])", keys.len()), seen)
        })
    }

    pub(crate) fn set_many(&self, items: Vec<(Key, Value)>) -> Answer<'_, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let done = format!("set_many([{} items])", items.len());
            let seen = self.cache.set_many(items).await;
            self.record(format_args!("{done}"), seen)
        })
    }

    pub(crate) fn delete_many<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Result<Vec<Result<bool>>>> {
        Box::pin(async move {
            let seen = self.cache.delete_many(keys).await;
            self.record(format_args!("delete_many([{} keys])", keys.len()), seen)
        })
    }

    pub(crate) fn close(&self) -> Answer<'_, Result<()>> {
        Box::pin(async move {
            let seen = self.cache.close().await;
            self.record(format_args!("close()"), seen)
        })
    }

    /// The value and where it came from.
    pub(crate) fn get_or_load<F, Fut, E>(
        &self,
        key: impl Into<Key>,
        loader: F,
    ) -> Answer<'_, Result<(Value, Status)>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Value, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.load(key.into(), erased(loader))
    }

    fn load(&self, key: Key, loader: Loader) -> Answer<'_, Result<(Value, Status)>> {
        Box::pin(async move {
            let seen = self.cache.get_or_load(&key, loader).await.map(|fetched| value_and_status(&fetched));
            self.record(format_args!("get_or_load({}, loader)", code(&key)), seen)
        })
    }

    /// The same with a life and tags of its own.
    pub(crate) fn load_as<'a, F, Fut, E>(
        &'a self,
        key: impl Into<Key>,
        ttl: impl Into<Ttl>,
        tags: &'a [&'a str],
        loader: F,
    ) -> Answer<'a, Result<(Value, Status)>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Value, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.load_at(key.into(), ttl.into(), tags, erased(loader))
    }

    fn load_at<'a>(
        &'a self,
        key: Key,
        ttl: Ttl,
        tags: &'a [&'a str],
        loader: Loader,
    ) -> Answer<'a, Result<(Value, Status)>> {
        Box::pin(async move {
            let at = self.cache.at(&key).ttl(ttl).tags(tags.iter().copied());
            let seen = at.get_or_load(loader).await.map(|fetched| value_and_status(&fetched));
            self.record(
                format_args!("at({}).ttl({ttl:?}).tags({tags:?}).get_or_load(loader)", code(&key)),
                seen,
            )
        })
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
