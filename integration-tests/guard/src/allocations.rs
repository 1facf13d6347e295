//! An allocator that counts what its thread asks for. Threads in the background do not count: what they do depends on
//! the time.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// How often memory was asked for, and how much.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) times: u64,
    pub(crate) bytes: u64,
}

thread_local! {
    static TIMES: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// What the present thread has asked for since it began.
pub(crate) fn so_far() -> Asked {
    Asked { times: TIMES.get(), bytes: BYTES.get() }
}

/// The system's allocator, counting: for `#[global_allocator]`.
pub(crate) struct Counting;

fn count(bytes: usize) {
    // The cells are constants until first written and have no destructor, so this neither allocates nor fails.
    TIMES.set(TIMES.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
