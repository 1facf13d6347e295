//! What a bounded store tells of the entries that leave it.

use std::sync::Arc;

use super::events::{Event, Events};
use crate::{
    backend::{Cause, Observer},
    clock::Clock,
    entry::Entry,
};

/// What a cache has its store tell, as long as there is the cache.
pub(crate) struct Watcher {
    pub(crate) events: Arc<Events>,
    /// By which the entries were written.
    pub(crate) clock: Clock,
}

impl Observer for Watcher {
    fn left(&self, key: &str, entry: &Entry, cause: Cause) {
        let age = self.clock.now().since(entry.meta().created);
        self.events.happened(&Event::Left { key, cause, age });
    }
}
