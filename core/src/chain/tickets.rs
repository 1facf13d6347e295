//! Who may fill a near tier: whoever has read the store since the last change of the key began, and no change has begun since.
//!
//! A key has a slot, which it shares with others: a change of one of them ends the tickets of all, which costs a copy and nothing
//! else. There is no lock: whatever is dropped while a tier is filled may use the chain itself.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::sync::{AtomicU64, fence};

/// So many that two keys that are changed at once rarely have the same.
const SLOTS: usize = if cfg!(larder_loom) { 1 } else { 4096 };

/// Somebody is filling or emptying the near tiers for a key of the slot: nothing is read from them.
const FILLING: u64 = 1;
/// One change in progress. There is room for 2^23 at once.
const CHANGING: u64 = 2;
const CHANGES_IN_PROGRESS: u64 = ((1 << 23) - 1) * CHANGING;
/// One change that has begun or ended. After 2^40 it begins again at zero, without touching the rest.
const CHANGED: u64 = 1 << 24;
const CHANGES: u64 = !(CHANGED - 1);

/// The slots.
#[derive(Debug)]
pub(super) struct Tickets(Box<[AtomicU64]>);

impl Default for Tickets {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

/// The right to fill, as long as no change begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    slot: usize,
    /// The slot's state when it was taken; `None` if a change was in progress, whose outcome the answer may have missed.
    state: Option<u64>,
}

impl Tickets {
    /// To be taken before the store is asked.
    pub(super) fn take(&self, hash: u64) -> Ticket {
        let slot = slot_of(hash);
        let state = self.0[slot].load(Acquire);
        Ticket { slot, state: (state & CHANGES_IN_PROGRESS == 0).then_some(state & CHANGES) }
    }

    /// What a look into the near tiers gives, if nobody changed them meanwhile. While a change is in progress, the store is asked:
    /// who has seen there what is new is not to find near what is old.
    #[inline]
    pub(super) fn read<R>(&self, hash: u64, look: impl FnOnce() -> Option<R>) -> Option<R> {
        let slot = &self.0[slot_of(hash)];
        // Usually there is no copy.
        let before = slot.load(Acquire);
        if before & (FILLING | CHANGES_IN_PROGRESS) != 0 {
            return None;
        }
        let found = look()?;
        // Whatever was found was put there before this, and the look is over: no later load goes before it.
        fence(Acquire);
        (slot.load(Relaxed) == before).then_some(found)
    }

    /// Fills, if the ticket still holds and nobody else is filling; and empties again if it ends meanwhile. Otherwise empties:
    /// what is near may be older than what was read.
    pub(super) fn fill(&self, ticket: Ticket, fill: impl FnOnce(), empty: impl FnOnce()) {
        let slot = &self.0[ticket.slot];
        let has_begun = |state: u64| slot.compare_exchange(state, state | FILLING, AcqRel, Relaxed).is_ok();
        let Some(state) = ticket.state.filter(|state| has_begun(*state)) else { return empty() };
        let filling = Filling { slot, state };
        fill();
        if let Err(_filling) = filling.end() {
            empty();
        }
    }

    /// A change of a key begins: all tickets end.
    pub(super) fn change(&self, hash: u64) -> Change<'_> {
        let slot = &self.0[slot_of(hash)];
        let before = slot.fetch_add(CHANGED + CHANGING, AcqRel);
        // Then what this change writes may be the copy: nobody fills, and nobody else is changing anything.
        let is_alone = before & (CHANGES_IN_PROGRESS | FILLING) == 0;
        let state = before.wrapping_add(CHANGED + CHANGING);
        Change { slot, state: is_alone.then_some(state), is_filled: false }
    }
}

fn slot_of(hash: u64) -> usize {
    // The high bits: tables use the low ones. The remainder fits.
    usize::try_from((hash >> 32) % SLOTS as u64).unwrap_or(0)
}

/// Nothing is read from the near tiers while this is there, however it ends.
struct Filling<'a> {
    slot: &'a AtomicU64,
    /// The slot's state beside it.
    state: u64,
}

impl Filling<'_> {
    /// Ends it, if no change has begun meanwhile. Read and written in one step: a change that begins afterwards has seen what was
    /// filled, and empties it. (With a load in place of this, models in loom found an older copy in the end.)
    fn end(self) -> Result<(), Self> {
        let filling = self.state | FILLING;
        if self.slot.compare_exchange(filling, self.state, AcqRel, Acquire).is_err() {
            return Err(self);
        }
        // From now on somebody else may be filling.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.slot.fetch_and(!FILLING, AcqRel);
    }
}

/// A change in progress, which has to be [ended](Self::end).
#[derive(Debug)]
#[must_use]
pub(super) struct Change<'a> {
    slot: &'a AtomicU64,
    /// The slot's state since it began, if it began alone.
    state: Option<u64>,
    /// What it wrote is the copy.
    is_filled: bool,
}

impl Change<'_> {
    /// Fills, if it was alone all the time: of two changes at once nobody here knows which the store did last.
    pub(super) fn fill(&mut self, fill: impl FnOnce()) {
        let Some(state) = self.state else { return };
        if self.slot.compare_exchange(state, state | FILLING, AcqRel, Relaxed).is_err() {
            return;
        }
        let filling = Filling { slot: self.slot, state };
        fill();
        // Else it is emptied when this change ends.
        self.is_filled = filling.end().is_ok();
    }

    /// Ends it: its keys have no copies now, unless it has filled.
    pub(super) fn end(&mut self, empty: impl FnOnce()) {
        if !self.is_filled {
            empty();
        }
        self.slot.fetch_add(CHANGED - CHANGING, AcqRel);
    }
}

#[cfg(all(test, larder_loom))]
mod models;
