//! The settings that are Larder's own: those of a cache, and what every store has beside its backend's.

mod breaker;
mod stores;
mod values;

use std::time::Duration;

use figment::value::{Dict, Value};
use larder_core::{
    Format as _,
    cache::{
        Abandon, DEFAULT_ERROR_BACKOFF, DEFAULT_INVALIDATION_LAG, DEFAULT_LOAD_LIMIT, DEFAULT_MAX_LOADS,
        DEFAULT_MAX_VALUE, DEFAULT_NEGATIVE_TTL, DEFAULT_TTL, Policy as Conduct,
    },
    chain::DEFAULT_NEAR_TTL,
    codec::DEFAULT_THRESHOLD,
    format::MessagePack,
    settings::{ByteSize, Span},
};
use serde::Deserialize;

pub(crate) use self::{
    breaker::{Breaker, BreakerSection},
    stores::StoreNames,
    values::{Bound, Life, NONE, Number, Sliding},
};
use crate::config::nest;

/// The backend of the store that exists when none is configured.
pub(crate) const MEMORY: &str = "memory";
/// How long a store that other processes share may take when nothing is configured.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_millis(50);

/// What every cache has a setting for, and inherits from `[defaults]`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// The store that holds the entries, or a chain of stores: near tiers in this process, nearest first, and behind them the
    /// store. Default: the only store, or the one that is called "main".
    #[serde(default)]
    pub(crate) store: Option<StoreNames>,
    /// What the near tiers of a chain keep.
    pub(crate) near: Near,
    /// The TTL of an entry unless the program gives another: "60s", "1h 30m", or "never".
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
    /// Makes each TTL longer by a random time of up to this much, so that what was written together does not expire
    /// together.
    pub(crate) jitter: Span,
    /// The TTL of a loader's "not found".
    pub(crate) negative_ttl: Span,
    /// For this long after its TTL a value is still served at once, while one load renews it in the background.
    pub(crate) stale_while_revalidate: Span,
    /// For this long after its TTL a value is served when the loader fails.
    pub(crate) stale_if_error: Span,
    /// How long a loader that failed is not called again while there is a stale value to serve.
    pub(crate) error_backoff: Span,
    /// How long a caller waits for a loader when there is a stale value to serve instead: "50ms", or "none".
    pub(crate) soft_deadline: Bound,
    /// How long a caller waits for a loader at all: "5s", or "none".
    pub(crate) hard_deadline: Bound,
    /// After this time a loader is abandoned: "60s", or "none" for never.
    pub(crate) load_limit: Bound,
    /// After this fraction of the TTL, between 0 and 1, the first read starts a load in the background; or "none".
    pub(crate) early_refresh: Number,
    /// Starts loads in the background at random, with a probability that rises towards the end of the TTL and with the cost
    /// of the load: 1 is the usual choice, more is earlier; or "none".
    pub(crate) xfetch: Number,
    /// How many loads of the cache run at once in a process.
    pub(crate) max_loads: usize,
    /// What happens to a load when no caller waits for it any more.
    pub(crate) abandon: Abandoned,
    /// Loads under a lease of this length, so that one process of all loads a key and no load overwrites what another process
    /// has written since: about as long as most loads take, or "none".
    pub(crate) lease: Bound,
    /// Resets the TTL when the value is read, until the value has this age: "1day", "never" for no limit, or "none".
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

/// What the near tiers of a chain keep.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Near {
    /// How long a near copy may be served after the store was asked for it: "10s", or "none" for as long as its entry lives, if
    /// the store tells what others change, and for `ttl_without_bus` if it does not.
    pub(crate) ttl: Bound,
    /// How long a near copy may be served that nobody has vouched for, because the store does not tell what others change, or is
    /// not heard at the moment; and so how late another process's change may be seen then.
    pub(crate) ttl_without_bus: Span,
    /// Whether to listen to what others change, if the store tells it. It takes a connection.
    pub(crate) bus: bool,
}

/// What happens to a load that no caller waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Abandoned {
    /// It continues, and its value is stored.
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
    /// When calls fail at once because the store has failed so often: a table of settings, or "none". Default: the table's
    /// defaults for a store that other processes share and that has a deadline, none for any other.
    #[serde(default)]
    pub(crate) breaker: Option<Breaker>,
    /// Which other store answers while the breaker is open, by its name; or "none", the default. Both have to be stores that
    /// processes share, and the other one has none itself.
    #[serde(default)]
    pub(crate) failover: Option<String>,
    /// Whether each call of the store makes a span, for whoever collects spans. Default: no.
    #[serde(default)]
    pub(crate) trace: bool,
}

/// The keys of [`Frame`].
pub(crate) const FRAME: &[&str] = &["backend", "deadline", "breaker", "failover", "trace"];

/// `[defaults]` as it is when nothing is said, and the store that exists when none is configured.
pub(crate) fn built_in() -> Dict {
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
    let near: [(String, Value); 3] = [
        ("ttl".to_owned(), NONE.into()),
        ("ttl_without_bus".to_owned(), Span(DEFAULT_NEAR_TTL).to_string().into()),
        ("bus".to_owned(), true.into()),
    ];
    defaults.insert("near".to_owned(), Dict::from(near).into());
    let mut all = nest(&["stores", "main", "backend"].map(str::to_owned), MEMORY);
    all.insert("defaults".to_owned(), Value::from(defaults));
    all
}
