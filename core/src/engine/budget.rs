//! How much is left of the time that a call may wait for its store. It is handed down and never restarted: whatever a call
//! does there, one round trip or ten, takes no longer in sum. While a loader runs it stands still.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::offload::is_in_runtime;

/// A budget that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    until: Option<Instant>,
}

/// A budget that stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paused {
    left: Option<Duration>,
}

impl Budget {
    /// One that begins now. Without a limit nothing is measured.
    #[inline]
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        Self { until: limit.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// The same for one that has begun then, where the clock has just been read.
    #[inline]
    pub(crate) fn start_at(begun: Instant, limit: Option<Duration>) -> Self {
        Self { until: limit.and_then(|limit| begun.checked_add(limit)) }
    }

    /// When it is spent.
    #[inline]
    pub(crate) fn until(self) -> Option<Instant> {
        self.until
    }

    pub(crate) fn pause(self) -> Paused {
        Paused { left: self.until.map(|until| until.saturating_duration_since(Instant::now())) }
    }

    /// What the work gives, if it ends before the budget does.
    pub(crate) async fn bound<F: Future>(self, work: F) -> Option<F::Output> {
        match self.until {
            // Outside a runtime there is nothing to measure time with.
            Some(until) if is_in_runtime() => by(until, work).await,
            _ => Some(work.await),
        }
    }
}

/// What the work gives, if it ends by then. A timer is set only if it has to wait: setting one and taking it back costs about
/// as much as a hit in memory.
pub(crate) async fn by<F: Future>(end: Instant, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep_until(end)));
        }
        if let Some(timer) = timer.as_mut().as_pin_mut() {
            ready!(timer.poll(context));
        }
        Poll::Ready(None)
    })
    .await
}

impl Paused {
    pub(crate) fn resume(self) -> Budget {
        Budget::start(self.left)
    }

    /// What has been used of it since it was this much.
    pub(crate) fn used_since(self, before: Self) -> Duration {
        let (left, before) = (self.left.unwrap_or_default(), before.left.unwrap_or_default());
        before.saturating_sub(left)
    }

    /// The same with so much of it used.
    pub(crate) fn less(self, used: Duration) -> Self {
        Self { left: self.left.map(|left| left.saturating_sub(used)) }
    }
}
