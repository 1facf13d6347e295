//! Looking a borrowed key up among owned ones, without making one and without hashing again.

use std::hash::{BuildHasher, Hash, Hasher};

use equivalent::Equivalent;
use larder_core::key::{OwnedStoreKey, StoreKey};

/// A borrowed key as maps compare it.
pub(crate) struct Borrowed<'a>(pub(crate) &'a StoreKey<'a>);

impl Hash for Borrowed<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.seeded_hash());
    }
}

impl Equivalent<OwnedStoreKey> for Borrowed<'_> {
    #[inline]
    fn equivalent(&self, key: &OwnedStoreKey) -> bool {
        self.0.matches(key)
    }
}

/// Hands the map the hash that a key carries.
///
/// It is used as it is: keys bring a seeded xxh3, all of whose bits are equally good.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepHash;

impl BuildHasher for KeepHash {
    type Hasher = Kept;

    #[inline]
    fn build_hasher(&self) -> Kept {
        Kept(0)
    }
}

/// The hash of the last key that was written.
#[derive(Debug)]
pub struct Kept(u64);

impl Hasher for Kept {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not used by keys, which write one `u64`; a fold in case that ever changes.
    #[cold]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
