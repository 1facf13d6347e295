//! Counters: entries of eight bytes, under keys that no entry of the program's has.

use larder_core::{
    backend::CounterOptions,
    error::{Operation, Result},
    key::StoreKey,
};

use super::Table;
use crate::{gone::Gone, key::Borrowed, map::Map, slot::Slot, weigh::weigh};

impl<M: Map> Table<M> {
    /// Changes the counter and gives its new value; `None` if it is missing and is not to be made.
    pub(crate) fn count(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let key = &key.of_counter();
        let owned = key.into_owned();
        // Declared before the lock, hence dropped after it, as whatever is evicted.
        let mut gone = Gone::of_write(key.seeded_hash());
        let writing = self.lock(key, Operation::Increment)?;
        let now = self.clock.now();
        let found = self.map.get(&Borrowed(key)).filter(|slot| slot.is_live(now));
        let live = found.as_ref().map(|slot| &slot.entry);
        let Some((value, entry)) = options.step(live, by, now) else { return Ok(None) };
        // One that is there keeps its TTL.
        let ends = found.as_ref().map_or_else(|| options.ttl.expires(now), |slot| slot.ends);
        let weight = weigh::<M>(self.bound, key.len(), &entry);
        if weight > self.largest {
            return Err(self.too_large(Operation::Increment, weight));
        }
        if now < ends {
            self.map.insert(owned, Slot { entry, ends, weight }, &mut gone);
            self.expect(ends);
        }
        drop(writing);
        self.map.written(&mut gone);
        self.observers.tell(&gone, now, false);
        Ok(Some(value))
    }
}
