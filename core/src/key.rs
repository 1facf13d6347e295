//! Keys: typed parts, rendered to one portable string.
//!
//! Two different lists of parts never render alike, the text is the same in every process, on every machine
//! and in every version (golden vectors pin it), and every store takes it: at most [`MAX_STORE_KEY`] bytes of
//! printable ASCII without spaces, namespace included.
//!
//! | part | renders as | |
//! |---|---|---|
//! | text | `abc`, `caf%C3%A9`, `''` when empty | what is not `A-Z a-z 0-9 - _ .` is escaped as `%XX` |
//! | integer | `#42`, `#-7` | by value, whatever its width |
//! | bool | `!t`, `!f` | |
//! | bytes | `$abc`, `$%FF` | escaped like text |
//! | none | `~` | the `None` of an `Option` |
//! | float | `^3ff8000000000000` | its bits, so that no formatting can change it |
//! | list | `(a,#1)` | in order |
//! | set | `<#1,a>` | sorted, duplicates dropped |
//! | named | `gaia=!t` | the name escaped like text |
//!
//! Parts are joined by `:`. When the text is longer than [`MAX_KEY`] bytes, what does not fit is replaced by
//! `~` and a digest of it in hexadecimal.

mod namespace;
mod part;
mod store_key;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub use self::{
    namespace::Namespace,
    part::{KeyPart, PartWriter},
    store_key::{OwnedStoreKey, StoreKey},
};

/// The longest text of a key without its namespace, in bytes. Longer ones end in a digest.
pub const MAX_KEY: usize = 127;
/// The longest rendered namespace, in bytes. A longer one is refused when the cache is built.
pub const MAX_NAMESPACE: usize = 72;
/// The longest text that reaches a store, in bytes: namespace, `:`, key. Memcached's limit is 250.
pub const MAX_STORE_KEY: usize = MAX_NAMESPACE + 1 + MAX_KEY;
/// What a store that goes by text appends to a counter's key: no entry's key contains a `+`. It comes on top of
/// [`MAX_STORE_KEY`]. At the end, so that rights that are given by the beginnings of keys cover counters, too.
pub const COUNTER_SUFFIX: &str = "+c";

/// The digest that stands for the tail of a long key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Digest {
    /// SHA-256: 64 hexadecimal digits. The default.
    #[default]
    Sha256,
    /// SHA-1: 40 hexadecimal digits, so 24 more bytes of the key stay readable. Collisions can be made on
    /// purpose; they are recognised when the entry is read (its envelope holds a SHA-256 of the whole key), so
    /// they cost a miss and never give a wrong value.
    Sha1,
}

/// The name of an entry: parts that are typed, escaped and joined.
///
/// A key costs one growing string to build; keep it when it is used more than once, its hash is remembered.
///
/// ```
/// # use larder_core::Key;
/// let key = Key::new("search").part("acme").part(3).flag("gaia", true).set([9, 4]).list(["b", "a"]);
/// assert_eq!(key.to_string(), "search:acme:#3:gaia=!t:<#4,#9>:(b,a)");
/// ```
#[derive(Clone)]
pub struct Key {
    /// All parts, escaped and joined, however long.
    canonical: String,
    digest: Digest,
    rendered: OnceLock<Rendered>,
}

#[derive(Clone)]
struct Rendered {
    hash: u64,
    long: Option<Box<Long>>,
}

/// What a key that is too long to be shown whole is known by.
#[derive(Clone)]
struct Long {
    text: String,
    /// SHA-256 of all parts: what stores of envelopes are asked for, and nobody else.
    whole: OnceLock<[u8; 32]>,
}

impl Key {
    /// A key whose first part is this one: usually the name of what is cached.
    pub fn new(first: impl KeyPart) -> Self {
        let mut canonical = String::with_capacity(48);
        first.write(&mut PartWriter::new(&mut canonical));
        Self { canonical, digest: Digest::default(), rendered: OnceLock::new() }
    }

    /// Adds a part.
    pub fn part(mut self, part: impl KeyPart) -> Self {
        self.separate();
        part.write(&mut PartWriter::new(&mut self.canonical));
        self
    }

    /// Adds a part under a name, so that optional criteria cannot be taken for each other.
    pub fn named(mut self, name: &str, part: impl KeyPart) -> Self {
        self.separate();
        part::escape(name.as_bytes(), &mut self.canonical);
        self.canonical.push('=');
        part.write(&mut PartWriter::new(&mut self.canonical));
        self
    }

    /// Adds a condition that is on or off.
    pub fn flag(self, name: &str, on: bool) -> Self {
        self.named(name, on)
    }

    /// Adds parts whose order means something. An empty list is a part, too.
    pub fn list<P: KeyPart>(mut self, parts: impl IntoIterator<Item = P>) -> Self {
        self.separate();
        PartWriter::new(&mut self.canonical).list(parts);
        self
    }

    /// Adds parts whose order means nothing: they are sorted and duplicates are dropped.
    pub fn set<P: KeyPart>(mut self, parts: impl IntoIterator<Item = P>) -> Self {
        self.separate();
        PartWriter::new(&mut self.canonical).set(parts);
        self
    }

    /// Chooses the digest for the tail, should the key get long. It belongs to the key: the same parts under
    /// another digest are another key once they are long.
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self.rendered = OnceLock::new();
        self
    }

    /// The text of the key without its namespace: at most [`MAX_KEY`] bytes of printable ASCII.
    pub fn text(&self) -> &str {
        self.rendered().long.as_ref().map_or(&self.canonical, |long| &long.text)
    }

    /// Whether this is the empty key, the only one that is refused.
    pub fn is_empty(&self) -> bool {
        // An empty text renders as `''`; a custom part may write nothing at all.
        self.canonical.is_empty() || self.canonical == "''"
    }

    /// A hash of the text, seeded per process: for tables, never for storage.
    pub fn hash(&self) -> u64 {
        self.rendered().hash
    }

    /// SHA-256 of all parts, for a key whose text ends in a digest.
    pub(crate) fn whole(&self) -> Option<&[u8; 32]> {
        let long = self.rendered().long.as_ref()?;
        Some(long.whole.get_or_init(|| Sha256::digest(&self.canonical).into()))
    }

    /// The same, where the text alone does not say which key it is: nobody can make two keys whose texts end in the same
    /// SHA-256, and somebody may be able to with SHA-1.
    pub(crate) fn beyond_its_text(&self) -> Option<&[u8; 32]> {
        if self.digest == Digest::Sha1 { self.whole() } else { None }
    }

    fn separate(&mut self) {
        self.canonical.push(':');
        if self.rendered.get().is_some() {
            self.rendered = OnceLock::new();
        }
    }

    #[inline]
    fn rendered(&self) -> &Rendered {
        self.rendered.get_or_init(|| {
            let long = (self.canonical.len() > MAX_KEY).then(|| Box::new(self.shorten()));
            let text = long.as_ref().map_or(&*self.canonical, |long| &long.text);
            Rendered { hash: seeded_hash(text.as_bytes()), long }
        })
    }

    fn shorten(&self) -> Long {
        let digits = match self.digest {
            Digest::Sha256 => 64,
            Digest::Sha1 => 40,
        };
        let (head, tail) = self.canonical.split_at(MAX_KEY - 1 - digits);
        let mut text = String::with_capacity(MAX_KEY);
        text.push_str(head);
        text.push('~');
        match self.digest {
            Digest::Sha256 => push_hex(&mut text, &Sha256::digest(tail)),
            Digest::Sha1 => push_hex(&mut text, &Sha1::digest(tail)),
        }
        Long { text, whole: OnceLock::new() }
    }
}

/// The text of the key, without namespace.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical && self.digest == other.digest
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.rendered().hash);
    }
}

/// A key of one text part.
impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// A key of one text part.
impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// xxh3 under a seed drawn once per process, so that nobody outside can prepare keys that collide.
pub(crate) fn seeded_hash(bytes: &[u8]) -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(crate::random::number);
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_vectors() {
        // These texts are in people's stores. A change here is a change of every key in production.
        for (key, text) in [
            (Key::new("search"), "search"),
            (Key::new("a").part("b-c"), "a:b-c"),
            (Key::new("a-b").part("c"), "a-b:c"),
            (Key::new("a:b"), "a%3Ab"),
            (Key::new("x").part(10).part("10").part(10_u128), "x:#10:10:#10"),
            (Key::new("x").part(i64::MIN).part(u64::MAX), "x:#-9223372036854775808:#18446744073709551615"),
            (Key::new("x").part(true).part(None::<u8>).part(Some("s")).part(""), "x:!t:~:s:''"),
            (Key::new("x").part(1.5).part('ü').part("*?[{}] \r\n\0"), {
                "x:^3ff8000000000000:%C3%BC:%2A%3F%5B%7B%7D%5D%20%0D%0A%00"
            }),
            (Key::new("x").part([0xff_u8, b'a'].as_slice()).part("ÿa"), "x:$%FFa:%C3%BFa"),
            (Key::new("x").set(["b", "a", "b"]).list(["b", "a"]), "x:<a,b>:(b,a)"),
            (Key::new("x").list(Vec::<u8>::new()).list([""]), "x:():('')"),
            (Key::new("popular").named("region", "us").flag("gaia", false), "popular:region=us:gaia=!f"),
        ] {
            assert_eq!(key.text(), text);
        }
    }

    #[test]
    fn golden_vectors_of_long_keys() {
        let long = Key::new("search").part("x".repeat(200));
        assert_eq!(
            long.text(),
            "search:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             ~1158b7788a3b33b70f463f68e83516718b2bc925e25ce76e47f9cad54ccfc28a",
        );
        let long = long.digest(Digest::Sha1);
        assert_eq!(
            long.text(),
            "search:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             ~f8b9fb92a99638962adc81b9e0270ab9c6dd6c84",
        );
        assert_eq!(long.text().len(), MAX_KEY);
    }

    #[test]
    fn at_the_limit_a_key_stays_whole() {
        assert_eq!(Key::new("x".repeat(MAX_KEY)).text(), "x".repeat(MAX_KEY));
        assert!(Key::new("x".repeat(MAX_KEY)).whole().is_none());
        assert!(Key::new("x".repeat(MAX_KEY + 1)).whole().is_some());
    }

    #[test]
    fn adding_a_part_after_rendering_renders_anew() {
        let key = Key::new("a");
        let (text, hash) = (key.text().to_owned(), key.hash());
        let key = key.part("b");
        assert_ne!(key.text(), text);
        assert_ne!(key.hash(), hash);
    }

    #[test]
    fn only_the_empty_key_is_empty() {
        assert!(Key::new("").is_empty());
        assert!(!Key::new("").part("").is_empty());
        assert!(!Key::new(" ").is_empty());
    }

    /// One part of each kind, for the property below.
    #[derive(Debug, Clone, PartialEq)]
    enum Any {
        Text(String),
        Integer(i64),
        Bool(bool),
        Bytes(Vec<u8>),
        None,
        List(Vec<String>),
        Named(String, String),
    }

    fn any_part() -> impl Strategy<Value = Any> {
        let text = || "[a-c:=,~#!$%'()<>^ é]{0,4}";
        prop_oneof![
            text().prop_map(Any::Text),
            any::<i64>().prop_map(Any::Integer),
            any::<bool>().prop_map(Any::Bool),
            proptest::collection::vec(any::<u8>(), 0..4).prop_map(Any::Bytes),
            Just(Any::None),
            proptest::collection::vec(text(), 0..3).prop_map(Any::List),
            (text(), text()).prop_map(|(name, value)| Any::Named(name, value)),
        ]
    }

    fn build(parts: &[Any]) -> Key {
        parts.iter().fold(Key::new("k"), |key, part| match part {
            Any::Text(text) => key.part(text),
            Any::Integer(integer) => key.part(*integer),
            Any::Bool(on) => key.part(*on),
            Any::Bytes(bytes) => key.part(bytes.as_slice()),
            Any::None => key.part(None::<u8>),
            Any::List(parts) => key.list(parts),
            Any::Named(name, value) => key.named(name, value),
        })
    }

    proptest! {
        #[test]
        fn different_parts_never_render_alike(
            a in proptest::collection::vec(any_part(), 0..4),
            b in proptest::collection::vec(any_part(), 0..4),
        ) {
            let (left, right) = (build(&a), build(&b));
            prop_assert_eq!(a == b, left.text() == right.text(), "{} {}", left, right);
            prop_assert_eq!(a == b, left == right);
        }

        #[test]
        fn every_key_is_portable(parts in proptest::collection::vec(any_part(), 0..40)) {
            let key = build(&parts);
            prop_assert!(key.text().len() <= MAX_KEY);
            prop_assert!(key.text().bytes().all(|byte| byte.is_ascii_graphic()), "{}", key);
        }
    }
}
