//! The arithmetic of a policy: TTLs, windows, sliding, early refresh. Pure.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    entry::{Kind, Lifetime, Meta},
    policy::Policy,
    random,
    ttl::Ttl,
};

/// The moments of an entry's TTL, and how long the store is to keep the entry.
pub(crate) type Life = (Lifetime, Ttl);

impl Policy {
    /// A TTL of this length that begins now, with jitter, and with the time for which a stale value is kept unless the entry
    /// is of a kind that is never stale.
    pub(crate) fn life(&self, now: Timestamp, ttl: Ttl, kind: Kind) -> Life {
        let Ttl::After(ttl) = ttl else { return (Lifetime::until(Timestamp::NEVER), Ttl::Never) };
        let mut fresh = ttl.saturating_add(random::up_to(self.jitter));
        if let Some(Ttl::After(oldest)) = self.sliding {
            // Reading goes no further than that, so chance must not either.
            fresh = fresh.min(oldest.max(ttl));
        }
        self.lasting(now, fresh, kind)
    }

    fn lasting(&self, now: Timestamp, fresh: Duration, kind: Kind) -> Life {
        let kept = match kind {
            Kind::Value => fresh.saturating_add(self.stale_window()),
            Kind::Negative | Kind::Lease => fresh,
        };
        (Lifetime { fresh_until: now.plus(fresh), expires: now.plus(kept) }, Ttl::After(kept))
    }

    /// How long an entry that is written for this long is kept at most.
    pub(crate) fn kept(&self, ttl: Ttl) -> Ttl {
        match ttl {
            Ttl::Never => Ttl::Never,
            Ttl::After(ttl) => {
                Ttl::After(ttl.saturating_add(self.jitter).saturating_add(self.stale_window()))
            }
        }
    }

    /// For how long a value is kept beyond its TTL.
    pub(crate) fn stale_window(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// What becomes of an entry that counts as stale from now on: it is kept no longer than stale values are.
    pub(crate) fn expired(&self, meta: &Meta, now: Timestamp) -> Option<Life> {
        let window = self.stale_window();
        if meta.kind != Kind::Value || window.is_zero() {
            return None;
        }
        let expires = meta.lifetime.expires.min(now.plus(window));
        let lifetime = Lifetime { fresh_until: meta.lifetime.fresh_until.min(now), expires };
        Some((lifetime, lifetime.ttl(now)))
    }

    /// Whether a value that is stale since this long may be served while another is made.
    pub(crate) fn may_revalidate(&self, stale_for: Duration) -> bool {
        stale_for < self.stale_while_revalidate
    }

    /// Whether a value that is stale since this long may be served when the loader fails.
    pub(crate) fn may_excuse(&self, stale_for: Duration) -> bool {
        stale_for < self.stale_if_error
    }

    /// Whether this read should reset the entry's TTL.
    #[inline]
    pub(crate) fn is_sliding(&self, meta: &Meta, now: Timestamp) -> bool {
        self.sliding.is_some() && self.latest_slide(meta, now).is_some()
    }

    /// The TTL that begins with this read, if one does.
    pub(crate) fn slide(&self, meta: &Meta, now: Timestamp) -> Option<Life> {
        let (ttl, latest) = self.latest_slide(meta, now)?;
        let fresh = ttl.saturating_add(random::up_to(self.jitter)).min(latest.since(now));
        let (lifetime, kept) = self.lasting(now, fresh, meta.kind);
        (lifetime.fresh_until > meta.lifetime.fresh_until).then_some((lifetime, kept))
    }

    /// If a read now resets the TTL: its length, and how far it may go.
    fn latest_slide(&self, meta: &Meta, now: Timestamp) -> Option<(Duration, Timestamp)> {
        let (oldest, Kind::Value) = (self.sliding?, meta.kind) else { return None };
        let ttl = match (meta.slides(), self.ttl) {
            (Some(ttl), _) | (None, Ttl::After(ttl)) => ttl,
            (None, Ttl::Never) => return None,
        };
        let Lifetime { fresh_until, .. } = meta.lifetime;
        if fresh_until == Timestamp::NEVER || fresh_until.since(now) > ttl.saturating_sub(ttl / 8) {
            return None;
        }
        let latest = oldest.expires(meta.created);
        // Near its greatest age there is nothing to gain.
        (latest > fresh_until).then_some((ttl, latest))
    }

    /// Whether reads may begin loads ahead of time, so that a hit must look.
    #[inline]
    pub(crate) fn refreshes_early(&self) -> bool {
        self.early_refresh.is_some() || self.xfetch.is_some()
    }

    /// Whether this read of a fresh entry should begin a load in the background. Draws a random number: to be asked once a
    /// read.
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of a TTL; a rounding error of 2^-53 decides nothing"
    )]
    pub(crate) fn is_early(&self, meta: &Meta, now: Timestamp) -> bool {
        let Lifetime { fresh_until, .. } = meta.lifetime;
        if fresh_until == Timestamp::NEVER {
            return false;
        }
        let due = self.early_refresh.is_some_and(|fraction| {
            let ttl = fresh_until.since(meta.created).as_millis() as f64;
            now.since(meta.created).as_millis() as f64 >= ttl * fraction
        });
        due || self.xfetch.is_some_and(|beta| {
            // ln of a number in (0, 1] is negative or zero: the gap is how much earlier than now the end seems.
            let gap = meta.load_cost().as_secs_f64() * beta * -random::unit().ln();
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
        Meta::new(at(0), Lifetime::until(at(100))).with_load_cost(load_cost)
    }

    #[test]
    fn jitter_only_makes_longer() {
        let policy = Policy::new(Duration::from_secs(10)).jitter(Duration::from_secs(5));
        let lives: Vec<u64> =
            (0..200).map(|_| policy.life(at(0), policy.ttl, Kind::Value).0.fresh_until.as_millis()).collect();
        assert!(lives.iter().all(|life| (10_000..=15_000).contains(life)), "{lives:?}");
        assert!(lives.iter().max() > lives.iter().min(), "{lives:?}");
    }

    #[test]
    fn the_store_keeps_values_for_the_longer_of_both_windows_and_negative_answers_not() {
        let policy = Policy::new(Duration::from_secs(10))
            .stale_while_revalidate(Duration::from_secs(5))
            .stale_if_error(Duration::from_secs(20));
        let (lifetime, kept) = policy.life(at(0), policy.ttl, Kind::Value);
        assert_eq!(lifetime, Lifetime { fresh_until: at(10), expires: at(30) });
        assert_eq!(kept, Ttl::After(Duration::from_secs(30)));
        let (lifetime, kept) = policy.life(at(0), policy.ttl, Kind::Negative);
        assert_eq!((lifetime, kept), (Lifetime::until(at(10)), Ttl::After(Duration::from_secs(10))));
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
    fn a_ttl_slides_when_an_eighth_has_passed_and_not_beyond_the_greatest_age() {
        let ttl = Ttl::After(Duration::from_secs(100));
        let sliding = |oldest| Policy::new(ttl).sliding(oldest);
        let until = |policy: &Policy, now| {
            policy.slide(&meta(Duration::ZERO), at(now)).map(|(lifetime, _)| lifetime.fresh_until)
        };
        assert_eq!(until(&Policy::new(ttl), 50), None);
        assert_eq!(until(&sliding(Ttl::Never), 12), None);
        assert_eq!(until(&sliding(Ttl::Never), 13), Some(at(113)));
        let bounded = sliding(Ttl::After(Duration::from_mins(2)));
        assert_eq!(until(&bounded, 50), Some(at(120)));
        // It slides no further than that, and never back.
        let mut slid = meta(Duration::ZERO);
        slid.lifetime = Lifetime::until(at(120));
        assert_eq!(bounded.slide(&slid, at(110)), None);
        let short = sliding(Ttl::After(Duration::from_secs(10)));
        assert_eq!(until(&short, 50), None);
    }

    #[test]
    fn jitter_takes_nothing_beyond_the_greatest_age() {
        let (ttl, oldest) = (Duration::from_hours(1), Duration::from_hours(12));
        let policy = Policy::new(ttl).sliding(oldest).jitter(Duration::from_mins(30));
        for _ in 0..200 {
            let mut meta = Meta::new(at(0), policy.life(at(0), policy.ttl, Kind::Value).0);
            let mut now = at(0);
            while now < meta.lifetime.fresh_until {
                now = now.plus(Duration::from_mins(10));
                if let Some((lifetime, _)) = policy.slide(&meta, now) {
                    meta.lifetime = lifetime;
                }
            }
            assert!(meta.lifetime.fresh_until <= at(12 * 3600), "{:?}", meta.lifetime);
        }
        let tight = Policy::new(ttl).sliding(ttl).jitter(ttl);
        assert!((0..200).all(|_| tight.life(at(0), tight.ttl, Kind::Value).0.fresh_until <= at(3600)));
    }

    #[test]
    fn negative_answers_do_not_slide() {
        let policy = Policy::new(Duration::from_secs(100)).sliding(Ttl::Never);
        assert!(policy.slide(&meta(Duration::ZERO), at(50)).is_some());
        assert!(policy.slide(&meta(Duration::ZERO).with_kind(Kind::Negative), at(50)).is_none());
    }
}
