//! Replies of servers: whatever bytes come, and however they are cut, they are the same replies, or end the connection at the
//! same place; no panic, and no more memory than the largest value that is allowed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    memcached: bool,
    pieces: Vec<u8>,
    bytes: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let Input { memcached, pieces, bytes } = input;
    let read = if memcached { larder_memcached::read_replies } else { larder_redis::read_replies };
    let (whole, cut) = (read(&bytes, &[]), read(&bytes, &pieces));
    assert_eq!(whole.1, cut.1, "followed to the end in one way, and not in the other");
    assert_eq!(whole.0, cut.0);
    // A reply has a line at least.
    assert!(whole.0.len() <= bytes.len() / 3);
});
