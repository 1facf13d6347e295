//! What makes values: a caller's loader, for one key or for several.

use std::{
    collections::HashMap,
    error::Error as StdError,
    sync::{Mutex, PoisonError},
};

use super::{
    Few,
    fetched::Fetched,
    loaded::{LoadContext, Loaded},
};
use crate::{key::Key, value::Value};

/// The error of a caller's loader, whatever its type.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// One key that is to be loaded, and what there is in the meantime.
pub(crate) type Asked<T> = (Key, Option<Fetched<T>>);

/// What makes values. One answer for each that is asked for, in order; `None` for one that was left out.
pub(crate) trait Loader<T>: Send + Sized + 'static {
    /// Whether it may name tags.
    const NAMES_TAGS: bool;
    /// Whether it looks at what is asked for; if not, it is given nothing.
    const ASKS: bool = true;

    fn load(
        self,
        asked: Few<Asked<T>>,
    ) -> impl Future<Output = Result<Few<Option<Loaded<T>>>, BoxError>> + Send;

    /// The same once more, if it can be called for some keys now and for others later.
    fn again(&self) -> Option<Self> {
        None
    }
}

/// A loader that knows nothing and answers a value.
pub(crate) struct Plain<F>(pub(crate) F);

impl<T, F, Fut, E> Loader<T> for Plain<F>
where
    T: Value,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
    E: Into<BoxError>,
{
    const NAMES_TAGS: bool = false;
    const ASKS: bool = false;

    async fn load(self, _: Few<Asked<T>>) -> Result<Few<Option<Loaded<T>>>, BoxError> {
        let value = (self.0)().await.map_err(Into::into)?;
        Ok(Few::from_buf([Some(Loaded::new(value))]))
    }
}

/// A loader that receives what is known and may answer more than a value.
pub(crate) struct Knowing<F>(pub(crate) F);

impl<T, F, Fut, E> Loader<T> for Knowing<F>
where
    T: Value,
    F: FnOnce(LoadContext<T>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<T>, E>> + Send,
    E: Into<BoxError>,
{
    const NAMES_TAGS: bool = true;

    async fn load(self, mut asked: Few<Asked<T>>) -> Result<Few<Option<Loaded<T>>>, BoxError> {
        let Some((key, old)) = asked.pop() else { return Ok(Few::new()) };
        let loaded = (self.0)(LoadContext { key, old }).await.map_err(Into::into)?;
        Ok(Few::from_buf([Some(loaded)]))
    }
}

/// A loader of several keys, which answers with those that it found.
pub(crate) struct Several<F>(pub(crate) F);

impl<T, F, Fut, L, E> Loader<T> for Several<F>
where
    T: Value,
    F: FnOnce(Vec<Key>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<L, E>> + Send,
    L: IntoIterator<Item = (Key, T)> + Send,
    L::IntoIter: Send,
    E: Into<BoxError>,
{
    const NAMES_TAGS: bool = false;

    async fn load(self, asked: Few<Asked<T>>) -> Result<Few<Option<Loaded<T>>>, BoxError> {
        let keys: Vec<Key> = asked.into_iter().map(|(key, _)| key).collect();
        let made = (self.0)(keys.clone()).await.map_err(Into::into)?;
        let mut made: HashMap<Key, T> = made.into_iter().collect();
        Ok(keys.iter().map(|key| made.remove(key).map(Loaded::new)).collect())
    }

    fn again(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }
}

/// A loader that waits to be called: by the load that was begun for it or, should that vanish before, by its caller.
pub(crate) struct Slot<L>(Mutex<Option<L>>);

impl<L> Slot<L> {
    pub(crate) fn new(loader: L) -> Self {
        Self(Mutex::new(Some(loader)))
    }

    /// The loader, if it was not called yet.
    pub(crate) fn take(&self) -> Option<L> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// One for some keys, so that there is still one for others.
    pub(crate) fn again<T>(&self) -> Option<L>
    where
        L: Loader<T>,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Loader::again)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
