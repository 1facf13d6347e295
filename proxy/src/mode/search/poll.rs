//! What changes behind the proxy's back: the engine is asked for the sequence numbers of its indices now and then, and what has other
//! ones than before is treated as if it had been written to just now.
//!
//! The numbers of the last time are in the store, so that proxies that share it ask in turns, and one that comes back finds out what was
//! written while it was away. Where there are none, everything is ended: nobody knows what was written.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use larder::Key;
use larder_http::search::{MAX_NAMES, SequenceNumbers};
use tokio::time::sleep;

use super::{Entry, Search, Shared, gap::Mark, generations::Generations, in_flight::random};

/// For how long numbers are kept at least.
const KEPT: Duration = Duration::from_hours(1);

/// What is known of asking.
#[derive(Debug, Default)]
pub(super) struct Polling {
    has_begun: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the numbers were known last.
    known: Option<Instant>,
    /// Why they could not be asked for the last time.
    why: Option<&'static str>,
}

/// Whether the numbers can be had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PollHealth {
    /// They could be had the last time.
    pub(crate) is_well: bool,
    /// How long ago they were known last.
    pub(crate) age: Option<Duration>,
}

impl Search {
    /// Begins to ask, if that is configured and was not begun. It ends with the route. Has to be called within a runtime of tokio.
    pub(crate) fn watch(&self) {
        if let Some(interval) = self.0.settings.poll
            && !self.0.polling.has_begun.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(for_ever(Arc::downgrade(&self.0), interval));
        }
    }

    /// Whether the numbers can be had; nothing where nobody asks for them.
    pub(crate) fn poll_health(&self) -> Option<PollHealth> {
        self.0.settings.poll?;
        let state = self.0.polling.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(PollHealth { is_well: state.why.is_none(), age: state.known.map(|known| known.elapsed()) })
    }
}

async fn for_ever(search: Weak<Shared>, interval: Duration) {
    let mut seen = 0;
    loop {
        // It is not kept meanwhile: when the route goes, so does this.
        let Some(search) = search.upgrade() else { return };
        let polled = search.poll(interval, &mut seen).await;
        search.polled(polled);
        drop(search);
        // A tenth more or less: proxies that were started together would ask together for ever.
        let percent = u32::try_from(random() % 21).unwrap_or(10) + 90;
        sleep(interval.saturating_mul(percent) / 100).await;
    }
}

impl Shared {
    async fn poll(&self, interval: Duration, seen: &mut u64) -> Result<(), &'static str> {
        let key = Key::new("sequence numbers").part(self.upstream.name());
        let before = self.cache.at(&key).from_store().get().await;
        let before = self.worked("look sequence numbers up", before).ok_or("the store failed")?;
        if let Some(before) = &before
            && let Entry::Numbers { turn, .. } = **before
            && was_anothers_turn(turn, before.age(), interval, seen)
        {
            return Ok(());
        }
        self.counters.polls.up();
        let numbers = self.ask_for_numbers().await?;
        let ended = match before.as_deref() {
            Some(Entry::Numbers { numbers: before, .. }) => generations(&numbers, before),
            _ => Generations::everything(),
        };
        if !ended.is_empty() {
            self.counters.poll_changes.up();
            // What was written is perhaps not visible yet.
            let marked = self.mark(&ended, Mark::AfterAnswer).await;
            self.end(&ended, marked).await;
        }
        let call = self.cache.at(&key).policy(|policy| policy.jitter(Duration::ZERO));
        let kept =
            call.ttl(self.settings.ttl.max(KEPT)).set(Entry::Numbers { turn: random(), numbers }).await;
        // Where they are not kept, what has changed is ended once more.
        self.worked("keep sequence numbers", kept).ok_or("the store failed")
    }

    async fn ask_for_numbers(&self) -> Result<SequenceNumbers, &'static str> {
        let answered = self.ask_without_credentials(SequenceNumbers::PATH).await;
        let (status, body) = answered.map_err(|()| "the upstream does not answer GET /_stats")?;
        if status != http::StatusCode::OK {
            return Err("the upstream refuses GET /_stats, which is asked without credentials");
        }
        SequenceNumbers::read(&body).ok_or("the upstream's answer to GET /_stats has no sequence numbers")
    }

    fn polled(&self, polled: Result<(), &'static str>) {
        let mut state = self.polling.state.lock().unwrap_or_else(PoisonError::into_inner);
        let upstream = self.upstream.name();
        match polled {
            Ok(()) => {
                state.known = Some(Instant::now());
                if state.why.take().is_some() {
                    tracing::info!(upstream, "sequence numbers can be had again");
                }
            }
            Err(why) => {
                self.counters.poll_failures.up();
                if state.why.replace(why) != Some(why) {
                    tracing::warn!(
                        upstream,
                        why,
                        "sequence numbers cannot be had; what is written past the proxy may be late by the TTL until they can"
                    );
                }
            }
        }
    }
}

/// Whether another proxy has asked lately. Clocks may differ, so that numbers may seem to be new for ever: those that were seen before are
/// not.
fn was_anothers_turn(turn: u64, age: Duration, interval: Duration, seen: &mut u64) -> bool {
    std::mem::replace(seen, turn) != turn && age < interval / 10 * 8
}

/// What is to be ended. Names of indices, not of aliases: an answer depends on the indices that its names stand for, or on each write.
fn generations(numbers: &SequenceNumbers, before: &SequenceNumbers) -> Generations {
    let mut ended = Generations::default();
    for (count, name) in numbers.changed(before).enumerate() {
        if count >= MAX_NAMES {
            return Generations::everything();
        }
        ended.extend(Generations::of_index(name));
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns() {
        let (second, mut seen) = (Duration::from_secs(1), 0);
        assert!(was_anothers_turn(7, second / 2, second, &mut seen));
        assert!(was_anothers_turn(8, Duration::ZERO, second, &mut seen));
        assert!(
            !was_anothers_turn(8, Duration::ZERO, second, &mut seen),
            "its clock is ahead, and it is gone"
        );
        assert!(!was_anothers_turn(9, second, second, &mut seen));
    }

    #[test]
    fn many_changes_are_everything() {
        let of = |count: usize| {
            let index =
                |number| format!(r#""i{number}":{{"shards":{{"0":[{{"seq_no":{{"max_seq_no":1}}}}]}}}}"#);
            let indices: Vec<_> = (0..count).map(index).collect();
            SequenceNumbers::read(format!("{{\"indices\":{{{}}}}}", indices.join(",")).as_bytes()).unwrap()
        };
        let none = SequenceNumbers::default();
        assert_eq!(generations(&of(2), &none).tags().collect::<Vec<_>>(), ["i:i0", "i:i1", "w"]);
        assert_eq!(generations(&of(MAX_NAMES), &none).tags().count(), MAX_NAMES + 1);
        assert!(generations(&of(MAX_NAMES + 1), &none).are_everything());
        assert!(generations(&of(3), &of(3)).is_empty());
    }
}
