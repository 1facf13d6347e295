//! Asking for a map of aliases in the background: one request at a time, at a pace where it fails, and with one line in the log for each
//! change between having one and having none.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use super::{Shared, names::NoMap};

/// How long nobody asks after a failure of the upstream, at first and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long nobody asks while aliases are being changed.
const CHANGING: Duration = Duration::from_millis(100);
/// A map that the store has not kept so often is never going to be.
const OFTEN: u32 = 5;
/// How long nobody asks for names that a map does not know.
const HINT: Duration = Duration::from_secs(1);

/// What is known of asking.
#[derive(Debug, Default)]
pub(super) struct Mapping(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    asking: Option<Asking>,
    /// The upstream was not heard of in a moment, or not at all: nobody waits for it.
    is_late: bool,
    not_before: Option<Instant>,
    asked: Option<Instant>,
    failures: u32,
    /// What the log was told.
    told: Option<NoMap>,
}

impl State {
    /// One more failure. How long nobody asks then, from this long on.
    fn failed(&mut self, pause: Duration) -> Duration {
        let times = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        pause.saturating_mul(times).min(LONGEST_PAUSE)
    }

    fn tell(&mut self, upstream: &str, why: NoMap) {
        if self.told.replace(why) != Some(why) {
            tracing::warn!(
                upstream,
                %why,
                "what names of indices stand for is not known; each answer depends on each write until it is"
            );
        }
    }
}

/// A request that is under way.
#[derive(Debug, Clone)]
pub(super) struct Asking(watch::Receiver<()>);

impl Asking {
    /// Whether it is over, after a wait of up to this long.
    pub(super) async fn over(mut self, patience: Duration) -> bool {
        // Nothing is ever sent: it is over when the sender is gone.
        timeout(patience, self.0.changed()).await.is_ok()
    }

    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Mapping {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has waited in vain.
    pub(super) fn is_late(&self) {
        self.state().is_late = true;
    }

    /// Says that somebody asks, who has to drop the sender in the end; nothing if it is not the time.
    fn begin(&self) -> (Option<watch::Sender<()>>, Option<Asking>) {
        let mut state = self.state();
        let is_late = state.is_late;
        if let Some(asking) = state.asking.as_ref().filter(|asking| !asking.is_over()) {
            return (None, (!is_late).then(|| asking.clone()));
        }
        let now = Instant::now();
        if state.not_before.is_some_and(|moment| moment > now) {
            return (None, None);
        }
        let (sender, receiver) = watch::channel(());
        let asking = Asking(receiver);
        state.asking = Some(asking.clone());
        state.asked = Some(now);
        (Some(sender), (!is_late).then_some(asking))
    }

    fn ended(&self, upstream: &str, loaded: Result<(), NoMap>) {
        let mut state = self.state();
        let pause = match loaded {
            Ok(()) => {
                (state.failures, state.is_late) = (0, false);
                if state.told.take().is_some() {
                    tracing::info!(upstream, "what names of indices stand for is known again");
                }
                Duration::ZERO
            }
            Err(NoMap::Changing | NoMap::Differs) => CHANGING,
            Err(why @ NoMap::NotKept) => {
                let pause = state.failed(CHANGING);
                // A change of aliases meanwhile is nothing to be told of.
                if state.failures == OFTEN {
                    state.tell(upstream, why);
                }
                pause
            }
            Err(why @ NoMap::Upstream(_)) => {
                state.is_late = true;
                state.tell(upstream, why);
                state.failed(PAUSE)
            }
        };
        state.not_before = Instant::now().checked_add(pause);
    }
}

impl Shared {
    /// Has the map asked for, unless it is not the time. What may be waited for, where that is worth it.
    pub(super) fn ask_for_names(self: &Arc<Self>) -> Option<Asking> {
        let ttl = self.settings.alias_map?;
        let (sender, asking) = self.mapping.begin();
        if let Some(sender) = sender {
            let search = Arc::clone(self);
            tokio::spawn(async move {
                let loaded = search.load_map(ttl).await;
                search.mapping.ended(search.upstream.name(), loaded);
                drop(sender);
            });
        }
        asking
    }

    /// A name was written to that the map does not know: perhaps it is new.
    pub(super) fn has_new_names(self: &Arc<Self>) {
        if self.settings.alias_map.is_some()
            && self.mapping.state().asked.is_none_or(|asked| asked.elapsed() >= HINT)
        {
            self.ask_for_names();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_at_a_pace() {
        let mapping = Mapping::default();
        let (sender, asking) = mapping.begin();
        assert!(asking.is_some_and(|asking| !asking.is_over()));
        let (none, joined) = mapping.begin();
        assert!(none.is_none() && joined.is_some(), "it is waited for");
        mapping.is_late();
        assert!(mapping.begin().1.is_none(), "and not once it was late");
        mapping.ended("a", Err(NoMap::Upstream("no")));
        drop(sender);
        assert!(joined.unwrap().over(Duration::from_secs(1)).await);
        assert!(mapping.begin().0.is_none(), "not at once again");
        mapping.state().not_before = None;
        let (sender, asking) = mapping.begin();
        assert!(sender.is_some() && asking.is_none(), "nobody waits for what has failed");
        mapping.ended("a", Ok(()));
        drop(sender);
        let (sender, asking) = mapping.begin();
        assert!(sender.is_some() && asking.is_some());
    }

    #[test]
    fn pauses_grow_and_stay_below_their_limit() {
        let mapping = Mapping::default();
        for _ in 0..100 {
            mapping.ended("a", Err(NoMap::Upstream("no")));
        }
        let until = mapping.state().not_before.unwrap();
        assert!(until <= Instant::now() + LONGEST_PAUSE && until > Instant::now() + LONGEST_PAUSE / 2);
    }
}
