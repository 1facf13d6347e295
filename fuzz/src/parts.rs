//! Arbitrary keys, and a model of when two of them are the same.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use larder_core::{
    Key,
    key::{Digest, KeyPart, PartWriter},
};

/// Text that is likely to look like something else: full of what separates and marks parts, at times long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const MARKS: [char; 32] = [
    'a', 'b', 'f', 't', '0', '1', ':', ',', '=', '~', '#', '!', '$', '%', '^', '\'', '(', ')', '<', '>', '/',
    '@', '-', '_', '.', ' ', '\0', '\n', 'é', 'ÿ', '\u{301}', '*',
];

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(match u8::arbitrary(u)? % 8 {
            0 => String::arbitrary(u)?,
            1 => u.choose(&MARKS)?.to_string().repeat(u.int_in_range(0..=300)?),
            len => (2..len).map(|_| u.choose(&MARKS).copied()).collect::<arbitrary::Result<_>>()?,
        }))
    }
}

/// One character that separates or marks parts, or is escaped, or is not.
#[derive(Debug, Clone, Copy)]
pub struct Mark(pub char);

impl<'a> Arbitrary<'a> for Mark {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        u.choose(&MARKS).copied().map(Self)
    }
}

/// A part of a key, of any kind.
#[derive(Debug, Clone, Arbitrary)]
pub enum Part {
    /// Text.
    Text(Text),
    /// An integer.
    Integer(i128),
    /// An integer that may be too large for the kind above.
    Unsigned(u128),
    /// A small integer, which the two kinds above both have.
    Small(u8),
    /// A bool.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A float.
    Float(f64),
    /// The absence of a value.
    None,
    /// Parts in order.
    List(Vec<Part>),
    /// Parts without order.
    Set(Vec<Part>),
}

impl KeyPart for Part {
    fn write(&self, out: &mut PartWriter<'_>) {
        match self {
            Self::Text(text) => out.text(&text.0),
            Self::Integer(integer) => out.integer(*integer),
            Self::Unsigned(integer) => out.unsigned(*integer),
            Self::Small(integer) => integer.write(out),
            Self::Bool(on) => out.bool(*on),
            Self::Bytes(bytes) => out.bytes(bytes),
            Self::Float(float) => out.float(*float),
            Self::None => out.none(),
            Self::List(parts) => out.list(parts),
            Self::Set(parts) => out.set(parts),
        }
    }
}

/// What a part means: two parts are the same if these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Normal {
    /// Text.
    Text(String),
    /// An integer by value: whether it is negative, and its magnitude.
    Integer(bool, u128),
    /// A bool.
    Bool(bool),
    /// Bytes, never the same as text.
    Bytes(Vec<u8>),
    /// A float's bits, of all NaNs those of one.
    Float(u64),
    /// The absence of a value.
    None,
    /// Parts in order.
    List(Vec<Normal>),
    /// Parts without order and duplicates.
    Set(BTreeSet<Normal>),
}

impl Part {
    /// What the part means.
    pub fn normal(&self) -> Normal {
        match self {
            Self::Text(text) => Normal::Text(text.0.clone()),
            Self::Integer(integer) => Normal::Integer(*integer < 0, integer.unsigned_abs()),
            Self::Unsigned(integer) => Normal::Integer(false, *integer),
            Self::Small(integer) => Normal::Integer(false, u128::from(*integer)),
            Self::Bool(on) => Normal::Bool(*on),
            Self::Bytes(bytes) => Normal::Bytes(bytes.clone()),
            Self::Float(float) if float.is_nan() => Normal::Float(u64::MAX),
            Self::Float(float) => Normal::Float(float.to_bits()),
            Self::None => Normal::None,
            Self::List(parts) => Normal::List(parts.iter().map(Self::normal).collect()),
            Self::Set(parts) => Normal::Set(parts.iter().map(Self::normal).collect()),
        }
    }
}

/// A part after the first: it may have a name.
#[derive(Debug, Clone, Arbitrary)]
pub struct Element {
    /// The name.
    pub name: Option<Text>,
    /// The part.
    pub part: Part,
}

impl Element {
    /// A part without a name.
    pub fn unnamed(part: Part) -> Self {
        Self { name: None, part }
    }
}

/// All that a key is made of.
#[derive(Debug, Clone, Arbitrary)]
pub struct Parts {
    /// The first part, which has no name.
    pub first: Part,
    /// The others.
    pub rest: Vec<Element>,
    /// Whether the digest is SHA-1.
    pub sha1: bool,
}

impl Parts {
    /// The key.
    pub fn key(&self) -> Key {
        let key = Key::new(&self.first).digest(self.digest());
        self.rest.iter().fold(key, Self::add)
    }

    /// The key, rendered after every part that is added.
    pub fn key_rendered_at_every_step(&self) -> Key {
        let rendered = |key: Key| {
            let _ = (key.text(), key.seeded_hash());
            key
        };
        let first = rendered(Key::new(&self.first).digest(self.digest()));
        self.rest.iter().fold(first, |key, element| rendered(Self::add(key, element)))
    }

    /// What the parts mean.
    pub fn normal(&self) -> (Normal, Vec<(Option<Text>, Normal)>) {
        let rest = self.rest.iter().map(|element| (element.name.clone(), element.part.normal())).collect();
        (self.first.normal(), rest)
    }

    /// Whether this is the one key that is refused.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty() && matches!(&self.first, Part::Text(text) if text.0.is_empty())
    }

    fn digest(&self) -> Digest {
        if self.sha1 { Digest::Sha1 } else { Digest::Sha256 }
    }

    fn add(key: Key, element: &Element) -> Key {
        match &element.name {
            Some(name) => key.named(name.as_str(), &element.part),
            None => key.part(&element.part),
        }
    }
}

/// Whether the text of a key ends in a digest: a `~` that hexadecimal digits follow stands for nothing else.
pub fn is_long(key: &Key) -> bool {
    let digest = key.text().rsplit_once('~').map_or("", |(_, digits)| digits);
    digest.len() >= 40 && digest.bytes().all(|digit| digit.is_ascii_hexdigit())
}
