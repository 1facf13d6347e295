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
    /// The key's own text, found once.
    text: &'a str,
    hash: u64,
    shard: Option<u16>,
    /// Whether every key of this text is meant, also where the text does not say which one it is.
    is_any: bool,
}

/// The [hash](StoreKey::seeded_hash) of the key with this text, namespace included; `None` if no key has such a text.
pub(crate) fn seeded_hash_of(text: &str) -> Option<u64> {
    let (namespace, key) = text.split_once(':')?;
    Some(combined(seeded_hash(namespace.as_bytes()), seeded_hash(key.as_bytes())))
}

impl<'a> StoreKey<'a> {
    /// The key in this namespace.
    #[inline]
    pub fn new(namespace: &'a Namespace, key: &'a Key) -> Self {
        let (text, hash) = key.text_and_hash();
        Self { namespace, key, text, hash: combined(namespace.hash(), hash), shard: None, is_any: false }
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
    pub fn seeded_hash(&self) -> u64 {
        self.hash
    }

    /// The same key, placed on this shard of the store and not where its text would place it. Stores that are not made of
    /// [shards](crate::backend::Shards) do not look at it.
    #[must_use]
    pub fn on_shard(self, shard: u16) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// On which shard it is, if it says so.
    #[inline]
    pub fn shard(&self) -> Option<u16> {
        self.shard
    }

    /// Appends the text.
    pub fn write_to(&self, out: &mut impl Extend<u8>) {
        out.extend(self.namespace.text().bytes());
        out.extend([b':']);
        out.extend(self.text.bytes());
    }

    /// The text's length in bytes, at most [`MAX_STORE_KEY`].
    pub fn len(&self) -> usize {
        self.namespace.text().len() + 1 + self.text.len()
    }

    /// Whether the text is empty, which it never is: the namespace is in it.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A copy that lives as long as it likes.
    pub fn into_owned(self) -> OwnedStoreKey {
        debug_assert!(self.len() <= MAX_STORE_KEY, "{self}");
        let pieces = [self.namespace.text(), ":", self.text];
        OwnedStoreKey { hash: self.hash, text: Text::new(pieces, self.key.beyond_its_text()) }
    }

    /// The same key as that of a counter, for stores in this process: neither it nor an [`OwnedStoreKey`] made from it is
    /// equal to the entry's. The text is the same; a store that goes by text appends
    /// [`COUNTER_SUFFIX`](super::COUNTER_SUFFIX).
    #[must_use]
    pub fn of_counter(self) -> Self {
        // Keys of one text have one hash, so another hash is enough to make another key: comparing includes it.
        Self { hash: self.hash ^ 0x2545_F491_4F6C_DD1D, ..self }
    }

    /// The same key in a room of its own, named by this number: a store in this process holds both and confuses neither.
    #[inline]
    pub(crate) fn in_room(self, number: u64) -> Self {
        // As with counters.
        Self { hash: self.hash ^ number, ..self }
    }

    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.is_any
    }

    /// Any key of this text.
    pub(crate) fn or_any_of_its_text(self) -> Self {
        Self { is_any: true, ..self }
    }

    /// Whether an owned key is this one.
    #[inline]
    pub fn matches(&self, owned: &OwnedStoreKey) -> bool {
        if owned.hash != self.hash {
            return false;
        }
        let namespace = self.namespace.text().as_bytes();
        // Between the two stands a `:`, which a namespace has in no other place.
        let (text, whole) = match &owned.text {
            Text::Short { len, bytes } => (bytes.get(..usize::from(*len)).unwrap_or_default(), None),
            Text::Long(text) => (text.as_bytes(), None),
            Text::Ambiguous(key) => (key.text.as_bytes(), Some(&key.whole)),
        };
        let Some((before, [b':', after @ ..])) = text.split_at_checked(namespace.len()) else { return false };
        // What differs between keys of one hash is the key, if anything.
        after == self.text.as_bytes()
            && before == namespace
            && (self.is_any || whole == self.key.beyond_its_text())
    }
}

impl fmt::Display for StoreKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace.text(), self.text)
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
    text: Text,
}

/// The longest text that is kept in the key itself, in bytes: most are no longer, and a table that compares keys has them at
/// hand.
const SHORT: usize = 30;

#[derive(Clone, PartialEq, Eq)]
enum Text {
    /// So many of these; the rest are zero.
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<str>),
    /// One that does not say which key it is.
    Ambiguous(Box<Ambiguous>),
}

#[derive(Clone, PartialEq, Eq)]
struct Ambiguous {
    text: Box<str>,
    /// SHA-256 of the whole key.
    whole: [u8; 32],
}

impl Text {
    /// These pieces in one.
    fn new(pieces: [&str; 3], whole: Option<&[u8; 32]>) -> Self {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        if let (None, true, Ok(short)) = (whole, len <= SHORT, u8::try_from(len)) {
            let mut bytes = [0; SHORT];
            let mut end = 0;
            for piece in pieces {
                // All of them together have at most `SHORT` bytes.
                bytes[end..end + piece.len()].copy_from_slice(piece.as_bytes());
                end += piece.len();
            }
            return Self::Short { len: short, bytes };
        }
        let mut text = String::with_capacity(len);
        pieces.iter().for_each(|piece| text.push_str(piece));
        match whole {
            None => Self::Long(text.into()),
            Some(whole) => Self::Ambiguous(Box::new(Ambiguous { text: text.into(), whole: *whole })),
        }
    }
}

impl OwnedStoreKey {
    /// The text.
    pub fn text(&self) -> &str {
        match &self.text {
            // It was copied from two strings.
            Text::Short { len, bytes } => {
                std::str::from_utf8(bytes.get(..usize::from(*len)).unwrap_or_default()).unwrap_or_default()
            }
            Text::Long(text) => text,
            Text::Ambiguous(key) => &key.text,
        }
    }

    /// The texts of the namespace and of the key in it.
    pub fn split(&self) -> (&str, &str) {
        // There is a `:` behind the namespace, and none in it.
        self.text().split_once(':').unwrap_or(("", self.text()))
    }

    /// SHA-256 of all parts of a key whose text does not say which one it is.
    pub fn whole(&self) -> Option<&[u8; 32]> {
        match &self.text {
            Text::Ambiguous(key) => Some(&key.whole),
            Text::Short { .. } | Text::Long(_) => None,
        }
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
        Some((namespace, Self { hash, text: Text::new([text, "", ""], whole.as_ref()) }))
    }

    /// The same hash as [`StoreKey::seeded_hash`].
    #[inline]
    pub fn seeded_hash(&self) -> u64 {
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
        write!(f, "OwnedStoreKey({})", self.text())
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
        assert!(!StoreKey::new(&a, &key).matches(&StoreKey::new(&ab, &key).into_owned()));
        assert!(StoreKey::new(&ab, &key).matches(&StoreKey::new(&ab, &key).into_owned()));
    }

    #[test]
    fn a_counters_key_is_no_entrys() {
        let namespace = Namespace::new("n", 0).unwrap();
        for key in [Key::new("k"), Key::new("k".repeat(1000))] {
            let entry = StoreKey::new(&namespace, &key);
            let counter = entry.of_counter();
            assert!(counter.matches(&counter.into_owned()) && entry.matches(&entry.into_owned()));
            assert!(!counter.matches(&entry.into_owned()) && !entry.matches(&counter.into_owned()));
            assert_ne!(entry.into_owned(), counter.into_owned());
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
        assert!(store_key.matches(&store_key.into_owned()));
    }

    /// Around the length up to which the text is kept within.
    #[test]
    fn keys_of_every_length_equal_themselves_and_no_other() {
        let namespace = Namespace::new("shop/users", 2).unwrap();
        let keys: Vec<Key> = (1..60).map(|len| Key::new("k".repeat(len))).collect();
        for (place, key) in keys.iter().enumerate() {
            let key = StoreKey::new(&namespace, key);
            for (other, owned) in
                keys.iter().map(|key| StoreKey::new(&namespace, key).into_owned()).enumerate()
            {
                assert_eq!(key.matches(&owned), place == other, "{key} {owned:?}");
                assert_eq!(key.into_owned() == owned, place == other, "{key} {owned:?}");
            }
            assert_eq!(key.into_owned().text(), key.to_string());
        }
        assert_eq!(size_of::<OwnedStoreKey>(), 40);
    }

    #[test]
    fn an_owned_key_is_read_back_from_its_text() {
        let namespace = Namespace::new("shop/users", 1).unwrap();
        for key in [Key::new("k").part("a:b").part(7), Key::new("k".repeat(1000)), Key::new("ü")] {
            let key = StoreKey::new(&namespace, &key);
            let owned = key.into_owned();
            let (space, read) = OwnedStoreKey::parse(owned.text(), owned.whole().copied()).unwrap();
            assert!(read == owned && key.matches(&read) && space.text() == namespace.text());
            assert_eq!(owned.split(), ("shop/users@1", key.key().text()));
            assert_ne!(key.of_counter().into_owned(), read);
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
        assert_eq!(store_key.seeded_hash(), store_key.into_owned().seeded_hash());
        let mut written = Vec::new();
        store_key.write_to(&mut written);
        assert_eq!(written, store_key.into_owned().text().as_bytes());
    }
}
