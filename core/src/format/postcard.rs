//! Postcard, by the crate of that name.

use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, Visit, Visiting,
    bounded::Bounded,
    budget::Budget,
    encode_error,
    faithful::{self, Rules},
    nothing_follows,
};
use crate::{error::Result, miss::Undecodable};

/// Postcard: smallest and fastest, and not self-describing. Untagged enums, `flatten`, `skip_serializing_if` and
/// `serde_json::Value` do not work.
///
/// Fields are known by their place only, so a change of type needs a new schema version. Four bytes follow a value that has
/// structs or tuples: its shape, by which bytes of a type with more or fewer fields are refused, and not read as something
/// else. A type of one shape whose fields have changed their types or places is not noticed.
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
        Self::write(value, Vec::new())
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        Self::read(bytes, Visiting(visit))
    }
}

impl Postcard {
    /// Writes into this, which is empty, and gives it back.
    pub(super) fn write(value: &(impl Serialize + ?Sized), out: Vec<u8>) -> Result<Vec<u8>> {
        let (mut bytes, shape) =
            faithful::written::<ByPlace, _, _, _>(value, |value| postcard::to_extend(value, out))
                .map_err(|why| encode_error("postcard", why))?;
        bytes.extend_from_slice(shape.bytes().as_ref().map_or(&[], |shape| shape));
        Ok(bytes)
    }

    /// Reads one value that these bytes are, and all of them.
    pub(super) fn read<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        bytes: &[u8],
        seed: S,
    ) -> Result<T, Undecodable> {
        let mut postcard = postcard::Deserializer::from_bytes(bytes);
        let budget = Budget::of(bytes);
        let value = seed.deserialize(Bounded::new(&mut postcard, &budget)).map_err(|why| budget.why(why))?;
        let rest = postcard.finalize().map_err(Undecodable::format)?;
        let Some(shape) = budget.shape().bytes() else {
            nothing_follows(rest)?;
            return Ok(value);
        };
        let (written, rest) = rest
            .split_at_checked(shape.len())
            .ok_or_else(|| Undecodable::format("the shape of the value is missing"))?;
        nothing_follows(rest)?;
        if written != shape {
            return Err(Undecodable::format(
                "the type that wrote this has other fields; a changed type needs a new schema",
            ));
        }
        Ok(value)
    }
}

/// What Postcard takes for something else.
#[derive(Debug, Clone, Copy)]
struct ByPlace;

impl Rules for ByPlace {
    const BY_PLACE: bool = true;
    const NULL: bool = false;
    const UNIT_STRUCT_IS_NULL: bool = false;
    const FINITE: bool = false;
    const RAW_JSON: bool = false;
    const COUNTED: bool = true;
}
