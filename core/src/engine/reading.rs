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
    /// Makes it of what the store has under this key, or a near copy of it, at this time.
    fn of(
        kit: &Arc<Kit<T>>,
        key: &StoreKey<'_>,
        entry: Entry,
        is_near: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Self, Undecodable>> + Send;

    /// What a loader has made.
    fn made(fetched: Fetched<T>) -> Self;

    fn entry(&self) -> &Entry;

    /// The value, if it was decoded.
    fn fetched(&self) -> Option<Fetched<T>>;

    fn with_status(self, status: Status) -> Self;
}

impl<T: Value> Reading<T> for Fetched<T> {
    async fn of(
        kit: &Arc<Kit<T>>,
        key: &StoreKey<'_>,
        entry: Entry,
        is_near: bool,
        now: Timestamp,
    ) -> Result<Self, Undecodable> {
        fetched(kit, key, (entry, is_near), Status::Hit, now).await
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
}

/// An entry as it is.
#[derive(Debug)]
pub(crate) struct AsIs {
    pub(crate) entry: Entry,
    pub(crate) status: Status,
    pub(crate) is_near: bool,
}

impl<T: Value> Reading<T> for AsIs {
    async fn of(
        _: &Arc<Kit<T>>,
        _: &StoreKey<'_>,
        entry: Entry,
        is_near: bool,
        _: Timestamp,
    ) -> Result<Self, Undecodable> {
        Ok(Self { entry, status: Status::Hit, is_near })
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
}

/// Decodes an entry, which the store may keep under this key, or a near copy of it.
pub(crate) async fn fetched<T: Value>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
    (entry, is_near): (Entry, bool),
    status: Status,
    at: Timestamp,
) -> Result<Fetched<T>, Undecodable> {
    let read = read_value(kit, key, entry, is_near).await;
    match read {
        Ok((apart, entry)) => Ok(Fetched::new(apart, entry, status, at).near(is_near)),
        Err((why, entry)) => {
            unreadable(kit, key, &entry, &why);
            Err(why)
        }
    }
}

/// The value of an entry: the entry's own, or else what is given beside it.
async fn read_value<T: Value>(
    kit: &Arc<Kit<T>>,
    key: &StoreKey<'_>,
    entry: Entry,
    is_near: bool,
) -> Result<(Option<Arc<T>>, Entry), (Undecodable, Entry)> {
    // Copies are decoded when they are found near for the first time, and not for the first read, which was far: most are
    // never found.
    if kit.store.is_chain() && !kit.store.is_here() {
        match kit.encoding.decoded(&entry).await {
            Ok(None) => {}
            Ok(Some(value)) if is_near => return Ok((None, kit.store.decoded(key, &entry, value))),
            Ok(Some(value)) => return Ok((Some(Arc::new(value)), entry)),
            Err(why) => return Err((why, entry)),
        }
    }
    let forms = entry.forms();
    let apart = kit.encoding.value(&entry).await;
    kit.store.weigh_again(key, &entry, forms);
    match apart {
        Ok(apart) => Ok((apart, entry)),
        Err(why) => Err((why, entry)),
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
