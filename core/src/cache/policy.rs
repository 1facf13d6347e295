//! How long values live, and what happens when they are old or cannot be had.

use std::time::Duration;

use crate::{
    backend::Capabilities,
    clock::Timestamp,
    entry::{Lifetime, Meta},
    error::{Error, ErrorKind, Operation, Result},
    random,
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
pub struct Policy {
    pub(super) ttl: Ttl,
    pub(super) jitter: Duration,
    pub(super) negative_ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) error_backoff: Duration,
    pub(super) soft_deadline: Option<Duration>,
    pub(super) hard_deadline: Option<Duration>,
    pub(super) early_refresh: Option<f64>,
    pub(super) xfetch: Option<f64>,
    pub(super) max_loads: usize,
    pub(super) abandon: Abandon,
    pub(super) lease: Option<Duration>,
    pub(super) sliding: Option<Ttl>,
}

/// What becomes of a load when everybody who waited for it has gone away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        let Unfit { setting, why } = unfit;
        Self::new(ErrorKind::Config, Operation::Build, format!("the policy's `{setting}`: {why}"))
    }
}

/// How long entries live when nothing is configured.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// How long a "not there" lives when nothing is configured.
pub const DEFAULT_NEGATIVE_TTL: Duration = Duration::from_secs(10);
/// How long a loader is left alone after it failed, where a stale value can be served instead.
pub const DEFAULT_ERROR_BACKOFF: Duration = Duration::from_secs(1);
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
    /// Values are fresh for so long, and then gone.
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
            max_loads: DEFAULT_MAX_LOADS,
            abandon: Abandon::default(),
            lease: None,
            sliding: None,
        }
    }

    /// Makes each life longer by a random time of at most so much, so that what was written together does not
    /// expire together. It never makes a life shorter. Default: zero.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// How long a [negative](super::Loaded::negative) answer lives. It is never served stale. Default: 10 s.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// For so long after its life a value is still served at once, while one caller's loader makes a new one
    /// behind it. The store keeps entries longer by as much. Default: zero.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For so long after its life a value is served when the loader fails. The store keeps entries longer by
    /// as much. Default: zero.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// For how long a loader that failed is left alone, while there is a stale value to serve. Default: 1 s.
    pub fn error_backoff(mut self, pause: Duration) -> Self {
        self.error_backoff = pause;
        self
    }

    /// How long a caller waits for a loader when there is a stale value to serve instead. The load goes on
    /// behind. Default: for as long as it takes.
    pub fn soft_deadline(mut self, limit: Duration) -> Self {
        self.soft_deadline = Some(limit);
        self
    }

    /// How long a caller waits for a loader at all; after that it is [`ErrorKind::Timeout`]. The load goes on
    /// behind. Default: for as long as it takes.
    pub fn hard_deadline(mut self, limit: Duration) -> Self {
        self.hard_deadline = Some(limit);
        self
    }

    /// After this fraction of a life, the first read begins a load behind it; nobody waits. Between 0 and 1,
    /// both excluded. An endless life is never refreshed. Default: never.
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

    /// Loads under a lease that lasts for so long: of all processes, and all handles of this one, that miss a key at
    /// once, one loads it and the others wait for its value; and a write, a removal or an invalidation by any of
    /// them wins over a load in any other. A lease ends by itself when its process does not come back, and is renewed
    /// while its load goes on, up to ten times its time; who has waited for twice its time loads without storing. Choose
    /// it as long as most loads take. Default: none, and loads of different processes know nothing of each other.
    ///
    /// It costs one more round trip for each miss, in which the lease is taken; waiting looks every 2 to 50 ms. A hit costs
    /// nothing. A value that is renewed while the old one is still served takes no lease: several processes may make it
    /// at once, one of them stores it. [`get_or_load_many`](super::Cache::get_or_load_many) waits for no lease: it loads what
    /// another process is loading as well, and does not store it. Not for
    /// loaders that often answer [not to store](super::Loaded::not_stored): each process then waits for the others' in turn.
    ///
    /// The store must have atomic adds and compare-and-set, as all of Larder's have.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = Some(time);
        self
    }

    /// Begins a life anew when its value is read, until the value is so old; [`Ttl::Never`] for without end. Reading is
    /// [`get`](super::Cache::get), [`get_many`](super::Cache::get_many), [`get_or_load`](super::Cache::get_or_load) and
    /// their like; `contains` and `ttl` are not. Default: reading never extends a life.
    ///
    /// So that not every read is a write, a life is begun anew when an eighth of it has passed: a value is gone between 7/8
    /// and the whole of its life after it was last read. On a store that other processes share, that is one more
    /// message, for which the reader does not wait.
    pub fn sliding(mut self, oldest: impl Into<Ttl>) -> Self {
        self.sliding = Some(oldest.into());
        self
    }

    /// The life that begins with this read, if one does; `life` is how long the entry's is.
    pub(super) fn slide(&self, meta: &Meta, life: Ttl, now: Timestamp) -> Option<(Lifetime, Ttl)> {
        let (oldest, Ttl::After(life)) = (self.sliding?, life) else { return None };
        let Lifetime { fresh_until, .. } = meta.lifetime;
        if fresh_until == Timestamp::NEVER || fresh_until.since(now) > life.saturating_sub(life / 8) {
            return None;
        }
        let life = match oldest {
            Ttl::Never => life,
            Ttl::After(oldest) => life.min(meta.created.plus(oldest).since(now)),
        };
        // Near its greatest age there is nothing to gain.
        let (lifetime, kept) = self.life_like(meta.lifetime, now, Ttl::After(life));
        (lifetime.fresh_until > fresh_until).then_some((lifetime, kept))
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

    /// The moments of a life of this length that begins now, with jitter and the time for which a stale value
    /// is kept, and how long the store is to keep it.
    pub(super) fn life(&self, now: Timestamp, ttl: Ttl) -> (Lifetime, Ttl) {
        let Ttl::After(life) = ttl else { return (Lifetime::until(Timestamp::NEVER), Ttl::Never) };
        let fresh = life.saturating_add(random::up_to(self.jitter));
        let kept = fresh.saturating_add(self.stale_while_revalidate.max(self.stale_if_error));
        let lifetime = Lifetime { fresh_until: now.plus(fresh), expires: now.plus(kept) };
        (lifetime, Ttl::After(kept))
    }

    /// The same for an entry that has such a life: one without a stale part, as negative answers are, gets none.
    pub(super) fn life_like(&self, old: Lifetime, now: Timestamp, ttl: Ttl) -> (Lifetime, Ttl) {
        let (lifetime, kept) = self.life(now, ttl);
        if old.fresh_until != old.expires || ttl == Ttl::Never {
            return (lifetime, kept);
        }
        let lifetime = Lifetime::until(lifetime.fresh_until);
        (lifetime, lifetime.ttl(now))
    }

    /// How long an entry that is written for this long is kept.
    pub(super) fn kept(&self, ttl: Ttl) -> Ttl {
        match ttl {
            Ttl::Never => Ttl::Never,
            Ttl::After(life) => Ttl::After(
                life.saturating_add(self.jitter)
                    .saturating_add(self.stale_while_revalidate.max(self.stale_if_error)),
            ),
        }
    }

    /// Whether a value that is stale since this long may be served while another is made.
    pub(super) fn may_revalidate(&self, stale_for: Duration) -> bool {
        stale_for < self.stale_while_revalidate
    }

    /// Whether a value that is stale since this long may be served when the loader fails.
    pub(super) fn may_excuse(&self, stale_for: Duration) -> bool {
        stale_for < self.stale_if_error
    }

    /// Whether reads may begin loads ahead of time, so that a hit must look.
    #[inline]
    pub(super) fn refreshes_early(&self) -> bool {
        self.early_refresh.is_some() || self.xfetch.is_some()
    }

    /// Whether this read of a fresh entry should begin a load behind it.
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of a life; a rounding error of 2^-53 decides nothing"
    )]
    pub(super) fn is_early(&self, meta: &Meta, now: Timestamp) -> bool {
        let Lifetime { fresh_until, .. } = meta.lifetime;
        if fresh_until == Timestamp::NEVER {
            return false;
        }
        let due = self.early_refresh.is_some_and(|fraction| {
            let life = fresh_until.since(meta.created).as_millis() as f64;
            now.since(meta.created).as_millis() as f64 >= life * fraction
        });
        due || self.xfetch.is_some_and(|beta| {
            // ln of a number in (0, 1] is negative or zero: the gap is how much earlier than now the end seems.
            let gap = meta.load_cost.as_secs_f64() * beta * -random::unit().ln();
            beta > 0.0 && gap >= fresh_until.since(now).as_secs_f64()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn meta(load_cost: Duration) -> Meta {
        Meta { load_cost, ..Meta::new(at(0), Lifetime::until(at(100))) }
    }

    #[test]
    fn jitter_only_makes_longer() {
        let policy = Policy::new(Duration::from_secs(10)).jitter(Duration::from_secs(5));
        let lives: Vec<u64> =
            (0..200).map(|_| policy.life(at(0), policy.ttl).0.fresh_until.as_millis()).collect();
        assert!(lives.iter().all(|life| (10_000..=15_000).contains(life)), "{lives:?}");
        assert!(lives.iter().max() > lives.iter().min(), "{lives:?}");
    }

    #[test]
    fn the_store_keeps_entries_for_the_longer_of_both_windows() {
        let policy = Policy::new(Duration::from_secs(10))
            .stale_while_revalidate(Duration::from_secs(5))
            .stale_if_error(Duration::from_secs(20));
        let (lifetime, kept) = policy.life(at(0), policy.ttl);
        assert_eq!(lifetime, Lifetime { fresh_until: at(10), expires: at(30) });
        assert_eq!(kept, Ttl::After(Duration::from_secs(30)));
    }

    #[test]
    fn early_refresh_begins_at_its_fraction() {
        let policy = Policy::new(Duration::from_secs(100)).early_refresh(0.8);
        assert!(!policy.is_early(&meta(Duration::ZERO), at(79)));
        assert!(policy.is_early(&meta(Duration::ZERO), at(80)));
        let endless = Meta::new(at(0), Lifetime::until(Timestamp::NEVER));
        assert!(!policy.is_early(&endless, at(1_000_000)));
    }

    #[test]
    fn xfetch_gets_likelier_towards_the_end_and_with_the_cost() {
        let policy = Policy::new(Duration::from_secs(100)).xfetch(1.0);
        let share = |cost, now| {
            (0..2000).filter(|_| policy.is_early(&meta(Duration::from_secs(cost)), at(now))).count()
        };
        // The chance is exp(-remaining / (cost * beta)): 5 s before the end with a cost of 5 s, 37 %.
        assert!((600..900).contains(&share(5, 95)), "{}", share(5, 95));
        assert!(share(5, 50) < 10);
        assert!(share(1, 95) < share(5, 95));
        assert_eq!(share(0, 95), 0);
        let never = Policy::new(Duration::from_secs(100)).xfetch(0.0);
        assert!(!never.is_early(&meta(Duration::from_secs(1000)), at(99)));
    }

    #[test]
    fn a_life_slides_when_an_eighth_has_passed_and_not_beyond_its_greatest_age() {
        let life = Ttl::After(Duration::from_secs(100));
        let sliding = |oldest| Policy::new(life).sliding(oldest);
        let until = |policy: &Policy, now| {
            policy.slide(&meta(Duration::ZERO), life, at(now)).map(|(lifetime, _)| lifetime.fresh_until)
        };
        assert_eq!(until(&Policy::new(life), 50), None);
        assert_eq!(until(&sliding(Ttl::Never), 12), None);
        assert_eq!(until(&sliding(Ttl::Never), 13), Some(at(113)));
        let bounded = sliding(Ttl::After(Duration::from_secs(120)));
        assert_eq!(until(&bounded, 50), Some(at(120)));
        // It slides no further than that, and never back.
        let slid = Meta { lifetime: Lifetime::until(at(120)), ..meta(Duration::ZERO) };
        assert_eq!(bounded.slide(&slid, life, at(110)), None);
        let short = sliding(Ttl::After(Duration::from_secs(10)));
        assert_eq!(until(&short, 50), None);
    }

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
