//! A number of bytes as people write it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ParseError;

/// A number of bytes in a configuration: `"512"`, `"64 KiB"`, `"256 MiB"`, `"1GB"`, or a bare number of bytes.
///
/// ```
/// # use larder_core::settings::ByteSize;
/// let size: ByteSize = "64 KiB".parse().unwrap();
/// assert_eq!(size.get(), 65_536);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let size: bytesize::ByteSize = text.trim().parse().map_err(|_| {
            ParseError::new(format!(
                "\"{text}\" is not a size; write it like \"64 KiB\", \"256 MiB\" or \"1GB\""
            ))
        })?;
        Ok(Self(size.as_u64()))
    }
}

/// In the largest binary unit that shows it exactly, so that it reads back as the same number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} B", self.0)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, like \"64 KiB\", \"256 MiB\" or a number of bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A size: \"64 KiB\", \"256 MiB\", \"1GB\", or a number of bytes.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9.]+\\s*([kKmMgGtTpP]i?)?[bB]?\\s*$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("64 KiB", 65_536), ("256MiB", 268_435_456), ("1GB", 1_000_000_000)] {
            assert_eq!(text.parse::<ByteSize>().unwrap().get(), bytes);
        }
        assert_eq!(serde_json::from_str::<ByteSize>("4096").unwrap().get(), 4096);
        for bad in ["\"many\"", "-1", "\"-1 KiB\"", "\"\"", "1.5"] {
            serde_json::from_str::<ByteSize>(bad).expect_err(bad);
        }
    }

    #[test]
    fn display_is_exact() {
        for bytes in [0, 1, 1023, 1024, 1025, 65_536, 268_435_456, 268_435_457, u64::MAX] {
            let shown = ByteSize(bytes).to_string();
            assert_eq!(shown.parse::<ByteSize>().unwrap().get(), bytes, "{shown}");
        }
    }
}
