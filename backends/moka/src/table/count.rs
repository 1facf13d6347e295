//! Counters: entries of eight bytes, under keys that no entry of the program's has.

use larder_core::{
    backend::CounterOptions,
    error::{Operation, Result},
    key::StoreKey,
};

use super::Table;
use crate::map::Slot;

impl Table {
    /// Changes the counter and gives its new value; `None` if it is missing and is not to be made.
    pub(crate) fn count(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let key = &key.of_counter();
        let owned = key.to_owned();
        let writing = self.writers.lock(key.hash());
        let now = self.clock.now();
        let found = self.map.get(key);
        let live = found.as_ref().map(|slot| &slot.entry).filter(|entry| entry.is_live(now));
        let Some((value, entry)) = options.step(live, by, now) else { return Ok(None) };
        let expires = entry.meta().lifetime.expires;
        let weight = self.bound.weigh(key, &entry);
        let Some(weight) = u32::try_from(weight).ok().filter(|&weight| weight <= self.largest) else {
            return Err(self.too_large(Operation::Increment, weight));
        };
        if now < expires {
            self.map.insert(owned, Slot { entry, weight });
            self.expect(expires);
        }
        drop(writing);
        self.map.book_if_due();
        Ok(Some(value))
    }
}
