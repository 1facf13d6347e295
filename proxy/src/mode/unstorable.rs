//! Keys whose answers could not be stored: a request for one does not wait for others, since it could not use their answer. A table of a fixed size; two that fall on one place forget each other, which costs a wait.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use larder::Key;

/// How long a key is remembered.
const MARKED: Duration = Duration::from_mins(2);
/// How many places there are.
const PLACES: usize = 8192;

/// The keys. A place holds the upper 32 bits of a hash and the second until which it is valid.
pub(super) struct Unstorable {
    places: Box<[AtomicU64]>,
    hasher: RandomState,
    begun: Instant,
}

impl Default for Unstorable {
    fn default() -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { places, hasher: RandomState::new(), begun: Instant::now() }
    }
}

impl Unstorable {
    fn place(&self, key: &Key) -> (Option<&AtomicU64>, u64) {
        let hash = self.hasher.hash_one(key.text());
        let place = usize::try_from(hash % PLACES as u64).unwrap_or(0);
        (self.places.get(place), hash & !u64::from(u32::MAX))
    }

    fn second(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    /// Nothing under this key could be stored.
    pub(super) fn add(&self, key: &Key) {
        let (place, hash) = self.place(key);
        let until = (self.second() + MARKED.as_secs()).min(u64::from(u32::MAX));
        place.into_iter().for_each(|place| place.store(hash | until, Ordering::Relaxed));
    }

    /// Something under this key can be stored.
    pub(super) fn remove(&self, key: &Key) {
        if let (Some(place), hash) = self.place(key) {
            let found = place.load(Ordering::Relaxed);
            if found & !u64::from(u32::MAX) == hash {
                let _ = place.compare_exchange(found, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// Whether nothing under this key could be stored lately.
    pub(super) fn has(&self, key: &Key) -> bool {
        let (place, hash) = self.place(key);
        let found = place.map_or(0, |place| place.load(Ordering::Relaxed));
        found & !u64::from(u32::MAX) == hash && found & u64::from(u32::MAX) > self.second()
    }
}

impl std::fmt::Debug for Unstorable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unstorable").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_and_forgotten() {
        let unstorable = Unstorable::default();
        let (a, b) = (Key::new("a"), Key::new("b"));
        assert!(!unstorable.has(&a));
        unstorable.add(&a);
        assert!(unstorable.has(&a) && !unstorable.has(&b));
        unstorable.remove(&b);
        assert!(unstorable.has(&a));
        unstorable.remove(&a);
        assert!(!unstorable.has(&a));
    }

    #[test]
    fn not_for_ever() {
        let mut unstorable = Unstorable::default();
        unstorable.add(&Key::new("a"));
        if let Some(earlier) = unstorable.begun.checked_sub(MARKED) {
            unstorable.begun = earlier;
            assert!(!unstorable.has(&Key::new("a")));
        }
    }
}
