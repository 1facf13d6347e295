//! How much is allocated for hostile bytes, counted. What zstd itself allocates is not seen: its contexts, whose
//! size does not depend on the bytes.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use larder_core::Codec;
use larder_zstd::Zstd;

struct Counting;

thread_local! {
    /// The bytes this thread asked for since it was last set to zero.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + bytes));
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Room for the text of an error.
const MESSAGE: usize = 400;

fn asked(work: impl FnOnce()) -> usize {
    ASKED.set(0);
    work();
    ASKED.get()
}

#[test]
fn no_bytes_make_it_allocate_more_than_the_declared_length() {
    let zstd = Zstd::default();
    let raw = b"some value that is repeated ".repeat(20);
    let body = zstd.encode(&raw).unwrap();
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let asked = asked(|| drop(zstd.decode(&flipped, raw.len(), 0)));
        assert!(asked <= raw.len() + MESSAGE, "{asked} bytes for bit {bit}");
    }
    for len in 0..body.len() {
        let asked = asked(|| drop(zstd.decode(&body[..len], raw.len(), 0)));
        assert!(asked <= raw.len() + MESSAGE, "{asked} bytes for a length of {len}");
    }
}

#[test]
fn a_bomb_stops_at_the_declared_length() {
    let zstd = Zstd::default();
    let bomb = zstd.encode(&vec![0; 1 << 30]).unwrap();
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    for declared in [0, 1, 1000, 1 << 20] {
        let asked = asked(|| drop(zstd.decode(&bomb, declared, 0).expect_err("a bomb")));
        assert!(asked <= MESSAGE, "{asked} bytes: the frame says itself how long it is");
    }
    // One that lies about it, too: the content size is in the eight bytes after the descriptor.
    let mut liar = bomb.clone();
    let descriptor = liar[4];
    assert_eq!(descriptor >> 6, 2, "a content size of four bytes");
    let at = if descriptor & 0x20 == 0 { 6 } else { 5 };
    liar[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    let asked = asked(|| drop(zstd.decode(&liar, 1000, 0).expect_err("a lying bomb")));
    assert!(asked <= 1000 + MESSAGE, "{asked} bytes");
}

#[test]
fn a_declared_length_that_the_bytes_cannot_have_allocates_nothing() {
    let zstd = Zstd::default();
    let mut body = zstd.encode(&vec![1; 1 << 20]).unwrap();
    let at = if body[4] & 0x20 == 0 { 6 } else { 5 };
    body[at..at + 4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let asked = asked(|| drop(zstd.decode(&body, 1 << 30, 0).expect_err("a lie")));
    assert!(asked <= MESSAGE, "{asked} bytes");
}
