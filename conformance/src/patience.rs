//! Waiting for what must come. Patience is counted in ticks of the runtime, not in time: on a machine that is busy elsewhere
//! a tick takes longer, and so does everything that is waited for.

use std::{panic::Location, sync::mpsc::Receiver, time::Duration};

use crate::failure::{Failure, Verdict};

/// A tick: at least this long, and longer by however much the runtime's tasks are late.
const TICK: Duration = Duration::from_millis(10);

/// How many ticks are waited before something counts as never coming: some 20 s on a quiet machine.
const PATIENCE: u32 = 2000;

/// The same over a mutant, which is in memory and waits for nothing: some 1 s.
const HURRIED: u32 = 100;

tokio::task_local! {
    static TICKS: u32;
}

/// Does this with little patience, as far as its own task goes.
pub(crate) async fn hurried<W: Future>(work: W) -> W::Output {
    TICKS.scope(HURRIED, work).await
}

/// Whether this task has little patience.
pub(crate) fn is_hurried() -> bool {
    TICKS.try_with(|_| ()).is_ok()
}

/// How many ticks are waited here before something counts as never coming.
pub(crate) fn patience() -> u32 {
    TICKS.try_with(|ticks| *ticks).unwrap_or(PATIENCE)
}

/// Waits for this many ticks.
pub(crate) async fn ticks(count: u32) {
    for _ in 0..count {
        tokio::time::sleep(TICK).await;
    }
}

/// What comes within this many ticks, for those who cannot `await`.
pub(crate) fn receive<T>(from: &Receiver<T>, count: u32) -> Option<T> {
    (0..count).find_map(|_| from.recv_timeout(TICK).ok())
}

/// The result of this work, or a failure if it hangs.
#[track_caller]
pub(crate) fn patiently<W: Future>(
    expected: &str,
    work: W,
) -> impl Future<Output = Result<W::Output, Failure>> {
    within(patience(), expected, Location::caller(), work)
}

async fn within<W: Future>(
    patience: u32,
    expected: &str,
    at: &'static Location<'static>,
    work: W,
) -> Result<W::Output, Failure> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = ticks(patience) => Err(hangs(patience, expected, at)),
    }
}

/// Waits until this is so.
#[track_caller]
pub(crate) fn soon<F>(expected: &str, is_so: impl Fn() -> F) -> impl Future<Output = Verdict>
where
    F: Future<Output = Result<bool, Failure>>,
{
    let at = Location::caller();
    async move {
        let patience = patience();
        for _ in 0..patience {
            if is_so().await? {
                return Ok(());
            }
            ticks(1).await;
        }
        Err(hangs(patience, expected, at))
    }
}

fn hangs(patience: u32, expected: &str, at: &'static Location<'static>) -> Failure {
    let seen = format!("nothing within {patience} ticks of {TICK:?}");
    Failure { expected: expected.to_owned(), seen, at }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_a_failure_that_says_where() {
        let failure =
            within(3, "an end", Location::caller(), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(failure.expected, "an end");
        assert_eq!(failure.seen, "nothing within 3 ticks of 10ms");
        assert!(failure.at.file().ends_with("patience.rs"), "{failure:?}");
    }

    /// A runtime that runs nothing for far longer than the patience with a task, which is done afterwards.
    #[tokio::test]
    async fn time_in_which_nothing_runs_costs_one_turn() {
        let (done, wait) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            std::thread::sleep(TICK * 30);
            ticks(2).await;
            done.send(7)
        });
        assert_eq!(within(10, "an end", Location::caller(), wait).await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn what_comes_late_comes() {
        let asked = Cell::new(0);
        let third = || async {
            asked.set(asked.get() + 1);
            Ok(asked.get() == 3)
        };
        soon("the third time", third).await.unwrap();
    }
}
