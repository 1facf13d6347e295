//! Postcard, by the crate of that name.

use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, Visit, Visiting,
    bounded::{Bounded, Budget},
    encode_error, nothing_follows,
};
use crate::error::Result;

/// Postcard: smallest and fastest, and not self-describing. A changed type reads old bytes as an error or as
/// something else, so a change of type needs a new schema version; untagged enums, `flatten` and
/// `serde_json::Value` do not work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Postcard;

impl Format for Postcard {
    fn id(&self) -> u8 {
        3
    }

    fn name(&self) -> &'static str {
        "postcard"
    }

    fn media_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        Self::write(value)
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
        Self::read(bytes, Visiting(visit))
    }
}

impl Postcard {
    pub(super) fn write(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
        postcard::to_stdvec(value).map_err(|why| encode_error("postcard", why))
    }

    /// Reads one value that these bytes are, and all of them.
    pub(super) fn read<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        bytes: &[u8],
        seed: S,
    ) -> Result<T, String> {
        let mut postcard = postcard::Deserializer::from_bytes(bytes);
        let budget = Budget::of(bytes);
        let value = seed.deserialize(Bounded::new(&mut postcard, &budget)).map_err(|why| budget.why(why))?;
        nothing_follows(postcard.finalize().map_err(|why| why.to_string())?)?;
        Ok(value)
    }
}
