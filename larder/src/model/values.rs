//! The values that settings of caches have: a time or a word that stands for none.

use std::{fmt, time::Duration};

use larder_core::{Ttl, settings::Span};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The word that stands for nothing: no codec, no deadline.
pub(crate) const NONE: &str = "none";

/// A [`Ttl`] as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) Ttl);

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Word { word: "never", like: "\"60s\" or \"1h 30m\"" };
        let span = deserializer.deserialize_str(word)?;
        Ok(Self(span.map_or(Ttl::Never, |span| Ttl::After(span.get()))))
    }
}

/// A time that something may take, or no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Option<Duration>);

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Word { word: NONE, like: "\"50ms\"" };
        let span = deserializer.deserialize_str(word)?;
        if span.is_some_and(|span| span.get().is_zero()) {
            return Err(de::Error::custom("must be greater than zero; \"none\" stands for no limit"));
        }
        Ok(Self(span.map(Span::get)))
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(bound) => Span(bound).serialize(serializer),
            None => serializer.serialize_str(NONE),
        }
    }
}

/// Until which age lives slide, if they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sliding(pub(crate) Option<Life>);

impl<'de> Deserialize<'de> for Sliding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor(Word);

        impl de::Visitor<'_> for Visitor {
            type Value = Sliding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.expecting(f)?;
                write!(f, " or {NONE:?}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sliding, E> {
                if text == NONE {
                    return Ok(Sliding(None));
                }
                let span = self.0.visit_str(text)?;
                Ok(Sliding(Some(Life(span.map_or(Ttl::Never, |span| Ttl::After(span.get()))))))
            }
        }

        deserializer.deserialize_str(Visitor(Word { word: "never", like: "\"1day\"" }))
    }
}

/// A number, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number, like 0.8, or {NONE:?}")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(Some(number)))
            }

            #[allow(clippy::cast_precision_loss, reason = "what means anything here is small")]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(Some(number as f64)))
            }

            #[allow(clippy::cast_precision_loss, reason = "what means anything here is small")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(Some(number as f64)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                if text == NONE {
                    return Ok(Number(None));
                }
                let number =
                    text.trim().parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Number(Some(number)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a duration, or the word that stands for none.
struct Word {
    word: &'static str,
    like: &'static str,
}

impl de::Visitor<'_> for Word {
    type Value = Option<Span>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration with its unit, like {}, or {:?}", self.like, self.word)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<Span>, E> {
        if text == self.word {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(feature = "schema")]
fn span_or(word: &str, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let span = generator.subschema_for::<Span>();
    schemars::json_schema!({ "anyOf": [span, { "const": word }] })
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Life {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Life".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        span_or("never", generator)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        span_or(NONE, generator)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "const": NONE }] })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Sliding {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sliding".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let span = generator.subschema_for::<Span>();
        schemars::json_schema!({ "anyOf": [span, { "enum": ["never", NONE] }] })
    }
}
