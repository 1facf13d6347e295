//! Lives, as Memcached counts them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder_core::Ttl;

/// Numbers above this are moments since 1970 and not durations (`doc/protocol.txt`, "Expiration times").
const LONGEST_DURATION: u64 = 60 * 60 * 24 * 30;
/// What means that an item lives until it is removed or evicted.
const NEVER: u32 = 0;

/// The number that stands for this life in a request, sent now.
///
/// The server counts in whole seconds of its own, so an item lives up to a second shorter than it is told. So
/// that none dies early, the life is rounded up and a second is added; that an entry is over sooner is in its
/// envelope. A life that ends after January 2038 cannot be told to a server, which counts in 31 bits: it becomes
/// "never", and there too the envelope knows better.
pub(crate) fn server_seconds(ttl: Ttl) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    seconds(ttl, now)
}

fn seconds(ttl: Ttl, now: Duration) -> u32 {
    let Ttl::After(life) = ttl else { return NEVER };
    let seconds = round_up(life).max(1).saturating_add(1);
    if seconds <= LONGEST_DURATION {
        // At most thirty days.
        return u32::try_from(seconds).unwrap_or(NEVER);
    }
    let moment = round_up(now).saturating_add(seconds);
    i32::try_from(moment).map_or(NEVER, i32::unsigned_abs)
}

fn round_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn lives_are_never_shorter_than_asked_for() {
        let now = Duration::from_millis(1_800_000_000_500);
        for (life, seconds_sent) in [
            (Duration::ZERO, 2),
            (Duration::from_nanos(1), 2),
            (Duration::from_millis(500), 2),
            (Duration::from_secs(1), 2),
            (Duration::from_millis(1001), 3),
            (Duration::from_secs(30 * DAY - 1), 2_592_000),
            (Duration::from_secs(30 * DAY), 1_800_000_001 + 2_592_001),
            (Duration::from_secs(31 * DAY), 1_800_000_001 + 31 * 86_400 + 1),
            (Duration::from_secs(10 * 365 * DAY), 1_800_000_001 + 10 * 365 * 86_400 + 1),
            // 19 January 2038, and a second later.
            (Duration::from_secs(2_147_483_647 - 1_800_000_002), 2_147_483_647),
            (Duration::from_secs(2_147_483_648 - 1_800_000_002), NEVER),
            (Duration::from_secs(u64::from(u32::MAX)), NEVER),
            (Duration::MAX, NEVER),
        ] {
            assert_eq!(seconds(Ttl::After(life), now), seconds_sent, "{life:?}");
        }
        assert_eq!(seconds(Ttl::Never, now), NEVER);
    }

    #[test]
    fn after_2038_short_lives_still_are_what_they_are() {
        let now = Duration::from_mins(50_000_000);
        assert_eq!(seconds(Ttl::After(Duration::from_mins(1)), now), 61);
        assert_eq!(seconds(Ttl::After(Duration::from_secs(31 * DAY)), now), NEVER);
    }
}
