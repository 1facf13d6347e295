//! A number for the state of what is known of versions, so that a verdict which was reached once is not reached again for every
//! read.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a state: another one after each change, which no other state of this process has or had.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

impl Default for State {
    fn default() -> Self {
        Self(AtomicU64::new(next()))
    }
}

impl State {
    /// The number of now.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// What is known is another thing now. To be called before anybody hears of the change.
    pub(super) fn has_changed(&self) {
        self.0.store(next(), Ordering::Release);
    }
}

fn next() -> u64 {
    // Stamps that never stood have zero.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
