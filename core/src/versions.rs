//! The versions of tags and namespaces whose entries only this process sees.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{key::OwnedStoreKey, random};

/// How many invalidated tags are remembered one by one. What it bounds is memory.
const MAX_TAGS: usize = 65_536;

/// The versions of tags and namespaces, in this process. An in-process backend holds one beside its entries.
///
/// Invalidating gives a tag a new version; an entry remembers the versions it was written under and is dead
/// when one of them is another now. There is no clock in it and no list of the entries of a tag. When more
/// than 65 536 tags have been invalidated, all are forgotten at once by raising the version that a tag has
/// which was never invalidated: that kills every tagged entry and can bring none back.
#[derive(Debug)]
pub struct Versions {
    /// Changes whenever a version does, so that entries need not be checked tag by tag on every read.
    epoch: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    next: u64,
    /// The version of every tag that is not in `tags`.
    floor: u64,
    tags: HashMap<OwnedStoreKey, u64>,
    /// Namespaces that were cleared. Never forgotten: there are as many as the program has names for.
    namespaces: HashMap<OwnedStoreKey, u64>,
}

impl Default for Versions {
    fn default() -> Self {
        let floor = random::unique();
        let table =
            Table { next: floor.wrapping_add(1), floor, tags: HashMap::new(), namespaces: HashMap::new() };
        Self { epoch: AtomicU64::new(1), table: Mutex::new(table) }
    }
}

impl Versions {
    /// Versions of things none of which was invalidated yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that changes whenever any version does; never zero.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The version of a tag or, when `namespace`, of a whole namespace.
    pub(crate) fn get(&self, key: &OwnedStoreKey, namespace: bool) -> u64 {
        let table = self.lock();
        if namespace { table.namespaces.get(key) } else { table.tags.get(key) }
            .copied()
            .unwrap_or(if namespace { 0 } else { table.floor })
    }

    /// A mark in time, for [`is_since`](Self::is_since).
    pub(crate) fn mark(&self) -> u64 {
        self.lock().next
    }

    /// Whether this version was given after the mark was taken.
    pub(crate) fn is_since(version: u64, mark: u64) -> bool {
        // Versions are given in order from a random start, and never half of all numbers.
        version.wrapping_sub(mark) < 1 << 63
    }

    /// Gives it a new version.
    pub(crate) fn bump(&self, key: OwnedStoreKey, namespace: bool) {
        let mut table = self.lock();
        let version = table.next;
        table.next = version.wrapping_add(1);
        if namespace {
            table.namespaces.insert(key, version);
        } else {
            if table.tags.len() >= MAX_TAGS {
                table.tags.clear();
                table.floor = table.next;
                table.next = table.next.wrapping_add(1);
            }
            table.tags.insert(key, version);
        }
        // After the table, and before the lock is given back: who sees the new epoch sees the new version.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, Namespace, StoreKey};

    fn key(name: &str) -> OwnedStoreKey {
        let namespace = Namespace::new("n", 0).unwrap();
        StoreKey::new(&namespace, &Key::new(name)).to_owned()
    }

    #[test]
    fn forgetting_tags_revives_nothing() {
        let versions = Versions::new();
        let never_invalidated = versions.get(&key("quiet"), false);
        versions.bump(key("loud"), false);
        let loud = versions.get(&key("loud"), false);
        assert_eq!(versions.get(&key("quiet"), false), never_invalidated);
        for n in 0..MAX_TAGS {
            versions.bump(key(&format!("t{n}")), false);
        }
        assert_ne!(versions.get(&key("quiet"), false), never_invalidated);
        assert_ne!(versions.get(&key("loud"), false), loud);
        assert!(versions.lock().tags.len() <= MAX_TAGS);
    }

    #[test]
    fn a_mark_tells_what_was_invalidated_since() {
        let versions = Versions::new();
        versions.bump(key("before"), false);
        let mark = versions.mark();
        versions.bump(key("after"), false);
        let is_since = |name| Versions::is_since(versions.get(&key(name), false), mark);
        assert!(!is_since("before") && !is_since("never") && is_since("after"));
        for n in 0..MAX_TAGS {
            versions.bump(key(&format!("t{n}")), false);
        }
        // Forgotten: perhaps, so yes.
        assert!(is_since("never"));
    }

    #[test]
    fn the_epoch_moves_with_every_version() {
        let versions = Versions::new();
        let before = versions.epoch();
        versions.bump(key("n"), true);
        assert_ne!(versions.epoch(), before);
        assert_ne!(versions.get(&key("n"), true), 0);
    }
}
