//! What is noted of one request while it is answered, by whoever has a part in it. The notes go along in the extensions of the
//! request, and with it to the upstream, whoever waits for whom.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Extensions;
use larder::Key;

/// Random, so that nobody who sees a hash finds out what is in a key by trying: who asks is a part of it.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What is noted of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    key: OnceLock<u64>,
    // In nanoseconds.
    upstream: AtomicU64,
    saved: AtomicU64,
}

impl Notes {
    /// Notes the key of what is asked for.
    pub(crate) fn key(extensions: &Extensions, key: &Key) {
        if let Some(notes) = extensions.get::<Self>() {
            let _ = notes.0.key.set(hash(key.text().as_bytes()));
        }
    }

    /// Notes how long the upstream took for an answer that is now taken from the store.
    pub(crate) fn saved(extensions: &Extensions, time: Duration) {
        if let Some(notes) = extensions.get::<Self>() {
            notes.0.saved.fetch_add(nanos(time), Ordering::Relaxed);
        }
    }

    /// Notes how long the upstream took for this request.
    pub(crate) fn took(&self, time: Duration) {
        self.0.upstream.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// A hash of the key, if the request has one: the same for the same key until the process ends.
    pub(crate) fn hash(&self) -> Option<u64> {
        self.0.key.get().copied()
    }

    /// How long the upstream took.
    pub(crate) fn upstream(&self) -> Duration {
        Duration::from_nanos(self.0.upstream.load(Ordering::Relaxed))
    }

    /// How long the upstream would have taken.
    pub(crate) fn saving(&self) -> Duration {
        Duration::from_nanos(self.0.saved.load(Ordering::Relaxed))
    }
}

/// A hash that is the same until the process ends, and says nothing of what it is made of.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    SEED.hash_one(bytes)
}

/// In nanoseconds, of which a `u64` has enough for five centuries.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_is_noted() {
        let mut extensions = Extensions::new();
        let notes = Notes::default();
        extensions.insert(notes.clone());
        let key = Key::new("a").part("b");
        Notes::key(&extensions, &key);
        Notes::saved(&extensions.clone(), Duration::from_millis(2));
        notes.clone().took(Duration::from_millis(3));
        assert_eq!(notes.hash(), Some(hash(key.text().as_bytes())));
        assert_eq!((notes.saving(), notes.upstream()), (Duration::from_millis(2), Duration::from_millis(3)));
        // Where nobody takes notes, nothing happens.
        Notes::key(&Extensions::new(), &key);
    }
}
