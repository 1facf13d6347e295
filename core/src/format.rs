//! Formats: how a value becomes bytes, by way of serde. The format is a matter of writing; reading goes by the
//! id in the envelope, so it can be changed on a live cache.
//!
//! | name | id | old bytes into a struct with a new optional field | |
//! |---|---|---|---|
//! | `raw` | 0 | | bytes and text as they are |
//! | `json` | 1 | yes | readable by people; what an HTTP service answers with |
//! | `msgpack` | 2 | yes | MessagePack with field names; the default |
//! | `postcard` | 3 | no | smallest and fastest; every change of a type needs a new schema version |

mod bounded;
mod json;
mod msgpack;
mod postcard;
mod raw;

use std::{any::Any, collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Error as _},
};

use self::bounded::{Bounded, Budget};
pub use self::{json::Json, msgpack::MessagePack, postcard::Postcard, raw::Raw};
use crate::error::{Error, ErrorKind, Operation, Result};

/// Reads one value from a deserializer; what [`Format::decode`] is given.
pub type Visit<'v> =
    &'v mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>;

/// Turns values into bytes and back.
///
/// # Contract
/// - [`decode`](Self::decode) of what [`encode`](Self::encode) gave is an equal value.
/// - `decode` takes all bytes or fails: what is left over at the end is an error.
/// - `decode` neither panics nor allocates far more than it was given, whatever the bytes are. The deserializer itself need not
///   care: [`decode`](fn@decode) limits how deep values nest and how much is reserved before it is seen.
pub trait Format: Any + Send + Sync + fmt::Debug {
    /// The number in the envelope: 0 to 127 are given out by Larder (127 stands for a lease, which has no value), 128 to 255 are free for everybody's own.
    fn id(&self) -> u8;

    /// The name in the configuration.
    fn name(&self) -> &str;

    /// The media type of the bytes, for those who pass them on over HTTP.
    fn media_type(&self) -> &'static str;

    /// Serializes.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the format cannot express the value.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>>;

    /// Deserializes by calling `visit` once with a deserializer over these bytes.
    ///
    /// # Errors
    /// Why the bytes are not such a value.
    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String>;
}

/// The formats a process knows, found by id when reading and by name when configuring. The built-in ones are
/// always there.
#[derive(Debug, Clone)]
pub struct Formats(Arc<BTreeMap<u8, Arc<dyn Format>>>);

impl Default for Formats {
    fn default() -> Self {
        let builtin: [Arc<dyn Format>; 4] =
            [Arc::new(Raw), Arc::new(Json), Arc::new(MessagePack), Arc::new(Postcard)];
        Self(Arc::new(builtin.into_iter().map(|format| (format.id(), format)).collect()))
    }
}

impl Formats {
    /// Adds a format, in place of one with the same id.
    pub fn with(mut self, format: Arc<dyn Format>) -> Self {
        Arc::make_mut(&mut self.0).insert(format.id(), format);
        self
    }

    /// The format with this id.
    pub fn by_id(&self, id: u8) -> Option<&Arc<dyn Format>> {
        self.0.get(&id)
    }

    /// The format with this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<dyn Format>> {
        self.0.values().find(|format| format.name() == name)
    }

    /// The names of all formats.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|format| format.name())
    }
}

/// Serializes with this format. For the built-in ones the compiler sees the type and the format together; for others every
/// part of the value is a virtual call.
///
/// # Errors
/// As [`Format::encode`].
pub fn encode<T: Serialize>(format: &dyn Format, value: &T) -> Result<Vec<u8>> {
    match BuiltIn::of(format) {
        Some(BuiltIn::MessagePack) => MessagePack::write(value),
        Some(BuiltIn::Json) => Json::write(value),
        Some(BuiltIn::Postcard) => Postcard::write(value),
        None => format.encode(value),
    }
}

/// Deserializes with this format, within limits that hold for all: containers nest at most 128 deep (options and newtypes a
/// quarter of that each), at most a million elements may take no bytes, and no more is reserved than the bytes can hold.
/// What is written beyond these limits is written, and never read.
///
/// # Errors
/// Why the bytes are not such a value.
pub fn decode<T: DeserializeOwned>(format: &dyn Format, bytes: &[u8]) -> Result<T, String> {
    match BuiltIn::of(format) {
        Some(BuiltIn::MessagePack) => MessagePack::read(bytes, Typed(PhantomData)),
        Some(BuiltIn::Json) => Json::read(bytes, Typed(PhantomData)),
        Some(BuiltIn::Postcard) => Postcard::read(bytes, Typed(PhantomData)),
        None => {
            let (mut value, budget) = (None, Budget::of(bytes));
            format
                .decode(bytes, &mut |deserializer| {
                    value = Some(T::deserialize(Bounded::new(deserializer, &budget))?);
                    Ok(())
                })
                .map_err(|why| budget.why(why))?;
            value.ok_or_else(|| "the format gave no value".into())
        }
    }
}

/// The formats whose code is put together with the value's at compile time. (Raw only ever moves bytes.)
enum BuiltIn {
    MessagePack,
    Json,
    Postcard,
}

impl BuiltIn {
    fn of(format: &dyn Format) -> Option<Self> {
        let format: &dyn Any = format;
        if format.is::<MessagePack>() {
            Some(Self::MessagePack)
        } else if format.is::<Json>() {
            Some(Self::Json)
        } else if format.is::<Postcard>() {
            Some(Self::Postcard)
        } else {
            None
        }
    }
}

/// Reads a `T`; as a seed, so that a format has one way of reading and not two.
struct Typed<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Typed<T> {
    type Value = T;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// Reads whatever [`Visit`] makes of it.
struct Visiting<'v>(Visit<'v>);

impl<'de> DeserializeSeed<'de> for Visiting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        (self.0)(&mut <dyn erased_serde::Deserializer<'_>>::erase(deserializer)).map_err(D::Error::custom)
    }
}

fn nothing_follows(rest: &[u8]) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow the value", rest.len())) }
}

fn encode_error(format: &str, why: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Encode,
        Operation::Encode,
        format!("the value cannot be written as {format}: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// A format of somebody else's: goes by way of erased serde.
    #[derive(Debug)]
    struct Foreign<F>(F);

    impl<F: Format> Format for Foreign<F> {
        fn id(&self) -> u8 {
            200
        }
        fn name(&self) -> &'static str {
            "foreign"
        }
        fn media_type(&self) -> &'static str {
            "application/octet-stream"
        }
        fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
            self.0.encode(value)
        }
        fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
            self.0.decode(bytes, visit)
        }
    }

    fn all() -> [(Box<dyn Format>, Box<dyn Format>); 3] {
        [
            (Box::new(Json), Box::new(Foreign(Json))),
            (Box::new(MessagePack), Box::new(Foreign(MessagePack))),
            (Box::new(Postcard), Box::new(Foreign(Postcard))),
        ]
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Answer {
        found: u64,
        extremes: (i64, u64),
        names: Vec<Option<String>>,
        unit: (),
    }

    fn answer() -> Answer {
        let names = vec![Some("ü \0 \u{1F980}".into()), None, Some(String::new())];
        Answer { found: 3, extremes: (i64::MIN, u64::MAX), names, unit: () }
    }

    #[test]
    fn structures_come_back_equal_and_nothing_may_follow() {
        for (direct, foreign) in &all() {
            let mut bytes = encode(&**direct, &answer()).unwrap();
            assert_eq!(encode(&**foreign, &answer()).unwrap(), bytes);
            for format in [&**direct, &**foreign] {
                assert_eq!(decode::<Answer>(format, &bytes).unwrap(), answer(), "{format:?}");
            }
            bytes.push(b'1');
            for format in [&**direct, &**foreign] {
                decode::<Answer>(format, &bytes).expect_err(format.name());
                decode::<Answer>(format, &bytes[..bytes.len() / 2]).expect_err(format.name());
            }
        }
    }

    #[test]
    fn old_bytes_read_into_a_struct_with_a_new_optional_field() {
        #[derive(Serialize)]
        struct Old {
            a: u8,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct New {
            #[serde(default)]
            b: Option<String>,
            a: u8,
        }
        for format in [&Json as &dyn Format, &MessagePack] {
            let bytes = format.encode(&Old { a: 1 }).unwrap();
            assert_eq!(decode::<New>(format, &bytes).unwrap(), New { b: None, a: 1 });
        }
    }

    #[test]
    fn raw_takes_bytes_and_text_and_nothing_else() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(Raw.encode(&all).unwrap(), all);
        assert_eq!(decode::<Vec<u8>>(&Raw, &all).unwrap(), all);
        let bytes = bytes::Bytes::from(all.clone());
        assert_eq!(Raw.encode(&bytes).unwrap(), all);
        assert_eq!(decode::<bytes::Bytes>(&Raw, &all).unwrap(), bytes);
        assert_eq!(Raw.encode(&"text").unwrap(), b"text");
        assert_eq!(decode::<String>(&Raw, b"text").unwrap(), "text");
        decode::<String>(&Raw, b"\xff").expect_err("not UTF-8");
        assert_eq!(Raw.encode(&answer()).unwrap_err().kind(), ErrorKind::Encode);
        assert_eq!(Raw.encode(&7_u64).unwrap_err().kind(), ErrorKind::Encode);
        decode::<Answer>(&Raw, b"x").expect_err("a struct");
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct List(Option<Box<List>>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Linked {
        next: Option<Box<Linked>>,
    }

    #[derive(Debug, Deserialize)]
    struct Lists(#[expect(dead_code, reason = "only ever read from bytes")] Vec<Lists>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Tree {
        Leaf,
        Boxed(Box<Tree>),
        Branches(Vec<Tree>),
        Named { tree: Box<Tree> },
    }

    /// On the stack of a thread like the runtime's, in which a hostile body must not end.
    #[test]
    fn nesting_has_an_end() {
        let deep = |byte: u8| vec![byte; 1_000_000];
        for format in [&Postcard as &dyn Format, &Foreign(Postcard)] {
            let why = decode::<List>(format, &deep(1)).unwrap_err();
            assert!(why.contains("nested deeper than 128"), "{why}");
            for variant in [1, 3] {
                let why = decode::<Tree>(format, &deep(variant)).unwrap_err();
                assert!(why.contains("nested deeper than 128"), "{why}");
            }
        }
        for format in [&MessagePack as &dyn Format, &Foreign(MessagePack)] {
            // An array of one, and so on; what is ignored nests as well.
            let why = decode::<Tree>(format, &deep(0x91)).unwrap_err();
            assert!(!why.is_empty());
            let why = decode::<serde_json::Value>(format, &deep(0x91)).unwrap_err();
            assert!(why.contains("nested deeper than 128"), "{why}");
            decode::<serde::de::IgnoredAny>(format, &deep(0x91)).unwrap_err();
        }
        for format in [&Json as &dyn Format, &Foreign(Json)] {
            decode::<serde_json::Value>(format, &deep(b'[')).unwrap_err();
            decode::<serde::de::IgnoredAny>(format, &deep(b'[')).unwrap_err();
        }
    }

    #[test]
    fn what_nests_a_hundred_deep_comes_back() {
        let mut tree = Tree::Leaf;
        for _ in 0..30 {
            tree = Tree::Branches(vec![Tree::Leaf, tree]);
        }
        let mut linked = Linked { next: None };
        for _ in 0..100 {
            linked = Linked { next: Some(Box::new(linked)) };
        }
        let mut value = serde_json::Value::Null;
        for _ in 0..100 {
            value = serde_json::json!([value]);
        }
        for (direct, foreign) in &all() {
            for format in [&**direct, &**foreign] {
                assert_eq!(decode::<Tree>(format, &encode(format, &tree).unwrap()).unwrap(), tree);
                assert_eq!(decode::<Linked>(format, &encode(format, &linked).unwrap()).unwrap(), linked);
                // Postcard does not say what a value is, which this type would need.
                if direct.name() != "postcard" {
                    let bytes = encode(format, &value).unwrap();
                    assert_eq!(decode::<serde_json::Value>(format, &bytes).unwrap(), value);
                }
            }
        }
    }

    #[test]
    fn a_few_bytes_are_not_many_values() {
        // 268 million of them, in four bytes.
        let bytes = [0xff, 0xff, 0xff, 0x7f];
        for format in [&Postcard as &dyn Format, &Foreign(Postcard)] {
            let why = decode::<Vec<()>>(format, &bytes).unwrap_err();
            assert!(why.contains("more elements than bytes"), "{why}");
            let thousand = vec![(); 1000];
            assert_eq!(decode::<Vec<()>>(format, &encode(format, &thousand).unwrap()).unwrap(), thousand);
        }
    }

    #[test]
    fn many_empty_values_that_have_bytes_come_back() {
        let lists = vec![Vec::<u8>::new(); 1_200_000];
        for format in [&MessagePack as &dyn Format, &Postcard] {
            assert_eq!(decode::<Vec<Vec<u8>>>(format, &encode(format, &lists).unwrap()).unwrap(), lists);
        }
    }

    #[test]
    fn no_more_is_reserved_than_there_are_bytes() {
        // Each says that it has 65 536 elements, which are said to have as many, and so on.
        let bytes: Vec<u8> = [0xdd, 0, 1, 0, 0].repeat(100);
        let budget = Budget::of(&bytes);
        let mut rest = bytes.as_slice();
        let mut msgpack = rmp_serde::Deserializer::new(&mut rest);
        Lists::deserialize(Bounded::new(&mut msgpack, &budget)).unwrap_err();
        assert_eq!(budget.left_to_reserve(), 0);
    }
}
