//! Warnings that a fault repeats thousands of times a minute: the first is logged at once, and then their number once a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_mins(1);

/// When each kind of warning was last told, and how often it has happened since.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<(&'static str, &'static str), Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    since: u64,
}

impl Throttle {
    /// How many times a warning of this kind has happened since it was last told, this one included, if it is to be told
    /// now.
    pub(crate) fn due(&self, kind: (&'static str, &'static str)) -> Option<u64> {
        self.due_at(kind, Instant::now())
    }

    fn due_at(&self, kind: (&'static str, &'static str), now: Instant) -> Option<u64> {
        // Nothing in here can panic half-way through a change.
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(told) = kinds.get_mut(&kind) else {
            kinds.insert(kind, Told { at: now, since: 0 });
            return Some(1);
        };
        told.since += 1;
        if now.saturating_duration_since(told.at) < INTERVAL {
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_their_number_each_minute() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(throttle.due_at(("set", "timeout"), at(0)), Some(1));
        assert_eq!(throttle.due_at(("set", "full"), at(0)), Some(1));
        for second in 1..60 {
            assert_eq!(throttle.due_at(("set", "timeout"), at(second)), None);
        }
        assert_eq!(throttle.due_at(("set", "timeout"), at(60)), Some(60));
        assert_eq!(throttle.due_at(("set", "timeout"), at(61)), None);
    }
}
