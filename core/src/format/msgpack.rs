//! MessagePack with field names, by rmp-serde.

use super::{Format, Visit, encode_error};
use crate::error::Result;

/// MessagePack with field names: the default. Some 15 % smaller than JSON and faster both ways, and, since
/// fields are named, as forgiving when a type gains or loses one.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePack;

impl Format for MessagePack {
    fn id(&self) -> u8 {
        2
    }

    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn media_type(&self) -> &'static str {
        "application/vnd.msgpack"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(value).map_err(|why| encode_error(self.name(), why))
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), String> {
        let mut rest = bytes;
        let mut msgpack = rmp_serde::Deserializer::new(&mut rest);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut msgpack))
            .map_err(|why| why.to_string())?;
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes follow the value", rest.len())) }
    }
}
