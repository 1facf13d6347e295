//! JSON, by serde_json.

use super::{Format, Visit, encode_error};
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
        serde_json::to_vec(value).map_err(|why| encode_error(self.name(), why))
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json)).map_err(|why| why.to_string())?;
        json.end().map_err(|why| why.to_string())
    }
}
