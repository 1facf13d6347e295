//! `[stores.NAME.breaker]`: when a store that fails is no longer asked.

use std::fmt;

use larder_core::{layer::BreakerSettings, settings::Span};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Bound, NONE};

/// The settings of a store's breaker, or that it has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Breaker(pub(crate) Option<BreakerSection>);

/// The settings of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BreakerSection {
    /// The share of failures among the last outcomes at which it opens: above 0, up to 1.
    pub(crate) failures: f64,
    /// How many of the last outcomes count: 8 to 64.
    pub(crate) window: u32,
    /// How long it stays open before one call tries whether the server is back.
    pub(crate) open_for: Span,
    /// An answer that takes longer counts as a failure: "20ms", or "none". It must be below the store's deadline.
    pub(crate) slow: Bound,
}

impl Default for BreakerSection {
    fn default() -> Self {
        let BreakerSettings { window, failures, open_for, slow, .. } = BreakerSettings::new();
        Self { failures, window, open_for: Span(open_for), slow: Bound(slow) }
    }
}

impl BreakerSection {
    pub(crate) fn settings(self) -> BreakerSettings {
        BreakerSettings::new()
            .with_failures(self.failures)
            .with_window(self.window)
            .with_open_for(self.open_for.get())
            .with_slow(self.slow.0)
    }
}

impl<'de> Deserialize<'de> for Breaker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Breaker;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a table, like {{ open_for = \"1s\" }}, or {NONE:?}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Breaker, E> {
                if text == NONE {
                    return Ok(Breaker(None));
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Breaker, A::Error> {
                let section = BreakerSection::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Breaker(Some(section)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Breaker {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Breaker".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let section = generator.subschema_for::<BreakerSection>();
        schemars::json_schema!({ "anyOf": [section, { "const": NONE }] })
    }
}
