//! Who holds a mark that several proxies share, so that one that is through does not remove what another still needs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::Key;
use serde::{Deserialize, Serialize};

/// The holders of a mark: a number for each proxy, and the time after which it is taken for dead, in milliseconds since 1970.
///
/// As long as nobody changes a mark it ends by the store's clock. The times are for those who change it: a proxy that died must
/// not be kept in it for ever by others that extend it. They are by the clocks of the proxies, which may differ by as much as a
/// write may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holders(Vec<(u64, u64)>);

impl Holders {
    /// A mark of this one alone.
    pub(super) fn only(holder: u64) -> Self {
        Self(vec![(holder, u64::MAX)])
    }

    /// With this one, for this long from `now` on.
    pub(super) fn with(&self, holder: u64, now: SystemTime, ttl: Duration) -> Self {
        let mut holders = self.without(holder, now);
        holders
            .0
            .push((holder, millis(now).saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))));
        holders
    }

    /// Without this one, and without those that are taken for dead.
    pub(super) fn without(&self, holder: u64, now: SystemTime) -> Self {
        let now = millis(now);
        Self(self.0.iter().copied().filter(|&(other, until)| other != holder && until > now).collect())
    }

    /// Whether nobody holds it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The key of a mark.
pub(super) fn mark_key(kind: &str, tag: &str) -> Key {
    // As the generations: what two upstreams of one cluster share, they share.
    Key::new("mark").part(kind).part(tag)
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_through_leaves_the_others() {
        let (now, minute) = (UNIX_EPOCH + Duration::from_hours(1), Duration::from_mins(1));
        let both = Holders::default().with(1, now, minute).with(2, now, 2 * minute).with(1, now, minute);
        let other = both.without(1, now);
        assert!(!other.is_empty());
        assert_eq!(other, Holders::default().with(2, now, 2 * minute));
        assert!(other.without(2, now).is_empty());
        // The first died, and the second goes on.
        let later = both.with(2, now + minute, minute);
        assert!(later.without(2, now + minute).is_empty());
    }
}
