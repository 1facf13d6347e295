//! An entry as its reader wants it: decoded, or as it is.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    fetched::{Fetched, Status},
    kit::Kit,
    own,
};
use crate::{clock::Timestamp, entry::Entry, key::StoreKey, miss::Undecodable, value::Value};

/// What a read makes of an entry.
pub(crate) trait Reading<T>: Sized + Send {
    /// Makes it of what the store has under this key, at this time.
    fn of(
        kit: &Arc<Kit<T>>,
        key: &StoreKey<'_>,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Self, Undecodable>> + Send;

    /// What a loader has made.
    fn made(fetched: Fetched<T>) -> Self;

    fn entry(&self) -> &Entry;

    /// The value, if it was decoded.
    fn fetched(&self) -> Option<Fetched<T>>;

    fn with_status(self, status: Status) -> Self;

    /// The same out of a near copy, or not.
    fn near(self, is_near: bool) -> Self;
}

impl<T: Value> Reading<T> for Fetched<T> {
    async fn of(
        kit: &Arc<Kit<T>>,
        key: &StoreKey<'_>,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Self, Undecodable> {
        fetched(kit, key, entry, Status::Hit, now).await
    }

    fn made(fetched: Self) -> Self {
        fetched
    }

    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn fetched(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    fn near(self, is_near: bool) -> Self {
        Self::near(self, is_near)
    }
}

/// An entry as it is.
#[derive(Debug)]
pub(crate) struct AsIs {
    pub(crate) entry: Entry,
    pub(crate) status: Status,
    pub(crate) is_near: bool,
}

impl<T: Value> Reading<T> for AsIs {
    async fn of(_: &Arc<Kit<T>>, _: &StoreKey<'_>, entry: Entry, _: Timestamp) -> Result<Self, Undecodable> {
        Ok(Self { entry, status: Status::Hit, is_near: false })
    }

    fn made(fetched: Fetched<T>) -> Self {
        Self { is_near: fetched.is_near(), status: fetched.status, entry: fetched.entry }
    }

    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn fetched(&self) -> Option<Fetched<T>> {
        None
    }

    fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    fn near(mut self, is_near: bool) -> Self {
        self.is_near = is_near;
        self
    }
}

/// Decodes an entry, which the store may keep under this key.
pub(crate) async fn fetched<T: Value>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
    entry: Entry,
    status: Status,
    at: Timestamp,
) -> Result<Fetched<T>, Undecodable> {
    let forms = entry.forms();
    let apart = kit.encoding.value(&entry).await;
    kit.store.weigh_again(key, &entry, forms);
    match apart {
        Ok(apart) => Ok(Fetched::new(apart, entry, status, at)),
        Err(why) => {
            unreadable(kit, key, &entry, &why);
            Err(why)
        }
    }
}

/// Says once, loudly, that values of this cache's type do not come back: every read of them is a miss from then on.
fn unreadable<T: Value>(kit: &Kit<T>, key: &StoreKey<'_>, entry: &Entry, why: &Undecodable) {
    if own::has_written(entry.meta().revision) && !kit.told_unreadable.swap(true, Relaxed) {
        let format = entry.encoded().and_then(|body| kit.encoding.formats.by_id(body.format));
        tracing::error!(
            cache = %kit.name,
            key = key.key().text(),
            format = format.map_or("unknown", |format| format.name()),
            %why,
            "this process wrote an entry that it cannot read back, so every read of such a value is a miss: its type does not \
             survive the cache's format; use another format, or another type"
        );
    }
}
