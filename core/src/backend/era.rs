//! Eras: for stores that are sometimes one server and sometimes another.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Which of several stores a backend is at the moment. What was read in one era says nothing of the store of another.
///
/// The engine remembers versions of tags and namespaces for a short time. It forgets them when the era ends, so that entries of
/// one store are never judged by what another one has said. Clones are of the same backend.
///
/// # Contract
/// - The era ends **before** the first operation goes to another store.
/// - Its number is never used again by this backend.
#[derive(Debug, Clone, Default)]
pub struct Era(Arc<AtomicU64>);

impl Era {
    /// One that begins with this number.
    pub fn new(number: u64) -> Self {
        Self(Arc::new(AtomicU64::new(number)))
    }

    /// The number of the era. One load.
    #[inline]
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Ends the era of the first number and begins that of the second. `false` if it has ended already.
    pub fn turn(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_ends_once() {
        let era = Era::new(1);
        let same = era.clone();
        assert!(era.turn(1, 2) && !era.turn(1, 3));
        assert_eq!(same.number(), 2);
    }
}
