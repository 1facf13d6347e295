//! What a map is asked for.

use std::hash::Hash;

use equivalent::Equivalent;
use larder_core::{backend::Bound, key::OwnedStoreKey};

use crate::{gone::Gone, slot::Slot};

/// What a map can be searched for: a key that is owned, or a borrowed one that has the same hash.
pub trait Seek: Hash + Equivalent<OwnedStoreKey> {}

impl<Q: Hash + Equivalent<OwnedStoreKey>> Seek for Q {}

/// A bounded map of entries: how they are found, and which of them goes when there is no more room.
///
/// # Contract
/// - The entries never weigh more than the bound, or exceed it by no more than a few percent until [`settle`](Self::settle).
/// - Readers do not wait for each other.
/// - Nothing should be dropped while a lock is held that another operation takes: dropping a value runs the program's code,
///   which may use the store. What leaves goes to [`Gone`], or is returned.
/// - Writers of one key never meet: the store sees to that.
pub trait Map: Send + Sync + Sized + 'static {
    /// The name of the backend.
    const NAME: &'static str;
    /// What an entry costs in the map besides the text of its key and what [`Entry::weight`](larder_core::Entry::weight) counts, in bytes. Measured.
    const NODE: u64;
    /// Whether [`settle`](Self::settle) has work to do even when nothing expires.
    const SETTLES: bool = false;

    /// An empty map of this bound.
    fn new(bound: Bound) -> Self;

    /// The heaviest entry that is taken. In a map that counts entries, 1.
    fn largest(&self) -> u64;

    /// What is there, which counts as a use. The hot path: it should not allocate.
    fn get(&self, key: &impl Seek) -> Option<Slot>;

    /// What is there. It should not count as a use.
    fn peek(&self, key: &impl Seek) -> Option<Slot>;

    /// Puts this there, in place of what is there.
    fn insert(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone);

    /// Puts this in the place of what is there, and nowhere else; another form of the same entry. `false` if nothing is there.
    fn replace(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) -> bool;

    /// Takes out what is there.
    fn remove(&self, key: &impl Seek) -> Option<Slot>;

    /// Shows every entry that is there throughout, which is no use of it. Nobody waits for the whole of it.
    fn each(&self, visit: impl FnMut(&OwnedStoreKey, &Slot));

    /// How many entries there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they weigh together, with the map's own tables where the bound is in bytes.
    fn weight(&self) -> u64;

    /// Called after every write, when no lock is held.
    fn written(&self, gone: &mut Gone);

    /// Called about once a second, when no lock is held, once something was written that will expire or if the map
    /// [settles](Self::SETTLES).
    fn settle(&self, gone: &mut Gone) {
        self.written(gone);
    }
}
