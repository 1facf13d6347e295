//! How much is allocated for hostile bytes, counted.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use larder_core::Codec;
use larder_gzip::Gzip;

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
    let gzip = Gzip::default();
    let raw = b"some value that is repeated ".repeat(20);
    let body = gzip.encode(&raw).unwrap();
    // What a thread keeps is allocated with its first value.
    gzip.decode(&body, raw.len(), 0).unwrap();
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let asked = asked(|| drop(gzip.decode(&flipped, raw.len(), 0)));
        assert!(asked <= raw.len() + MESSAGE, "{asked} bytes for bit {bit}");
    }
    for len in 0..body.len() {
        let asked = asked(|| drop(gzip.decode(&body[..len], raw.len(), 0)));
        assert!(asked <= raw.len() + MESSAGE, "{asked} bytes for a length of {len}");
    }
}

#[test]
fn a_bomb_stops_at_the_declared_length() {
    let gzip = Gzip::default();
    gzip.decode(&gzip.encode(b"warm").unwrap(), 4, 0).unwrap();
    // 128 MiB of zeros, a thousand to one: the most that the format can do.
    let bomb = gzip.encode(&vec![0; 128 << 20]).unwrap();
    assert!(bomb.len() < 136 << 10, "{}", bomb.len());
    for declared in [0, 1, 1000, 1 << 20] {
        let asked = asked(|| drop(gzip.decode(&bomb, declared, 0).expect_err("a bomb")));
        assert!(asked <= declared + MESSAGE, "{asked} bytes of {declared}");
    }
}

#[test]
fn a_declared_length_that_the_bytes_cannot_have_allocates_nothing() {
    let gzip = Gzip::default();
    let body = gzip.encode(b"short").unwrap();
    gzip.decode(&body, 5, 0).unwrap();
    let asked = asked(|| drop(gzip.decode(&body, 1 << 30, 0).expect_err("a lie")));
    assert!(asked <= MESSAGE, "{asked} bytes");
}

#[test]
fn the_state_is_kept_between_values() {
    let gzip = Gzip::default();
    let raw = vec![b'x'; 1000];
    let mut body = Vec::new();
    let first = asked(|| body = gzip.encode(&raw).unwrap());
    assert!((200_000..400_000).contains(&first), "{first} bytes are kept for compressing");
    let first = asked(|| drop(gzip.decode(&body, raw.len(), 0).unwrap()));
    assert!((30_000..60_000).contains(&first), "{first} bytes are kept for decompressing");
    let encoding = asked(|| drop(gzip.encode(&raw).unwrap()));
    assert!(encoding < 2 * raw.len() + MESSAGE, "{encoding} bytes: a new state was made");
    let decoding = asked(|| drop(gzip.decode(&body, raw.len(), 0).unwrap()));
    assert_eq!(decoding, raw.len());
}
