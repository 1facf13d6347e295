//! Which writes have reached all nodes, and when.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::kernel::Moment;

/// A write of a node.
#[derive(Debug)]
struct Write {
    key: String,
    version: u64,
    begun: Moment,
}

/// What was changed: a key, and the value that is there now if it is one.
pub(super) type Change = (String, Option<u64>);

/// What one turn of the server has changed under a prefix, on its way to the listeners.
#[derive(Debug)]
pub(super) struct News {
    pub(super) keys: Vec<String>,
    writes: Vec<Write>,
    /// How many listeners have not heard.
    left: AtomicUsize,
}

#[derive(Debug, Default)]
struct Pages {
    /// By key and version.
    begun: HashMap<Change, Moment>,
    /// The version of each key that all nodes know.
    floors: HashMap<String, u64>,
    took: Vec<Moment>,
}

/// When each write began, and when all nodes had heard of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Pages>);

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node begins to write this version.
    pub(crate) fn begin(&self, key: &str, version: u64, now: Moment) {
        self.pages().begun.insert((key.to_owned(), Some(version)), now);
    }

    /// The version that every node must have from now on.
    pub(crate) fn floor(&self, key: &str) -> u64 {
        self.pages().floors.get(key).copied().unwrap_or(0)
    }

    /// From the beginning of a write to the last node that heard of it, for all writes since this was asked last.
    pub(crate) fn take(&self) -> Vec<Moment> {
        std::mem::take(&mut self.pages().took)
    }

    /// This has changed, and so many listeners are told. Where others do not listen, it is not waited for.
    pub(super) fn news(&self, changed: Vec<Change>, (listeners, all): (usize, bool)) -> News {
        let mut pages = self.pages();
        let mut writes = Vec::new();
        for change in &changed {
            if let (Some(begun), Some(version), true) = (pages.begun.remove(change), change.1, all) {
                writes.push(Write { key: change.0.clone(), version, begun });
            }
        }
        let mut keys: Vec<String> = changed.into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        News { keys, writes, left: AtomicUsize::new(listeners) }
    }

    /// One more listener has heard.
    pub(super) fn heard(&self, news: &News, now: Moment) {
        if news.left.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        let mut pages = self.pages();
        for Write { key, version, begun } in &news.writes {
            pages.took.push(now - begun);
            let floor = pages.floors.entry(key.clone()).or_default();
            *floor = (*floor).max(*version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_known_when_the_last_has_heard() {
        let ledger = Ledger::default();
        ledger.begin("k", 7, 100);
        let news = ledger.news(vec![("k".to_owned(), Some(6)), ("k".to_owned(), Some(7))], (2, true));
        assert_eq!(news.keys, ["k"], "once, however often it was written");
        ledger.heard(&news, 150);
        assert_eq!((ledger.floor("k"), ledger.take()), (0, vec![]));
        ledger.heard(&news, 190);
        assert_eq!((ledger.floor("k"), ledger.take()), (7, vec![90]));
        assert!(ledger.take().is_empty());
        // Whoever does not listen has not heard.
        ledger.begin("k", 8, 200);
        let news = ledger.news(vec![("k".to_owned(), Some(8))], (1, false));
        ledger.heard(&news, 250);
        assert_eq!((ledger.floor("k"), ledger.take()), (7, vec![]));
    }
}
