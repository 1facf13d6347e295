//! A duration as people write it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ParseError;

/// A duration in a configuration: `"250ms"`, `"60s"`, `"1h 30m"`, `"7days"`. A bare number is refused, since
/// nobody can see whether it means seconds or milliseconds.
///
/// ```
/// # use larder_core::settings::Span;
/// # use std::time::Duration;
/// let span: Span = "1m 30s".parse().unwrap();
/// assert_eq!(span.get(), Duration::from_secs(90));
/// assert_eq!(span.to_string(), "1m 30s");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

impl Span {
    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        // Months, to humantime: nobody who writes 5M for a cache means 152 days.
        if let Some(number) = text.strip_suffix('M').filter(|number| ends_with_digit(number)) {
            return Err(ParseError::new(format!(
                "\"M\" is not a unit of a duration, did you mean \"{number}m\" (minutes)? Write it like \"250ms\", \
                 \"60s\" or \"1h 30m\""
            )));
        }
        humantime::parse_duration(text).map(Self).map_err(|_| {
            let hint = if ends_with_digit(text) {
                format!(", did you mean \"{text}s\"? Write")
            } else {
                "; write".into()
            };
            ParseError::new(format!(
                "\"{text}\" is not a duration{hint} it with its unit, like \"250ms\", \"60s\" or \"1h 30m\""
            ))
        })
    }
}

fn ends_with_digit(text: &str) -> bool {
    text.trim_end().ends_with(|last: char| last.is_ascii_digit())
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like \"250ms\", \"60s\" or \"1h 30m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration with its unit: \"250ms\", \"60s\", \"1h 30m\", \"7days\".",
            "pattern": "^\\s*([0-9]+\\s*[a-zµ]+\\s*)+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_unit_is_refused_with_a_hint() {
        for bad in ["\"5M\"", "\"1h 5 M\"", "\"60\"", "60", "\"\"", "\"-1s\"", "\"1 fortnight\"", "null"] {
            let why = serde_json::from_str::<Span>(bad).unwrap_err().to_string();
            assert!(why.contains("60s"), "{bad}: {why}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["250ms", "1m 30s", "7days", "0s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(serde_json::from_value::<Span>(serde_json::to_value(span).unwrap()).unwrap(), span);
        }
    }
}
