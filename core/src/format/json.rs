//! JSON, by serde_json.

use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, Visit, Visiting,
    bounded::{Bounded, Budget},
    encode_error,
};
use crate::error::Result;

/// JSON: readable by people and by every language. Map keys must be text or numbers; floats come back bit for bit, but
/// `NaN` and the infinities, which JSON has no way to say, become `null`.
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
        Self::write(value)
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
        Self::read(bytes, Visiting(visit))
    }
}

impl Json {
    pub(super) fn write(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|why| encode_error("json", why))
    }

    /// Reads one value that these bytes are, and all of them.
    pub(super) fn read<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        bytes: &[u8],
        seed: S,
    ) -> Result<T, String> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let budget = Budget::of(bytes);
        let value = seed.deserialize(Bounded::new(&mut json, &budget)).map_err(|why| budget.why(why))?;
        json.end().map_err(|why| why.to_string())?;
        Ok(value)
    }
}
