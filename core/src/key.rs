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
mod parse;
mod part;
mod store_key;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::OnceLock,
};

#[cfg(feature = "sha1")]
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub(crate) use self::store_key::seeded_hash_of;
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
    ///
    /// With the feature `sha1`, which is on by default.
    #[cfg(feature = "sha1")]
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

    /// The key that has this text in a store, as far as that can be known.
    pub(crate) fn of_text(text: &str) -> Self {
        Self { canonical: text.to_owned(), digest: Digest::default(), rendered: OnceLock::new() }
    }

    /// The key whose parts, rendered and joined, are this text: what [`Display`](fmt::Display) gives of a key that is not long, and
    /// what an operator reads in a store behind the namespace's `:`. `None` if no key has it. Of a long key, only the
    /// whole text is known to be one; the text that ends in a digest is not, since it does not say of what.
    ///
    /// ```
    /// # use larder_core::Key;
    /// let key = Key::new("user").part(7).named("name", "Ada L.");
    /// assert_eq!(Key::parse("user:#7:name=Ada%20L."), Some(key));
    /// assert_eq!(Key::parse("user:#07"), None);
    /// assert_eq!(Key::parse("user: 7"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        parse::is_key(text).then(|| Self::of_text(text))
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, part: impl KeyPart) -> Self {
        self.separate();
        part.write(&mut PartWriter::new(&mut self.canonical));
        self
    }

    /// Adds a part under a name, so that optional criteria cannot be taken for each other.
    #[must_use]
    pub fn named(mut self, name: &str, part: impl KeyPart) -> Self {
        self.separate();
        part::escape_text(name, &mut self.canonical);
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
    #[must_use]
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
    #[inline]
    pub fn is_empty(&self) -> bool {
        // An empty text renders as `''`; a custom part may write nothing at all.
        self.canonical.is_empty() || self.canonical == "''"
    }

    /// A hash of the text, seeded per process: for tables, never for storage.
    pub fn seeded_hash(&self) -> u64 {
        self.rendered().hash
    }

    /// [`text`](Self::text) and [`seeded_hash`](Self::seeded_hash).
    #[inline]
    pub(crate) fn text_and_hash(&self) -> (&str, u64) {
        let Rendered { hash, long } = self.rendered();
        (long.as_ref().map_or(&self.canonical, |long| &long.text), *hash)
    }

    /// SHA-256 of all parts, for a key whose text ends in a digest.
    pub(crate) fn whole(&self) -> Option<&[u8; 32]> {
        let long = self.rendered().long.as_ref()?;
        Some(long.whole.get_or_init(|| Sha256::digest(&self.canonical).into()))
    }

    /// The same, where the text alone does not say which key it is: nobody can make two keys whose texts end in the same
    /// SHA-256, and somebody may be able to with SHA-1.
    #[inline]
    pub(crate) fn beyond_its_text(&self) -> Option<&[u8; 32]> {
        if self.digest == Digest::Sha256 { None } else { self.whole() }
    }

    fn separate(&mut self) {
        self.canonical.push(':');
        if self.rendered.get().is_some() {
            self.rendered = OnceLock::new();
        }
    }

    #[inline]
    fn rendered(&self) -> &Rendered {
        match self.rendered.get() {
            Some(rendered) => rendered,
            None => self.render(),
        }
    }

    fn render(&self) -> &Rendered {
        self.rendered.get_or_init(|| {
            let long = (self.canonical.len() > MAX_KEY).then(|| Box::new(self.shorten()));
            let text = long.as_ref().map_or(&*self.canonical, |long| &long.text);
            Rendered { hash: seeded_hash(text.as_bytes()), long }
        })
    }

    fn shorten(&self) -> Long {
        let digits = match self.digest {
            Digest::Sha256 => 64,
            #[cfg(feature = "sha1")]
            Digest::Sha1 => 40,
        };
        let (head, tail) = self.canonical.split_at(MAX_KEY - 1 - digits);
        let mut text = String::with_capacity(MAX_KEY);
        text.push_str(head);
        text.push('~');
        match self.digest {
            Digest::Sha256 => push_hex(&mut text, &Sha256::digest(tail)),
            #[cfg(feature = "sha1")]
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

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for eight in bytes.chunks(8) {
        let mut digits = [[0; 2]; 8];
        for (pair, byte) in digits.iter_mut().zip(eight) {
            *pair = HEX[usize::from(*byte)];
        }
        // Digits are ASCII.
        out.push_str(std::str::from_utf8(digits[..eight.len()].as_flattened()).unwrap_or_default());
    }
}

/// xxh3 under a seed drawn once per process, so that nobody outside can prepare keys that collide.
pub(crate) fn seeded_hash(bytes: &[u8]) -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(crate::random::number);
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

#[cfg(test)]
mod tests;
