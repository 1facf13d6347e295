//! The settings that are Larder's own: those of a cache, and what every store has beside its backend's.

use std::{fmt, time::Duration};

use figment::value::{Dict, Value};
use larder_core::{
    Format as _, Ttl,
    cache::{DEFAULT_INVALIDATION_LAG, DEFAULT_MAX_VALUE, DEFAULT_TTL},
    codec::DEFAULT_THRESHOLD,
    format::MessagePack,
    settings::{ByteSize, Span},
};
use serde::{Deserialize, Deserializer, de};

use super::environment::nest;

/// The name that stands for no codec and for no deadline.
pub(crate) const NONE: &str = "none";
/// The backend of the store that exists when none is configured.
pub(crate) const MEMORY: &str = "memory";
/// How long a store that other processes share may take when nothing is configured.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_millis(50);

/// What every cache has a setting for, and inherits from `[defaults]`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// The store that holds the entries. Default: the only store, or the one that is called "main".
    #[serde(default)]
    pub(crate) store: Option<String>,
    /// How long an entry lives when the program says nothing else: "60s", "1h 30m", or "never".
    pub(crate) ttl: Life,
    /// How values become bytes: "json", "msgpack", "postcard", "raw", or one of the program's own.
    pub(crate) format: String,
    /// How bytes become fewer bytes: "none", "gzip", "zstd", or one of the program's own.
    pub(crate) codec: String,
    /// Values of at least this size are compressed.
    pub(crate) compress_above: ByteSize,
    /// The largest value, before compression, that is written or read.
    pub(crate) max_value: ByteSize,
    /// On a store that other processes share: how long what is known of tags and clears may be remembered, and
    /// so how late this process may see that another one has cleared or invalidated by tag.
    pub(crate) invalidation_lag: Span,
}

/// What a cache has beside its policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// Whose keys these are: a path like "shop/users". Default: the name of the cache.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// The version of the values' schema. Raising it begins with an empty cache.
    #[serde(default)]
    pub(crate) schema: u32,
}

/// The keys of [`Identity`].
pub(crate) const IDENTITY: &[&str] = &["namespace", "schema"];

/// What every store has beside its backend's settings.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    /// Which backend the store is of.
    pub(crate) backend: String,
    /// How long an operation of the store may take: "50ms", or "none". Default: 50 ms for a store that other
    /// processes share, none for one in this process.
    #[serde(default)]
    pub(crate) deadline: Option<Bound>,
}

/// The keys of [`Frame`].
pub(crate) const FRAME: &[&str] = &["backend", "deadline"];

/// `[defaults]` as it is when nothing is said, and the store that exists when none is configured.
pub(super) fn built_in() -> Dict {
    let size = |bytes: u64| ByteSize(bytes).to_string();
    let defaults = [
        ("ttl", Span(DEFAULT_TTL).to_string()),
        ("format", MessagePack.name().to_owned()),
        ("codec", NONE.to_owned()),
        // A `usize` of this size fits.
        ("compress_above", size(DEFAULT_THRESHOLD as u64)),
        ("max_value", size(DEFAULT_MAX_VALUE)),
        ("invalidation_lag", Span(DEFAULT_INVALIDATION_LAG).to_string()),
    ];
    let defaults: Dict = defaults.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let mut all = nest(&["stores", "main", "backend"].map(str::to_owned), MEMORY);
    all.insert("defaults".to_owned(), Value::from(defaults));
    all
}

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
            return Err(de::Error::custom(
                "nothing can be done in no time; \"none\" means without a deadline",
            ));
        }
        Ok(Self(span.map(Span::get)))
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
