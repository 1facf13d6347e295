//! JSON, by serde_json.

use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, Visit, Visiting,
    bounded::Bounded,
    budget::Budget,
    encode_error,
    faithful::{self, Rules},
};
use crate::{error::Result, miss::Undecodable};

/// JSON: readable by people and by every language. Map keys must be text or numbers; floats come back bit for bit.
/// `NaN` and the infinities, which JSON has no way to say, are refused, and so is `Some(None)`, which would come back as `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl Format for Json {
    fn id(&self) -> u8 {
        1
    }

    fn name(&self) -> &'static str {
        "json"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        Self::write(value, Vec::new())
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        Self::read(bytes, Visiting(visit))
    }
}

impl Json {
    /// Writes into this, which is empty, and gives it back.
    pub(super) fn write(value: &(impl Serialize + ?Sized), mut out: Vec<u8>) -> Result<Vec<u8>> {
        faithful::written::<Text, _, _, _>(value, |value| serde_json::to_writer(&mut out, value))
            .map(|_| out)
            .map_err(|why| encode_error("json", why))
    }

    /// Reads one value that these bytes are, and all of them.
    pub(super) fn read<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        bytes: &[u8],
        seed: S,
    ) -> Result<T, Undecodable> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let budget = Budget::of(bytes);
        let value = seed.deserialize(Bounded::new(&mut json, &budget)).map_err(|why| budget.why(why))?;
        json.end().map_err(Undecodable::format)?;
        Ok(value)
    }
}

/// What JSON takes for something else.
#[derive(Debug, Clone, Copy)]
struct Text;

impl Rules for Text {
    const BY_PLACE: bool = false;
    const NULL: bool = true;
    const UNIT_STRUCT_IS_NULL: bool = true;
    const FINITE: bool = true;
    const RAW_JSON: bool = true;
    const COUNTED: bool = false;
}
