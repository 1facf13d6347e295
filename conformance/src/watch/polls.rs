//! For how long a case kept its thread: what is woken on that thread meanwhile waits, even if another is free.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The longest poll of what is measured, in time on a processor. Where the system does not tell, no poll takes any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Polls(Arc<AtomicU64>);

impl Polls {
    pub(crate) async fn measure<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            let begun = on_a_processor();
            let polled = work.as_mut().poll(context);
            let nanos = on_a_processor().saturating_sub(begun).as_nanos();
            self.0.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
            polled
        })
        .await
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// How long this thread was on a processor since it began.
#[cfg(target_os = "linux")]
fn on_a_processor() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn on_a_processor() -> Duration {
    Duration::ZERO
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use super::*;

    fn work(time: Duration) {
        let begun = Instant::now();
        while on_a_processor() < time && begun.elapsed() < Duration::from_mins(1) {}
    }

    #[test]
    fn the_longest_poll_counts_and_sleep_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let polls = Polls::default();
        let step = Duration::from_millis(40);
        let begun = on_a_processor();
        runtime.block_on(polls.measure(async {
            std::thread::sleep(step * 5);
            tokio::task::yield_now().await;
            work(begun + step);
            tokio::task::yield_now().await;
        }));
        let longest = polls.longest();
        assert!(longest > step / 2 && longest < step * 3, "{longest:?}");
    }
}
