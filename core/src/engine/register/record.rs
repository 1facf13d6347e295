//! A version as an entry in a store: eight bytes, and eight more for each older version whose entries are stale and not dead.
//! (A program that knows only the first eight finds a record that it cannot read, which is no version: what was written
//! under it is dead for it.)

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    clock::Timestamp,
    entry::{Body, Entry, Lifetime, Meta},
    ttl::Ttl,
    versions::Standing,
};

/// The least TTL of a version in a shared store. It is renewed while entries are written that outlive it;
/// a version that is lost kills the entries written under it, and brings none back.
pub(super) const MIN_LIFE: Duration = Duration::from_hours(24);
/// How many older versions are remembered as stale; what was written under an older one still is dead.
const MOST_OLDER: usize = 16;

/// A version, and what came before it that is not dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) now: u64,
    /// The newest last.
    pub(super) stale: Arc<[u64]>,
}

impl Version {
    pub(super) fn new(now: u64) -> Self {
        Self { now, stale: Arc::default() }
    }

    /// How what was written under that number stands.
    pub(super) fn standing(&self, stamped: u64) -> Standing {
        if self.now == stamped {
            Standing::Stands
        } else if self.stale.contains(&stamped) {
            Standing::Stale
        } else {
            Standing::Dead
        }
    }

    /// The version after this one, which leaves what was written under this one stale.
    pub(super) fn softly_followed_by(&self, next: u64) -> Self {
        let mut stale = self.stale.to_vec();
        stale.push(self.now);
        let too_many = stale.len().saturating_sub(MOST_OLDER);
        Self { now: next, stale: stale.split_off(too_many).into() }
    }

    pub(super) fn of(record: &Entry) -> Option<Self> {
        let bytes = &record.encoded()?.bytes;
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || numbers.len() > MOST_OLDER + 1 {
            return None;
        }
        let (now, stale) = numbers.split_first()?;
        let stale = stale.iter().map(|number| u64::from_le_bytes(*number)).collect();
        Some(Self { now: u64::from_le_bytes(*now), stale })
    }

    pub(super) fn record(&self, now: Timestamp, ttl: Ttl) -> Entry {
        let numbers = std::iter::once(&self.now).chain(&*self.stale);
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        Entry::from_body(Body::raw(Bytes::from(bytes), 0), Meta::new(now, Lifetime::until(ttl.expires(now))))
    }
}

/// Twice the TTL of the entry that needs it, so that it is not renewed on every write.
pub(super) fn life(ttl: Ttl) -> Ttl {
    match ttl {
        Ttl::Never => Ttl::Never,
        Ttl::After(life) => Ttl::After(life.saturating_mul(2).max(MIN_LIFE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_the_oldest_are_forgotten() {
        let mut version = Version::new(0);
        let written =
            |version: &Version| Version::of(&version.record(Timestamp::from_millis(5), Ttl::Never)).unwrap();
        assert_eq!(written(&version), version);
        for next in 1..=40 {
            version = version.softly_followed_by(next);
        }
        assert_eq!(written(&version), version);
        assert_eq!((version.now, version.stale.len()), (40, MOST_OLDER));
        assert_eq!(version.stale.last(), Some(&39));
    }
}
