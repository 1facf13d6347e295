//! Invalidations that a store has failed at. What depends on them is not cached until they are made up for.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::generations::EVERYTHING;

/// More are kept as one for everything.
const MOST: usize = 1024;
/// How long nobody tries after one that has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Tags of generations that are to be ended.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tags: BTreeSet<String>,
    tried: Option<Instant>,
}

impl Owed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These could not be ended.
    pub(super) fn add<'a>(&self, tags: impl Iterator<Item = &'a str>) -> usize {
        let mut state = self.state();
        state.tags.extend(tags.map(str::to_owned));
        if state.tags.len() > MOST {
            state.tags = BTreeSet::from([EVERYTHING.to_owned()]);
        }
        state.tried = Some(Instant::now());
        state.tags.len()
    }

    /// This one was ended.
    pub(super) fn remove(&self, tag: &str) -> usize {
        let mut state = self.state();
        state.tags.remove(tag);
        state.tags.len()
    }

    /// Whether some of these are owed.
    pub(super) fn any<'a>(&self, mut tags: impl Iterator<Item = &'a str>) -> bool {
        let state = self.state();
        !state.tags.is_empty() && tags.any(|tag| state.tags.contains(tag))
    }

    /// All that are owed.
    pub(super) fn all(&self) -> Vec<String> {
        self.state().tags.iter().cloned().collect()
    }

    /// Whether it is time to try again; then for nobody else for a while.
    pub(super) fn turn(&self) -> bool {
        let mut state = self.state();
        let is_time = state.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if is_time {
            state.tried = Some(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded() {
        let owed = Owed::default();
        assert!(!owed.any(["w"].into_iter()) && owed.turn() && !owed.turn());
        assert_eq!(owed.add(["w", "i:a"].into_iter()), 2);
        assert!(owed.any(["i:a", "i:b"].into_iter()) && !owed.any(["i:b"].into_iter()));
        assert_eq!(owed.remove("i:a"), 1);
        let many: Vec<_> = (0..2 * MOST).map(|number| number.to_string()).collect();
        assert_eq!(owed.add(many.iter().map(String::as_str)), 1);
        assert_eq!(owed.all(), [EVERYTHING]);
    }
}
