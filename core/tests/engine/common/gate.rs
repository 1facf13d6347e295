//! A place where tasks wait until a test lets them go on.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed until it is opened; counts who has come.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    came: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(Inner { came: watch::Sender::new(0), open: watch::Sender::new(false) }))
    }

    /// Comes to the gate, and passes when it is open.
    pub async fn pass(&self) {
        self.0.came.send_modify(|came| *came += 1);
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
    }

    /// Waits until as many have come, whether they have passed or not.
    pub async fn reached_by(&self, count: usize) {
        let mut came = self.0.came.subscribe();
        super::soon(came.wait_for(|came| *came >= count)).await.unwrap();
    }

    pub fn came(&self) -> usize {
        *self.0.came.borrow()
    }

    pub fn open(&self) {
        self.0.open.send_replace(true);
    }
}
