//! What a loader may know, and what it may answer beyond a value.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::fetched::Fetched;
use crate::{key::Key, ttl::Ttl};

/// What a loader receives. Given to [`CallBuilder::get_or_load_with`](crate::cache::CallBuilder::get_or_load_with).
pub struct LoadContext<T> {
    pub(crate) key: Key,
    pub(crate) old: Option<Fetched<T>>,
}

impl<T> LoadContext<T> {
    /// The key that is asked for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The value that was there and is stale or about to be, with its metadata: for conditional requests, such
    /// as one with an `ETag`. The answer may then be [`Loaded::unchanged`].
    pub fn old(&self) -> Option<&Fetched<T>> {
        self.old.as_ref()
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for LoadContext<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadContext").field("key", &self.key).field("old", &self.old).finish()
    }
}

/// What a loader answers.
#[must_use]
pub struct Loaded<T> {
    pub(crate) what: What<T>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) user: Vec<(Arc<str>, Bytes)>,
    pub(crate) tags: Vec<Arc<str>>,
}

pub(crate) enum What<T> {
    Value(T),
    Negative(T),
    NotStored(T),
    Unchanged,
}

impl<T> Loaded<T> {
    /// A value, to be stored as the call and the policy say.
    pub fn new(value: T) -> Self {
        Self::of(What::Value(value))
    }

    /// A value that says "there is none", such as the `None` of a cache of options. It lives for the policy's
    /// [`negative_ttl`](crate::cache::Policy::negative_ttl).
    pub fn negative(value: T) -> Self {
        Self::of(What::Negative(value))
    }

    /// A value for those who wait, and for nobody else.
    pub fn not_stored(value: T) -> Self {
        Self::of(What::NotStored(value))
    }

    /// The [old value](LoadContext::old) is still right: it begins a new life, without being written in full
    /// where the store can do that. An error if there is none.
    pub fn unchanged() -> Self {
        Self::of(What::Unchanged)
    }

    fn of(what: What<T>) -> Self {
        Self { what, ttl: None, user: Vec::new(), tags: Vec::new() }
    }

    /// How long the value lives, in place of what the call and the policy say.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// Stores the value under this tag, beside those that the call names: for tags that only the value tells, such as
    /// the author of an article. As [`CallBuilder::tag`](crate::cache::CallBuilder::tag).
    ///
    /// A tag of which the call did not know may have been invalidated while the loader ran. In memory that is known tag by
    /// tag; on a shared store the value is not stored when any tag of the namespace was invalidated meanwhile, and two
    /// round trips are needed to know.
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Puts a small piece of data beside the value, such as an `ETag`, as
    /// [`CallBuilder::user_meta`](crate::cache::CallBuilder::user_meta) does.
    pub fn user_meta(mut self, name: impl Into<Arc<str>>, data: impl Into<Bytes>) -> Self {
        self.user.push((name.into(), data.into()));
        self
    }
}

impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Value(_) => "value",
            What::Negative(_) => "negative",
            What::NotStored(_) => "not stored",
            What::Unchanged => "unchanged",
        };
        f.debug_struct("Loaded").field("what", &what).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
