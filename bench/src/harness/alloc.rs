//! The allocator that counts, the same for every lane: calls and bytes, spread over slots so that threads do not share a
//! cache line.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
#[derive(Debug)]
pub(crate) struct Counting;

/// What was allocated since the program began, or between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// Calls that gave memory: new blocks, and blocks that were moved or resized.
    pub(crate) calls: u64,
    /// The bytes these calls asked for.
    pub(crate) bytes: u64,
    /// The bytes given back.
    pub(crate) freed: u64,
}

impl Allocated {
    /// What came since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            bytes: self.bytes - earlier.bytes,
            freed: self.freed - earlier.freed,
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            bytes: self.bytes + other.bytes,
            freed: self.freed + other.freed,
        }
    }

    /// Bytes in use, as far as these readings know.
    pub(crate) fn live(self) -> i64 {
        self.bytes.cast_signed() - self.freed.cast_signed()
    }
}

const SLOTS: usize = 64;

#[repr(align(128))]
struct Slot {
    calls: AtomicU64,
    bytes: AtomicU64,
    freed: AtomicU64,
}

static COUNTS: [Slot; SLOTS] =
    [const { Slot { calls: AtomicU64::new(0), bytes: AtomicU64::new(0), freed: AtomicU64::new(0) } }; SLOTS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    /// The same counts of this thread alone.
    static OWN: Cell<Allocated> = const { Cell::new(Allocated { calls: 0, bytes: 0, freed: 0 }) };
}

fn slot() -> &'static Slot {
    // A thread that is ending has no local any more; any slot will do.
    let mine = MINE.try_with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Relaxed) % SLOTS);
        }
        mine.get()
    });
    &COUNTS[mine.unwrap_or(0)]
}

fn took(bytes: usize) {
    let slot = slot();
    slot.calls.fetch_add(1, Relaxed);
    slot.bytes.fetch_add(bytes as u64, Relaxed);
    own(|own| {
        own.calls += 1;
        own.bytes += bytes as u64;
    });
}

fn gave_back(bytes: usize) {
    slot().freed.fetch_add(bytes as u64, Relaxed);
    own(|own| own.freed += bytes as u64);
}

fn own(change: impl FnOnce(&mut Allocated)) {
    // A thread that is ending has no local any more, and nobody asks for it either.
    let _ = OWN.try_with(|own| {
        let mut counts = own.get();
        change(&mut counts);
        own.set(counts);
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The counts of this thread up to now.
pub(crate) fn allocated_here() -> Allocated {
    OWN.get()
}

/// The counts of all threads up to now.
pub(crate) fn allocated() -> Allocated {
    COUNTS.iter().fold(Allocated::default(), |sum, slot| Allocated {
        calls: sum.calls + slot.calls.load(Relaxed),
        bytes: sum.bytes + slot.bytes.load(Relaxed),
        freed: sum.freed + slot.freed.load(Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_counted_and_given_back() {
        let before = allocated();
        let block = std::hint::black_box(vec![1_u8; 1 << 20]);
        let during = allocated().since(before);
        assert!(during.calls >= 1 && during.bytes >= 1 << 20, "{during:?}");
        assert!(allocated_here().bytes >= 1 << 20);
        let elsewhere = std::thread::spawn(allocated_here).join().unwrap();
        assert!(elsewhere.bytes < 1 << 20, "{elsewhere:?}");
        drop(block);
        assert!(allocated().since(before).freed >= 1 << 20);
    }
}
