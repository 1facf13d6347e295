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

/// A number in (0, 1], each alike. Cheap: called on reads.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
pub(crate) fn unit() -> f64 {
    use std::cell::Cell;

    thread_local! {
        // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and a mix.
        static STATE: Cell<u64> = Cell::new(number());
    }
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON / 2.0
}

/// A duration from zero to this one, each alike.
pub(crate) fn up_to(most: std::time::Duration) -> std::time::Duration {
    if most.is_zero() { most } else { most.mul_f64(unit().min(1.0)) }
}
