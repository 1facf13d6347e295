//! The two checksums of an envelope, computed after the description in `docs/envelope.md` and not by the code under
//! test. Bytes that are too short to have them are left as they are.

use larder_core::envelope::{FIXED, LIFETIME};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const CHECKSUM: std::ops::Range<usize> = 8..16;

/// Makes both checksums fit.
pub fn seal_everything(bytes: &mut [u8]) {
    seal_lifetime(bytes);
    if bytes.len() >= FIXED {
        let seed = word(bytes, 0);
        let hashed = [&bytes[CHECKSUM.end..LIFETIME.start], &bytes[FIXED..]].concat();
        bytes[CHECKSUM].copy_from_slice(&xxh3_64_with_seed(&hashed, seed).to_le_bytes());
    }
}

/// Makes the lifetime's checksum fit, for the key that the bytes name.
pub fn seal_lifetime(bytes: &mut [u8]) {
    if bytes.len() < FIXED {
        return;
    }
    let key_len = usize::from(u16::from_le_bytes([bytes[68], bytes[69]]));
    let Some(key) = bytes.get(FIXED..FIXED + key_len) else { return };
    let sum = xxh3_64_with_seed(&bytes[LIFETIME.start..LIFETIME.start + 16], xxh3_64(key));
    bytes[LIFETIME.start + 16..LIFETIME.end].copy_from_slice(&sum.to_le_bytes());
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
