//! Warm start: a clean close leaves the entries that are used most, and the next start reads them, as stale.
//!
//! Nothing that was deleted or invalidated comes back by it:
//! - Only a clean close leaves one, after the last write and the last invalidation: later ones fail.
//! - Whoever reads it removes it first. A store that closes after another has begun with the same path leaves none.
//! - What it holds was written under tags and namespaces that stood; from the reading on it is invalidated like anything else.
//! - Its entries are stale, whatever their TTL: they are served while a load runs, or if one fails, where the cache's policy has
//!   such windows, and otherwise not at all. Their TTL goes on while nobody runs.

mod file;
mod format;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use larder_core::{
    Clock, Entry,
    clock::Timestamp,
    entry::{Kind, Lifetime, Meta, Stamp},
    key::OwnedStoreKey,
    versions::Versions,
};
use tokio::sync::oneshot;

use self::{
    file::SnapshotFile,
    format::{Reading, Record, Writer},
};
use crate::{map::Map, slot::Slot, table::Table};

/// How long entries are encoded for, and how long they are read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is configured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
}

/// The snapshot that one store may leave.
#[derive(Debug)]
pub(crate) struct Snapshot {
    settings: Settings,
    /// By which moments are written down that another process reads.
    wall: Clock,
    /// Gone once the store was closed.
    file: Mutex<Option<SnapshotFile>>,
}

impl Snapshot {
    /// Claims the path; `None`, and a line in the log, if that is not possible.
    pub(crate) fn begin(settings: Settings, wall: Clock) -> Option<Self> {
        match SnapshotFile::claim(&settings.path) {
            Ok(file) => Some(Self { settings, wall, file: Mutex::new(Some(file)) }),
            Err(error) => {
                let path = settings.path.display();
                tracing::warn!(%path, %error, "snapshots are off: the folder of the path cannot be written to");
                None
            }
        }
    }

    /// Reads what is there into an empty store, as stale, and removes it.
    pub(crate) fn restore<M: Map>(&self, table: &Table<M>, versions: &Versions) {
        let Settings { path, max_bytes, max_age } = &self.settings;
        let path = path.display();
        let Some(file) = self.file() else { return };
        let bytes = match file.take(*max_bytes) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%path, %error, "the snapshot cannot be read; the store starts empty");
                return;
            }
        };
        let reading = match Reading::of(&bytes) {
            Ok(reading) => reading,
            Err(why) => {
                tracing::warn!(%path, why, "the snapshot is damaged; the store starts empty");
                return;
            }
        };
        let (now, saved) = (self.wall.now(), Timestamp::from_millis(reading.saved));
        let elapsed = now.since(saved);
        if saved > now || elapsed > *max_age {
            let age = if saved > now { "in the future".to_owned() } else { format!("{elapsed:?} ago") };
            tracing::warn!(%path, written = age, "the snapshot is not current; the store starts empty");
            return;
        }
        let (begun, mut restored, mut left_out) = (Instant::now(), 0_u64, 0_u64);
        for record in reading.records().flatten() {
            if begun.elapsed() > PATIENCE {
                tracing::warn!(%path, "reading the snapshot took too long; the rest of it is left out");
                break;
            }
            let entry = restored_entry(&record, elapsed, table.clock().now(), versions);
            if entry.is_some_and(|(key, entry, ends)| table.restore(key, entry, ends)) {
                restored += 1;
            } else {
                left_out += 1;
            }
        }
        tracing::info!(%path, restored, left_out, "the store starts with a snapshot");
    }

    /// Leaves what a closed store holds. It is the last thing that is done with it, once.
    pub(crate) async fn leave<M: Map>(&self, table: &Table<M>, versions: &Versions) {
        let taken = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(file) = taken else { return };
        let path = self.settings.path.display().to_string();
        let saved = self.wall.now().as_millis();
        let limit = usize::try_from(self.settings.max_bytes).unwrap_or(usize::MAX);
        let (begun, mut entries, mut left_out) = (Instant::now(), 0_u64, 0_u64);
        let mut writer = Writer::new(saved, limit);
        for (key, slot) in table.by_warmth() {
            if begun.elapsed() > PATIENCE {
                tracing::warn!(%path, "writing the snapshot took too long; the rest is left out");
                break;
            }
            let written = match Writable::of(&key, &slot, table.clock().now(), versions) {
                Some(writable) => writable.write(&mut writer).await,
                None => false,
            };
            if written { entries += 1 } else { left_out += 1 }
        }
        let bytes = writer.finish();
        let len = bytes.len();
        match elsewhere(move || file.leave(&bytes)).await {
            Some(Ok(true)) => tracing::info!(%path, entries, left_out, bytes = len, "a snapshot was written"),
            Some(Ok(false)) => {
                tracing::info!(%path, "no snapshot was written: another store has started with the same path");
            }
            Some(Err(error)) => tracing::warn!(%path, %error, "no snapshot was written: writing it failed"),
            None => tracing::warn!(%path, "no snapshot was written: there is no thread to write it"),
        }
    }

    fn file(&self) -> Option<SnapshotFile> {
        // Nothing in here can panic half-way through a change.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An entry that may be written.
struct Writable<'a> {
    key: &'a OwnedStoreKey,
    /// A copy of its own: the bytes that are made for the snapshot do not stay in memory.
    entry: Entry,
    record: Record<'a>,
}

impl<'a> Writable<'a> {
    /// `None` if it is not to come back: it is over, invalidated, no value, or a counter.
    fn of(key: &'a OwnedStoreKey, slot: &Slot, now: Timestamp, versions: &Versions) -> Option<Self> {
        let Slot { entry, ends, .. } = slot;
        let (namespace, parsed) = OwnedStoreKey::parse(key.text(), key.whole().copied())?;
        let meta = entry.meta();
        let stands = slot.is_live(now) && versions.stands(&namespace, &meta.stamps);
        // A counter's key has the text of an entry's, and is not equal to it.
        if !stands || entry.kind() != Kind::Value || parsed != *key {
            return None;
        }
        let record = Record {
            key: key.text(),
            whole: key.whole().copied(),
            age: now.since(meta.created),
            fresh_for: signed(meta.lifetime.fresh_until, now),
            lives_for: (*ends != Timestamp::NEVER).then(|| ends.since(now)),
            load_cost: meta.load_cost(),
            slides: meta.slides(),
            scopes: meta.stamps.iter().map(|Stamp { scope, .. }| scope.clone()).collect(),
            user: Vec::new(),
            body: format::Encoded { bytes: &[], format: 0, codec: 0, dictionary: 0, raw_len: 0 },
        };
        Some(Self { key, entry: entry.with_meta(meta.clone()), record })
    }

    /// `false` if it cannot be encoded, or does not fit.
    async fn write(self, writer: &mut Writer) -> bool {
        let body = match self.entry.body().await {
            Ok(body) => body,
            Err(error) => {
                tracing::debug!(key = self.key.text(), %error, "not in the snapshot: it cannot be encoded");
                return false;
            }
        };
        let meta = self.entry.meta();
        let user = meta.all_user().iter().map(|(name, value)| (&**name, &**value)).collect();
        writer.add(&Record { user, body: body.into(), ..self.record })
    }
}

/// The entry of a record that was written so long ago, and when it ends. `None` if it is over, or no entry.
fn restored_entry(
    record: &Record<'_>,
    elapsed: Duration,
    now: Timestamp,
    versions: &Versions,
) -> Option<(OwnedStoreKey, Entry, Timestamp)> {
    let (namespace, key) = OwnedStoreKey::parse(record.key, record.whole)?;
    let stamps = versions.stamps_of(&namespace, &record.scopes)?;
    let passed = i64::try_from(elapsed.as_millis()).ok()?;
    let ends = match record.lives_for {
        None => Timestamp::NEVER,
        Some(left) => now.plus(left.checked_sub(elapsed).filter(|left| !left.is_zero())?),
    };
    // Never fresh, and as stale as it was, or would be by now.
    let stale_for = record.fresh_for.map_or(0, |left| left.saturating_sub(passed).min(0).unsigned_abs());
    let ago = |millis: u64| now.as_millis().checked_sub(millis).map(Timestamp::from_millis);
    let age = record.age.checked_add(elapsed)?;
    let created = ago(u64::try_from(age.as_millis()).ok()?)?;
    let lifetime = Lifetime::new(ago(stale_for)?, ends);
    let meta = Meta::new(created, lifetime)
        .with_load_cost(record.load_cost)
        .with_slides(record.slides)
        .with_stamps(stamps)
        .with_user(record.user_meta());
    Some((key, Entry::from_body(record.body.to_body(), meta), ends))
}

/// Milliseconds from now to then, negative if it is over; `None` for never.
fn signed(then: Timestamp, now: Timestamp) -> Option<i64> {
    let millis = |timestamp: Timestamp| i64::try_from(timestamp.as_millis()).unwrap_or(i64::MAX);
    (then != Timestamp::NEVER).then(|| millis(then).saturating_sub(millis(now)))
}

/// Does something that waits for a disk on a thread that serves no requests.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    let spawned =
        thread::Builder::new().name("larder-snapshot".into()).spawn(move || drop(done.send(work())));
    spawned.ok()?;
    result.await.ok()
}
