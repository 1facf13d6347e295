//! Numbers that nobody else has drawn.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A number from the operating system's randomness, by way of the standard library's hash keys; and from process and time,
/// since a process that was made by `fork` has the same keys.
pub(crate) fn number() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
    hasher.finish()
}

/// A number that no other call in any process gives again: a random start, whitened, plus a counter.
///
/// Two processes would have to draw the same 64 bits, or starts so near each other that their counters meet. A process
/// that was made by `fork` draws a start of its own.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static DRAWN_BY: AtomicU32 = AtomicU32::new(0);
    // Process 0 draws nothing.
    let process = std::process::id();
    if DRAWN_BY.load(Ordering::Acquire) != process {
        NEXT.store(number(), Ordering::Release);
        DRAWN_BY.store(process, Ordering::Release);
    }
    // Zero is what "none" is written as.
    match NEXT.fetch_add(1, Ordering::Relaxed) {
        0 => NEXT.fetch_add(1, Ordering::Relaxed),
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
