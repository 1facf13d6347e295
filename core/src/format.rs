//! Formats: how a value becomes bytes, by way of serde. The format is a matter of writing; reading goes by the
//! id in the envelope, so it can be changed on a live cache.
//!
//! | name | id | old bytes into a struct with a new optional field | |
//! |---|---|---|---|
//! | `raw` | 0 | | bytes and text as they are |
//! | `json` | 1 | yes | readable by people; what an HTTP service answers with |
//! | `msgpack` | 2 | yes | MessagePack with field names; the default |
//! | `postcard` | 3 | no | smallest and fastest; every change of a type needs a new schema version |
//!
//! `raw` and `msgpack` are always there; `json` and `postcard` are features of this crate, on by default.
//!
//! Each refuses to write what it would read as something else. What each keeps of which types is measured, and written down in
//! `docs/formats.md`.

mod bounded;
mod budget;
mod faithful;
#[cfg(feature = "json")]
mod json;
mod msgpack;
#[cfg(feature = "postcard")]
mod postcard;
mod raw;
mod shape;

use std::{any::Any, collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, DeserializeSeed, Error as _},
};

#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "postcard")]
pub use self::postcard::Postcard;
use self::{bounded::Bounded, budget::Budget};
pub use self::{msgpack::MessagePack, raw::Raw};
use crate::{
    error::{Error, ErrorKind, Operation, Result},
    miss::Undecodable,
};

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
    /// [`Undecodable::format`]: why the bytes are not such a value.
    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable>;
}

/// The formats a process knows, found by id when reading and by name when configuring. Those that are compiled
/// in are always there.
#[derive(Debug, Clone)]
pub struct Formats(Arc<BTreeMap<u8, Arc<dyn Format>>>);

impl Default for Formats {
    fn default() -> Self {
        let formats = Self(Arc::default()).with(Arc::new(Raw)).with(Arc::new(MessagePack));
        #[cfg(feature = "json")]
        let formats = formats.with(Arc::new(Json));
        #[cfg(feature = "postcard")]
        let formats = formats.with(Arc::new(Postcard));
        formats
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
    encode_within(format, value, 0)
}

/// The same, with room for this many bytes from the beginning: an answer that is no longer was allocated once. Formats of
/// others make their own room.
pub(crate) fn encode_within<T: Serialize>(format: &dyn Format, value: &T, room: usize) -> Result<Vec<u8>> {
    let room = || Vec::with_capacity(room);
    match BuiltIn::of(format) {
        Some(BuiltIn::MessagePack) => MessagePack::write(value, room()),
        #[cfg(feature = "json")]
        Some(BuiltIn::Json) => Json::write(value, room()),
        #[cfg(feature = "postcard")]
        Some(BuiltIn::Postcard) => Postcard::write(value, room()),
        None => format.encode(value),
    }
}

/// Deserializes with this format, within limits that hold for all: containers nest at most 128 deep (options and newtypes a
/// quarter of that each), at most a million elements may take no bytes, and no more is reserved than the bytes can hold.
/// What is written beyond these limits is written, and never read.
///
/// # Errors
/// [`Undecodable::Format`]: why the bytes are not such a value.
pub fn decode<T: DeserializeOwned>(format: &dyn Format, bytes: &[u8]) -> Result<T, Undecodable> {
    match BuiltIn::of(format) {
        Some(BuiltIn::MessagePack) => MessagePack::read(bytes, Typed(PhantomData)),
        #[cfg(feature = "json")]
        Some(BuiltIn::Json) => Json::read(bytes, Typed(PhantomData)),
        #[cfg(feature = "postcard")]
        Some(BuiltIn::Postcard) => Postcard::read(bytes, Typed(PhantomData)),
        None => {
            let (mut value, budget) = (None, Budget::of(bytes));
            format
                .decode(bytes, &mut |deserializer| {
                    value = Some(T::deserialize(Bounded::new(deserializer, &budget))?);
                    Ok(())
                })
                .map_err(|why| budget.why(why))?;
            value.ok_or_else(|| Undecodable::format("the format gave no value"))
        }
    }
}

/// The same for bytes that may be shared: a value that is these very bytes (`Bytes` in the format `raw`) shares them.
pub(crate) fn decode_shared<T: DeserializeOwned + Any>(
    format: &dyn Format,
    bytes: &Bytes,
) -> Result<T, Undecodable> {
    let mut shared: Option<T> = None;
    if let Some(shared) = (&mut shared as &mut dyn Any).downcast_mut::<Option<Bytes>>()
        && (format as &dyn Any).is::<Raw>()
    {
        *shared = Some(bytes.clone());
    }
    match shared {
        Some(value) => Ok(value),
        None => decode(format, bytes),
    }
}

/// The formats whose code is put together with the value's at compile time. (Raw only ever moves bytes.)
enum BuiltIn {
    MessagePack,
    #[cfg(feature = "json")]
    Json,
    #[cfg(feature = "postcard")]
    Postcard,
}

impl BuiltIn {
    fn of(format: &dyn Format) -> Option<Self> {
        let format: &dyn Any = format;
        if format.is::<MessagePack>() {
            return Some(Self::MessagePack);
        }
        #[cfg(feature = "json")]
        if format.is::<Json>() {
            return Some(Self::Json);
        }
        #[cfg(feature = "postcard")]
        if format.is::<Postcard>() {
            return Some(Self::Postcard);
        }
        None
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

fn nothing_follows(rest: &[u8]) -> Result<(), Undecodable> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Undecodable::format(format_args!("{} bytes follow the value", rest.len())))
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
mod tests;
