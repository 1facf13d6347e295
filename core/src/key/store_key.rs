//! A key in its namespace: what a backend sees.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use super::{Key, MAX_STORE_KEY, Namespace, seeded_hash};

/// A key in its namespace, borrowed: what the cache hands to a backend. Making one allocates nothing.
///
/// Remote stores use its text ([`Display`](fmt::Display), [`StoreKey::write_to`]): at most
/// [`MAX_STORE_KEY`] bytes of printable ASCII without spaces. In-process stores look up by the key itself and keep an
/// [`OwnedStoreKey`].
#[derive(Clone, Copy)]
pub struct StoreKey<'a> {
    namespace: &'a Namespace,
    key: &'a Key,
    hash: u64,
}

impl<'a> StoreKey<'a> {
    /// The key in this namespace.
    #[inline]
    pub fn new(namespace: &'a Namespace, key: &'a Key) -> Self {
        Self { namespace, key, hash: combined(namespace.hash(), key.hash()) }
    }

    /// The namespace.
    pub fn namespace(&self) -> &'a Namespace {
        self.namespace
    }

    /// The key without its namespace.
    pub fn key(&self) -> &'a Key {
        self.key
    }

    /// A hash of the whole, seeded per process: for tables, never for storage or for choosing a server.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Appends the text.
    pub fn write_to(&self, out: &mut impl Extend<u8>) {
        out.extend(self.namespace.text().bytes());
        out.extend([b':']);
        out.extend(self.key.text().bytes());
    }

    /// The text's length in bytes, at most [`MAX_STORE_KEY`].
    pub fn len(&self) -> usize {
        self.namespace.text().len() + 1 + self.key.text().len()
    }

    /// Whether the text is empty, which it never is: the namespace is in it.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A copy that lives as long as it likes.
    pub fn to_owned(&self) -> OwnedStoreKey {
        let mut text = String::with_capacity(self.len());
        text.push_str(self.namespace.text());
        text.push(':');
        text.push_str(self.key.text());
        debug_assert!(text.len() <= MAX_STORE_KEY, "{text}");
        OwnedStoreKey {
            hash: self.hash,
            text: text.into(),
            whole: self.key.beyond_its_text().map(|whole| Box::new(*whole)),
        }
    }

    /// The same key as that of a counter, for stores in this process: neither it nor an [`OwnedStoreKey`] made from it is
    /// equal to the entry's. The text is the same; a store that goes by text appends
    /// [`COUNTER_SUFFIX`](super::COUNTER_SUFFIX).
    #[must_use]
    pub fn of_counter(self) -> Self {
        // Keys of one text have one hash, so another hash is enough to make another key: comparing includes it.
        Self { hash: self.hash ^ 0x2545_F491_4F6C_DD1D, ..self }
    }

    /// Whether an owned key is this one.
    #[inline]
    pub fn matches(&self, owned: &OwnedStoreKey) -> bool {
        let namespace = self.namespace.text();
        owned.hash == self.hash
            && owned.text.len() == self.len()
            && owned.text.starts_with(namespace)
            && owned.text[namespace.len() + 1..] == *self.key.text()
            && owned.whole.as_deref() == self.key.beyond_its_text()
    }
}

impl fmt::Display for StoreKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace.text(), self.key.text())
    }
}

impl fmt::Debug for StoreKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({self})")
    }
}

impl Hash for StoreKey<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Both halves are seeded xxh3 already; a multiplication distinguishes (a, b) from (b, a).
#[inline]
fn combined(namespace: u64, key: u64) -> u64 {
    namespace.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ key
}

/// A key in its namespace, owned: what in-process stores keep. It equals the [`StoreKey`] it was made from
/// and no other; of two long keys whose texts collide, only the right one is equal.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedStoreKey {
    hash: u64,
    text: Box<str>,
    whole: Option<Box<[u8; 32]>>,
}

impl OwnedStoreKey {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The texts of the namespace and of the key in it.
    pub fn split(&self) -> (&str, &str) {
        // There is a `:` behind the namespace, and none in it.
        self.text.split_once(':').unwrap_or(("", &self.text))
    }

    /// SHA-256 of all parts of a key whose text does not say which one it is.
    pub fn whole(&self) -> Option<&[u8; 32]> {
        self.whole.as_deref()
    }

    /// The key of this [`text`](Self::text) and [`whole`](Self::whole), as another process may have written them down, and its
    /// namespace; `None` if no key has such a text. Never a [counter's](StoreKey::of_counter).
    pub fn parse(text: &str, whole: Option<[u8; 32]>) -> Option<(Namespace, Self)> {
        let (namespace, key) = text.split_once(':')?;
        let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() > MAX_STORE_KEY || !is_plain {
            return None;
        }
        let namespace = Namespace::parse(namespace)?;
        let hash = combined(namespace.hash(), seeded_hash(key.as_bytes()));
        let key = Self { hash, text: text.into(), whole: whole.map(Box::new) };
        Some((namespace, key))
    }

    /// The same hash as [`StoreKey::hash`].
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl Hash for OwnedStoreKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for OwnedStoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedStoreKey({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_of_namespace_and_key_do_not_move() {
        let (ab, a) = (Namespace::new("ab", 0).unwrap(), Namespace::new("a", 0).unwrap());
        let key = Key::new("k");
        assert_eq!(StoreKey::new(&ab, &key).to_string(), "ab:k");
        assert!(!StoreKey::new(&a, &key).matches(&StoreKey::new(&ab, &key).to_owned()));
        assert!(StoreKey::new(&ab, &key).matches(&StoreKey::new(&ab, &key).to_owned()));
    }

    #[test]
    fn a_counters_key_is_no_entrys() {
        let namespace = Namespace::new("n", 0).unwrap();
        for key in [Key::new("k"), Key::new("k".repeat(1000))] {
            let entry = StoreKey::new(&namespace, &key);
            let counter = entry.of_counter();
            assert!(counter.matches(&counter.to_owned()) && entry.matches(&entry.to_owned()));
            assert!(!counter.matches(&entry.to_owned()) && !entry.matches(&counter.to_owned()));
            assert_ne!(entry.to_owned(), counter.to_owned());
            assert!(!entry.to_string().contains('+'), "{entry}");
        }
    }

    #[test]
    fn the_longest_namespace_and_key_fit() {
        let namespace = Namespace::new(&"n".repeat(70), 0).unwrap();
        let key = Key::new("k".repeat(10_000));
        let store_key = StoreKey::new(&namespace, &key);
        assert!(store_key.to_string().len() <= MAX_STORE_KEY);
        assert_eq!(store_key.to_string().len(), store_key.len());
        assert!(store_key.matches(&store_key.to_owned()));
    }

    #[test]
    fn an_owned_key_is_read_back_from_its_text() {
        let namespace = Namespace::new("shop/users", 1).unwrap();
        for key in [Key::new("k").part("a:b").part(7), Key::new("k".repeat(1000)), Key::new("ü")] {
            let key = StoreKey::new(&namespace, &key);
            let owned = key.to_owned();
            let (space, read) = OwnedStoreKey::parse(owned.text(), owned.whole().copied()).unwrap();
            assert!(read == owned && key.matches(&read) && space.text() == namespace.text());
            assert_eq!(owned.split(), ("shop/users@1", key.key().text()));
            assert_ne!(key.of_counter().to_owned(), read);
        }
        for wrong in ["", ":", "a", "a:", ":a", "a!v:k", "a:k k", "a:ü", &format!("a:{}", "k".repeat(200))] {
            assert!(OwnedStoreKey::parse(wrong, None).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_owned_key_is_found_by_its_hash() {
        let namespace = Namespace::new("n", 1).unwrap();
        let key = Key::new("k").part(1);
        let store_key = StoreKey::new(&namespace, &key);
        assert_eq!(store_key.hash(), store_key.to_owned().hash());
        let mut written = Vec::new();
        store_key.write_to(&mut written);
        assert_eq!(written, store_key.to_owned().text().as_bytes());
    }
}
