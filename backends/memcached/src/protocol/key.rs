//! A key as it stands in a request.

use std::fmt;

use larder_core::{
    Error, ErrorKind, Result,
    error::Operation,
    key::{COUNTER_SUFFIX, MAX_STORE_KEY, StoreKey},
};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// The longest text: that of a counter's key.
const LONGEST: usize = MAX_STORE_KEY + COUNTER_SUFFIX.len();

/// A key of no more bytes needs no allocation. Of the others there are few, and room for all of them in each would cost more:
/// bulk calls hold many at once.
const USUAL: usize = 64;

/// The text of a key, checked: 1 to 202 bytes, each of them printable and none a space. Memcached
/// would take 250; what it would not take in a key it takes for something else, such as the next command.
#[derive(Clone)]
pub(crate) struct WireKey {
    bytes: SmallVec<[u8; USUAL]>,
    /// On which server it is, if its text does not say.
    shard: Option<u16>,
}

impl WireKey {
    /// # Errors
    /// [`ErrorKind::InvalidKey`]. A [`StoreKey`] is portable by construction; this is the last look before the
    /// wire, where a mistake would be somebody else's command.
    pub(crate) fn new(key: &StoreKey<'_>, operation: Operation) -> Result<Self> {
        Self::of(key, [key.namespace().text(), ":", key.key().text()], operation)
    }

    /// The key of the counter under this key.
    pub(crate) fn of_counter(key: &StoreKey<'_>, operation: Operation) -> Result<Self> {
        Self::of(key, [key.namespace().text(), ":", key.key().text(), COUNTER_SUFFIX], operation)
    }

    fn of<const N: usize>(key: &StoreKey<'_>, parts: [&str; N], operation: Operation) -> Result<Self> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > LONGEST {
            return Err(invalid(operation, "it is too long"));
        }
        let mut bytes = SmallVec::with_capacity(len);
        parts.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
        // Every byte, without a way out of the loop: it is many at a time then.
        if !bytes.iter().fold(true, |so_far, byte: &u8| so_far & byte.is_ascii_graphic()) {
            return Err(invalid(operation, "it holds bytes that are not printable ASCII"));
        }
        Ok(Self { bytes, shard: key.shard() })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// On which of the servers it is, if its text does not say.
    pub(crate) fn shard(&self) -> Option<u16> {
        self.shard
    }

    /// The same for every process and machine: it chooses the server.
    pub(crate) fn hash(&self) -> u64 {
        xxh3_64(self.as_bytes())
    }
}

impl fmt::Debug for WireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireKey({})", self.as_bytes().escape_ascii())
    }
}

fn invalid(operation: Operation, why: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, operation, format!("the key cannot be sent to memcached: {why}"))
}

#[cfg(test)]
mod tests {
    use larder_core::key::{Key, Namespace};

    use super::*;

    #[test]
    fn the_text_of_every_store_key_passes_and_is_what_the_key_says() {
        let namespace = Namespace::new(&"n".repeat(70), 0).unwrap();
        for key in [Key::new("a"), Key::new("a b\r\n\0ü*"), Key::new("x".repeat(1 << 20))] {
            let key = StoreKey::new(&namespace, &key);
            let wire = WireKey::new(&key, Operation::Get).unwrap();
            assert_eq!(wire.as_bytes(), key.to_string().as_bytes());
            let counter = WireKey::of_counter(&key, Operation::Increment).unwrap();
            assert_eq!(counter.as_bytes(), format!("{key}+c").as_bytes());
        }
    }

    #[test]
    fn the_hash_is_pinned_since_it_places_keys_in_production() {
        let namespace = Namespace::new("users", 0).unwrap();
        let wire = WireKey::new(&StoreKey::new(&namespace, &Key::new("ada")), Operation::Get).unwrap();
        assert_eq!(wire.as_bytes(), b"users:ada");
        assert_eq!(wire.hash(), xxh3_64(b"users:ada"));
        assert_eq!(wire.hash(), 0x6f88_60c5_9324_0c62);
    }
}
