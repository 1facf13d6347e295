//! A place where calls wait until a case lets them go on.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{failure::Verdict, patience::patiently};

/// Closed until it is opened. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    begun: Arc<Semaphore>,
    end: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { begun: closed(), end: closed() }
    }

    /// Comes to the gate, and passes when it is open.
    pub(crate) async fn pass(&self) {
        self.begun.add_permits(1);
        pass(&self.end).await;
    }

    /// Waits until somebody has come who was not waited for yet.
    pub(crate) async fn has_begun(&self, expected: &str) -> Verdict {
        patiently(expected, pass(&self.begun)).await
    }

    /// Lets all pass, those that come later as well.
    pub(crate) fn open(&self) {
        self.end.add_permits(1000);
    }
}

async fn pass(gate: &Semaphore) {
    if let Ok(permit) = gate.acquire().await {
        permit.forget();
    }
}
