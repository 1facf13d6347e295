//! Postcard, by the crate of that name.

use super::{Format, Visit, encode_error};
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
        postcard::to_stdvec(value).map_err(|why| encode_error(self.name(), why))
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
        let mut postcard = postcard::Deserializer::from_bytes(bytes);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut postcard))
            .map_err(|why| why.to_string())?;
        let rest = postcard.finalize().map_err(|why| why.to_string())?;
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow the value", rest.len())) }
    }
}
