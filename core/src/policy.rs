//! How long values live, and what happens when they are old or cannot be had.

use std::{fmt, time::Duration};

use crate::{
    backend::Capabilities,
    error::{Error, ErrorKind, Operation, Result},
    ttl::Ttl,
};

/// How long values live, and what happens when they are old or cannot be had. Everything but the life is off
/// unless it is set.
///
/// ```
/// # use larder_core::cache::Policy;
/// # use std::time::Duration;
/// let policy = Policy::new(Duration::from_secs(60))
///     .stale_while_revalidate(Duration::from_secs(30))
///     .stale_if_error(Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Policy {
    pub(crate) ttl: Ttl,
    pub(crate) jitter: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) error_backoff: Duration,
    pub(crate) soft_deadline: Option<Duration>,
    pub(crate) hard_deadline: Option<Duration>,
    pub(crate) early_refresh: Option<f64>,
    pub(crate) xfetch: Option<f64>,
    pub(crate) load_limit: Option<Duration>,
    pub(crate) max_loads: usize,
    pub(crate) abandon: Abandon,
    pub(crate) lease: Option<Duration>,
    pub(crate) sliding: Option<Ttl>,
}

/// What becomes of a load when everybody who waited for it has gone away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Abandon {
    /// It goes on, and its value is stored. The default.
    #[default]
    Finish,
    /// It is dropped at its next await point.
    Cancel,
}

/// A setting of a [`Policy`] that means nothing, or not on this store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfit {
    /// Its name, as the method that sets it is called.
    pub setting: &'static str,
    /// What was found, and what is expected.
    pub why: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy's `{}`: {}", self.setting, self.why)
    }
}

impl std::error::Error for Unfit {}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::new(ErrorKind::Config, Operation::Build, unfit.to_string())
    }
}

/// How long entries live when nothing is configured.
pub const DEFAULT_TTL: Duration = Duration::from_mins(5);
/// How long a "not there" lives when nothing is configured.
pub const DEFAULT_NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// How long a loader is left alone after it failed, where a stale value can be served instead.
pub const DEFAULT_ERROR_BACKOFF: Duration = Duration::from_secs(1);
/// After what time a loader is given up when nothing is configured.
pub const DEFAULT_LOAD_LIMIT: Duration = Duration::from_mins(1);
/// How many loads of one cache run at once when nothing is configured.
pub const DEFAULT_MAX_LOADS: usize = 1024;

/// The shortest lease.
const MIN_LEASE: Duration = Duration::from_millis(1);

impl Default for Policy {
    fn default() -> Self {
        Self::new(DEFAULT_TTL)
    }
}

impl Policy {
    /// Values are fresh for this long, and then gone.
    pub fn new(ttl: impl Into<Ttl>) -> Self {
        Self {
            ttl: ttl.into(),
            jitter: Duration::ZERO,
            negative_ttl: DEFAULT_NEGATIVE_TTL,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            error_backoff: DEFAULT_ERROR_BACKOFF,
            soft_deadline: None,
            hard_deadline: None,
            early_refresh: None,
            xfetch: None,
            load_limit: Some(DEFAULT_LOAD_LIMIT),
            max_loads: DEFAULT_MAX_LOADS,
            abandon: Abandon::default(),
            lease: None,
            sliding: None,
        }
    }

    /// Makes each TTL longer by a random time of up to this much, so that what was written together does not
    /// expire together. It never makes a life shorter. Default: zero.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// How long a [negative](crate::cache::Loaded::negative) answer lives. It is never served stale. Default: 10 s.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// For this long after its TTL a value is still served at once, while one caller's loader makes a new one
    /// in the background. The store keeps entries longer by as much. Default: zero.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For this long after its TTL a value is served when the loader fails. The store keeps entries longer by
    /// as much. Default: zero.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// What [`stale_if_error`](Self::stale_if_error) was given, for who keeps values longer than the store does.
    pub fn window_if_error(&self) -> Duration {
        self.stale_if_error
    }

    /// For how long a loader that failed is left alone, while there is a stale value to serve. Default: 1 s.
    pub fn error_backoff(mut self, pause: Duration) -> Self {
        self.error_backoff = pause;
        self
    }

    /// How long a caller waits for a loader when there is a stale value to serve instead. The load continues in
    /// the background. Default: for as long as it takes.
    pub fn soft_deadline(mut self, limit: Duration) -> Self {
        self.soft_deadline = Some(limit);
        self
    }

    /// How long a caller waits for a loader at all; after that it is [`ErrorKind::Timeout`]. The load continues in
    /// the background. Default: for as long as it takes.
    pub fn hard_deadline(mut self, limit: Duration) -> Self {
        self.hard_deadline = Some(limit);
        self
    }

    /// After this fraction of a TTL, the first read begins a load in the background; nobody waits. Between 0 and 1,
    /// both excluded. An endless TTL is never refreshed. Default: never.
    pub fn early_refresh(mut self, fraction: f64) -> Self {
        self.early_refresh = Some(fraction);
        self
    }

    /// Begins a load behind a read at random, the likelier the nearer the end of the life is and the longer the
    /// value took to make (XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede
    /// Prevention", VLDB 2015). 1 is the paper's choice, more is earlier, 0 is never. Default: never.
    pub fn xfetch(mut self, beta: f64) -> Self {
        self.xfetch = Some(beta);
        self
    }

    /// After this time a loader is given up: its future is dropped, those who wait for it receive
    /// [`ErrorKind::Timeout`], its place among the [concurrent loads](Self::max_loads) is free again, and the next caller
    /// starts anew. [`Duration::MAX`] for no limit: then a loader that never returns keeps its key for ever. Choose it
    /// longer than any load should take. Default: 60 s.
    pub fn load_limit(mut self, limit: Duration) -> Self {
        self.load_limit = (limit != Duration::MAX).then_some(limit);
        self
    }

    /// How many loads of this cache run at once in this process; more wait for their turn. Loads that a loader
    /// begins are not counted, so that they cannot wait for each other. Default: 1024.
    pub fn max_loads(mut self, loads: usize) -> Self {
        self.max_loads = loads;
        self
    }

    /// What becomes of a load when everybody who waited for it has gone away. Default: it goes on.
    pub fn abandon(mut self, abandon: Abandon) -> Self {
        self.abandon = abandon;
        self
    }

    /// Loads under a lease that lasts this long: of all processes, and all handles of this one, that miss a key at
    /// once, one loads it and the others wait for its value; and a write, a removal or an invalidation by any of
    /// them wins over a load in any other. A lease ends automatically when its process does not come back, and is renewed
    /// while its load continues, up to ten times its time; a caller that has waited for twice its time loads without
    /// storing. Choose it as long as most loads take. Default: none, and loads of different processes know nothing of each
    /// other.
    ///
    /// It costs one more round trip for each miss, in which the lease is taken; waiting looks every 2 to 50 ms. A hit costs
    /// nothing. A value that is renewed while the old one is still served takes no lease: several processes may make it
    /// at once, one of them stores it. [`get_or_load_many`](crate::Cache::get_or_load_many) loads the keys that are free in
    /// one call of its loader and waits for those that are leased elsewhere. Not for
    /// loaders that often answer [not to store](crate::cache::Loaded::not_stored): each process then waits for the others'
    /// in turn.
    ///
    /// The store must have atomic adds and compare-and-set, as all of Larder's have.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = Some(time);
        self
    }

    /// Resets the TTL when a value is read, until the value is this old; [`Ttl::Never`] for without end. Reading is
    /// [`get`](crate::Cache::get), [`get_many`](crate::Cache::get_many), [`get_or_load`](crate::Cache::get_or_load) and
    /// their like; `contains` and `ttl` are not. [Negative](crate::cache::Loaded::negative) answers keep their TTL. Default:
    /// reading never extends a TTL.
    ///
    /// So that not every read is a write, a TTL is reset when an eighth of it has passed: a value is gone between 7/8
    /// and the whole of its TTL after it was last read. On a store that other processes share, that is one more
    /// message, for which the reader does not wait.
    pub fn sliding(mut self, oldest: impl Into<Ttl>) -> Self {
        self.sliding = Some(oldest.into());
        self
    }

    /// Whether the policy means something on such a store. Building a cache checks it, too.
    ///
    /// # Errors
    /// The first setting that does not, and why.
    pub fn check(&self, store: &Capabilities) -> Result<(), Unfit> {
        let refuse = |setting, why: &str| Err(Unfit { setting, why: why.to_owned() });
        if let Some(fraction) = self.early_refresh
            && !(fraction > 0.0 && fraction < 1.0)
        {
            let why = format!("found {fraction}, expected a number between 0 and 1, such as 0.8");
            return refuse("early_refresh", &why);
        }
        if let Some(beta) = self.xfetch
            && !(beta.is_finite() && beta >= 0.0)
        {
            return refuse("xfetch", &format!("found {beta}, expected 0 or a positive number, such as 1.0"));
        }
        if self.lease.is_some_and(|time| time < MIN_LEASE) {
            return refuse("lease", "found less than a millisecond, expected longer than a load takes");
        }
        if self.lease.is_some() && !(store.atomic_add && store.compare_and_set) {
            return refuse("lease", "the store lacks atomic adds or compare-and-set, which leases need");
        }
        if self.max_loads == 0 {
            return refuse("max_loads", "found 0, expected at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        const STORE: Capabilities = Capabilities::in_process();
        for bad in [Policy::default().early_refresh(0.0), Policy::default().early_refresh(1.0)] {
            assert_eq!(bad.check(&STORE).unwrap_err().setting, "early_refresh");
        }
        assert!(Policy::default().xfetch(f64::NAN).check(&STORE).is_err());
        assert!(Policy::default().xfetch(-1.0).check(&STORE).is_err());
        assert!(Policy::default().max_loads(0).check(&STORE).is_err());
        assert!(Policy::default().lease(Duration::ZERO).check(&STORE).is_err());
        let lease = Policy::default().lease(Duration::from_secs(2));
        assert!(lease.check(&STORE).is_ok());
        assert!(lease.check(&STORE.with_atomic_add(false)).is_err());
        assert!(lease.check(&STORE.with_compare_and_set(false)).is_err());
        assert!(Policy::default().check(&STORE).is_ok());
    }
}
