//! Formats: how a value becomes bytes, by way of serde. The format is a matter of writing; reading goes by the
//! id in the envelope, so it can be changed on a live cache.
//!
//! | name | id | old bytes into a struct with a new optional field | |
//! |---|---|---|---|
//! | `raw` | 0 | | bytes and text as they are |
//! | `json` | 1 | yes | readable by people; what an HTTP service answers with |
//! | `msgpack` | 2 | yes | MessagePack with field names; the default |
//! | `postcard` | 3 | no | smallest and fastest; every change of a type needs a new schema version |

mod json;
mod msgpack;
mod postcard;
mod raw;

use std::{collections::BTreeMap, fmt, sync::Arc};

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
/// - `decode` neither panics nor allocates far more than it was given, whatever the bytes are.
pub trait Format: Send + Sync + fmt::Debug + 'static {
    /// The number in the envelope: 0 to 127 are given out by Larder, 128 to 255 are free for everybody's own.
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

fn encode_error(format: &str, why: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Encode,
        Operation::Encode,
        format!("the value cannot be written as {format}: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    use super::*;

    fn decode<T: DeserializeOwned>(format: &dyn Format, bytes: &[u8]) -> Result<T, String> {
        let mut value = None;
        format.decode(bytes, &mut |deserializer| {
            value = Some(erased_serde::deserialize(deserializer)?);
            Ok(())
        })?;
        value.ok_or_else(|| "not visited".into())
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
        for format in [&Json as &dyn Format, &MessagePack, &Postcard] {
            let mut bytes = format.encode(&answer()).unwrap();
            assert_eq!(decode::<Answer>(format, &bytes).unwrap(), answer(), "{format:?}");
            bytes.push(b'1');
            decode::<Answer>(format, &bytes).expect_err(format.name());
            decode::<Answer>(format, &bytes[..bytes.len() / 2]).expect_err(format.name());
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
}
