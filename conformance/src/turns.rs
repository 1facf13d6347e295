//! Who runs beside whom: cases that mostly wait run side by side, and those that keep a processor busy run one at a time,
//! while no other case runs.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::case::Weight;

/// Given out in the order in which it is asked for, so that a heavy case waits only for those before it.
#[derive(Debug, Default)]
pub(crate) struct Turns(RwLock<()>);

/// Kept while the case runs.
#[derive(Debug)]
#[allow(dead_code, reason = "guards are held, not read")]
pub(crate) enum Turn<'a> {
    Beside(RwLockReadGuard<'a, ()>),
    Alone(RwLockWriteGuard<'a, ()>),
}

impl Turns {
    pub(crate) async fn turn(&self, weight: Weight) -> Turn<'_> {
        match weight {
            Weight::Light => Turn::Beside(self.0.read().await),
            Weight::Heavy => Turn::Alone(self.0.write().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use super::*;

    #[tokio::test]
    async fn a_heavy_case_runs_alone() {
        let turns = Turns::default();
        let (one, other) = (turns.turn(Weight::Light).await, turns.turn(Weight::Light).await);
        let mut heavy = pin!(turns.turn(Weight::Heavy));
        assert!(futures_poll(heavy.as_mut()).await.is_pending());
        drop((one, other));
        let heavy = heavy.await;
        let mut later = pin!(turns.turn(Weight::Light));
        assert!(futures_poll(later.as_mut()).await.is_pending());
        drop(heavy);
        later.await;
    }

    async fn futures_poll<F: Future + Unpin>(mut work: F) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut work).poll(context))).await
    }
}
