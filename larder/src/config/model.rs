//! The settings that are Larder's own: those of a cache, and what every store has beside its backend's.

use std::{fmt, time::Duration};

use figment::value::{Dict, Value};
use larder_core::{
    Format as _, Ttl,
    cache::{
        Abandon, DEFAULT_ERROR_BACKOFF, DEFAULT_INVALIDATION_LAG, DEFAULT_LOAD_LIMIT, DEFAULT_MAX_LOADS,
        DEFAULT_MAX_VALUE, DEFAULT_NEGATIVE_TTL, DEFAULT_TTL, Policy as Conduct,
    },
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
    /// Makes each life longer by a random time of at most so much, so that what was written together does not expire
    /// together.
    pub(crate) jitter: Span,
    /// How long a loader's "not there" lives.
    pub(crate) negative_ttl: Span,
    /// For so long after its life a value is still served at once, while one load makes a new one behind it.
    pub(crate) stale_while_revalidate: Span,
    /// For so long after its life a value is served when the loader fails.
    pub(crate) stale_if_error: Span,
    /// For how long a loader that failed is left alone while there is a stale value to serve.
    pub(crate) error_backoff: Span,
    /// How long a caller waits for a loader when there is a stale value to serve instead: "50ms", or "none".
    pub(crate) soft_deadline: Bound,
    /// How long a caller waits for a loader at all: "5s", or "none".
    pub(crate) hard_deadline: Bound,
    /// After this time a loader is given up: "60s", or "none" for never.
    pub(crate) load_limit: Bound,
    /// After this fraction of a life, between 0 and 1, the first read begins a load behind it; or "none".
    pub(crate) early_refresh: Number,
    /// Begins loads behind reads at random, the likelier the nearer the end of the life is and the dearer the load
    /// was: 1 is the usual choice, more is earlier; or "none".
    pub(crate) xfetch: Number,
    /// How many loads of the cache run at once in a process.
    pub(crate) max_loads: usize,
    /// What becomes of a load when everybody who waited for it has gone away.
    pub(crate) abandon: Abandoned,
    /// Loads under a lease of so long, so that one process of all loads a key and no load overtakes another process's
    /// writes: as long as most loads take, or "none".
    pub(crate) lease: Bound,
    /// Begins a life anew when its value is read, until the value is so old: "1day", "never" for without end, or "none".
    pub(crate) sliding: Sliding,
}

impl Policy {
    /// How long values live, and what happens when they are old or cannot be had.
    pub(crate) fn conduct(&self) -> Conduct {
        let mut conduct = Conduct::new(self.ttl.0)
            .jitter(self.jitter.get())
            .negative_ttl(self.negative_ttl.get())
            .stale_while_revalidate(self.stale_while_revalidate.get())
            .stale_if_error(self.stale_if_error.get())
            .error_backoff(self.error_backoff.get())
            .load_limit(self.load_limit.0.unwrap_or(Duration::MAX))
            .max_loads(self.max_loads)
            .abandon(match self.abandon {
                Abandoned::Finish => Abandon::Finish,
                Abandoned::Cancel => Abandon::Cancel,
            });
        if let Bound(Some(limit)) = self.soft_deadline {
            conduct = conduct.soft_deadline(limit);
        }
        if let Bound(Some(limit)) = self.hard_deadline {
            conduct = conduct.hard_deadline(limit);
        }
        if let Number(Some(fraction)) = self.early_refresh {
            conduct = conduct.early_refresh(fraction);
        }
        if let Number(Some(beta)) = self.xfetch {
            conduct = conduct.xfetch(beta);
        }
        if let Bound(Some(time)) = self.lease {
            conduct = conduct.lease(time);
        }
        if let Sliding(Some(Life(oldest))) = self.sliding {
            conduct = conduct.sliding(oldest);
        }
        conduct
    }
}

/// What becomes of a load that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Abandoned {
    /// It goes on, and its value is stored.
    Finish,
    /// It is dropped.
    Cancel,
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
    let nothing = Span(Duration::ZERO).to_string();
    let defaults = [
        ("ttl", Span(DEFAULT_TTL).to_string()),
        ("format", MessagePack.name().to_owned()),
        ("codec", NONE.to_owned()),
        // A `usize` of this size fits.
        ("compress_above", size(DEFAULT_THRESHOLD as u64)),
        ("max_value", size(DEFAULT_MAX_VALUE)),
        ("invalidation_lag", Span(DEFAULT_INVALIDATION_LAG).to_string()),
        ("jitter", nothing.clone()),
        ("negative_ttl", Span(DEFAULT_NEGATIVE_TTL).to_string()),
        ("stale_while_revalidate", nothing.clone()),
        ("stale_if_error", nothing),
        ("error_backoff", Span(DEFAULT_ERROR_BACKOFF).to_string()),
        ("soft_deadline", NONE.to_owned()),
        ("hard_deadline", NONE.to_owned()),
        ("load_limit", Span(DEFAULT_LOAD_LIMIT).to_string()),
        ("early_refresh", NONE.to_owned()),
        ("xfetch", NONE.to_owned()),
        ("abandon", "finish".to_owned()),
        ("lease", NONE.to_owned()),
        ("sliding", NONE.to_owned()),
    ];
    let mut defaults: Dict =
        defaults.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    defaults.insert("max_loads".to_owned(), DEFAULT_MAX_LOADS.into());
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
