//! Whether there is an order that explains a history of one key.

use std::{collections::HashSet, fmt};

/// What was done to a key. Values are unique: each is written once, and names the state that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Get,
    Set(u32),
    Add(u32),
    Replace(u32),
    /// A write on the condition that this value is still there, or a state that nobody has seen.
    Compare(Option<u32>, u32),
    Touch,
    TouchIf(Option<u32>),
    Delete,
    DeleteIf(Option<u32>),
}

/// What it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Value(Option<u32>),
    Took(bool),
}

/// An operation on one key, and between which moments it happened.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) key: usize,
    pub(super) task: usize,
    pub(super) done: Done,
    pub(super) seen: Seen,
    pub(super) begun: u64,
    pub(super) ended: u64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, done, seen, begun, ended, .. } = self;
        write!(f, "from {begun} to {ended}, task {task}: {done:?} answered {seen:?}")
    }
}

impl Event {
    /// The state after it, if it happens in this one; nothing if it would have answered otherwise.
    #[allow(clippy::option_option, reason = "no state after it, and a state without an entry")]
    fn after(&self, state: Option<u32>) -> Option<Option<u32>> {
        let is_there = state.is_some();
        let (took, next) = match self.done {
            Done::Get => return (self.seen == Seen::Value(state)).then_some(state),
            Done::Set(value) => (true, Some(value)),
            Done::Add(value) => (!is_there, Some(value)),
            Done::Replace(value) => (is_there, Some(value)),
            Done::Compare(expected, value) => (expected.is_some() && expected == state, Some(value)),
            Done::Touch => (is_there, state),
            Done::TouchIf(expected) => (expected.is_some() && expected == state, state),
            Done::Delete => (is_there, None),
            Done::DeleteIf(expected) => (expected.is_some() && expected == state, None),
        };
        (self.seen == Seen::Took(took)).then_some(if took { next } else { state })
    }
}

/// Tells the history if no order explains it. A history is at most 64 events long.
pub(super) fn explain(events: &[Event]) -> Result<(), String> {
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.begun);
    let all = if events.len() >= 64 { u64::MAX } else { (1 << events.len()) - 1 };
    let mut tried = HashSet::new();
    if follows(&events, all, None, &mut tried) {
        return Ok(());
    }
    let told: Vec<String> = events.iter().map(ToString::to_string).collect();
    Err(format!("there is none:\n    {}", told.join("\n    ")))
}

/// Whether these events can all happen from this state on.
fn follows(events: &[Event], left: u64, state: Option<u32>, tried: &mut HashSet<(u64, Option<u32>)>) -> bool {
    if left == 0 {
        return true;
    }
    if !tried.insert((left, state)) {
        return false;
    }
    let open = |place: usize| left & (1 << place) != 0;
    // Whatever begins after another has ended does not come before it.
    let first_end = (0..events.len()).filter(|place| open(*place)).map(|place| events[place].ended).min();
    (0..events.len()).filter(|place| open(*place)).any(|place| {
        let event = &events[place];
        first_end.is_some_and(|end| event.begun <= end)
            && event.after(state).is_some_and(|next| follows(events, left & !(1 << place), next, tried))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(done: Done, seen: Seen, begun: u64, ended: u64) -> Event {
        Event { key: 0, task: 0, done, seen, begun, ended }
    }

    const YES: Seen = Seen::Took(true);

    #[test]
    fn operations_side_by_side_may_have_happened_in_either_order() {
        let first = event(Done::Set(1), YES, 0, 5);
        let second = event(Done::Set(2), YES, 1, 6);
        for seen in [1, 2] {
            let read = event(Done::Get, Seen::Value(Some(seen)), 7, 8);
            assert_eq!(explain(&[first.clone(), second.clone(), read]), Ok(()));
        }
        let read = event(Done::Get, Seen::Value(None), 7, 8);
        assert!(explain(&[first, second, read]).is_err());
    }

    #[test]
    fn what_has_ended_is_seen_by_what_begins() {
        let write = event(Done::Set(1), YES, 0, 1);
        assert!(explain(&[write.clone(), event(Done::Get, Seen::Value(None), 2, 3)]).is_err());
        // A read that began before may have been earlier.
        assert!(explain(&[write, event(Done::Get, Seen::Value(None), 0, 3)]).is_ok());
    }

    #[test]
    fn two_adds_do_not_both_succeed() {
        let adds = [event(Done::Add(1), YES, 0, 9), event(Done::Add(2), YES, 0, 9)];
        assert!(explain(&adds).is_err());
        let between = event(Done::Delete, YES, 0, 9);
        assert!(explain(&[adds[0].clone(), between, adds[1].clone()]).is_ok());
    }

    #[test]
    fn a_state_that_nobody_has_seen_is_never_there() {
        let write = event(Done::Set(1), YES, 0, 1);
        assert!(explain(&[write.clone(), event(Done::Compare(None, 2), YES, 2, 3)]).is_err());
        assert!(explain(&[write.clone(), event(Done::DeleteIf(Some(1)), YES, 2, 3)]).is_ok());
        assert!(explain(&[write, event(Done::TouchIf(Some(2)), YES, 2, 3)]).is_err());
    }
}
