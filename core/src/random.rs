//! Numbers that nobody else has drawn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::OnceLock,
};

/// A number from the operating system's randomness, by way of the standard library's hash keys.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A number that no other call in any process gives again: a random start, whitened, plus a counter.
///
/// Two processes would have to draw the same 64 bits, or starts so near each other that their counters meet.
pub(crate) fn unique() -> u64 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU64::new(number()));
    // Zero is what "none" is written as.
    match next.fetch_add(1, Ordering::Relaxed) {
        0 => next.fetch_add(1, Ordering::Relaxed),
        number => number,
    }
}
