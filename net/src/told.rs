//! What the log hears of a connection: that its server was lost, and that it was found again. Each once, and no more than one
//! line a second however often it happens.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// What was logged of one connection so far.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    server: &'a str,
    is_down: bool,
    last: Option<Instant>,
    /// What was not logged because something had been just before.
    left_out: u32,
}

impl<'a> Told<'a> {
    pub(crate) fn new(server: &'a str) -> Self {
        Self { server, is_down: false, last: None, left_out: 0 }
    }

    /// How many lines were left out since the last, if another one may be logged now.
    fn may(&mut self) -> Option<u32> {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }

    /// The connection is open.
    pub(crate) fn connected(&mut self) {
        if self.is_down {
            if let Some(left_out) = self.may() {
                tracing::info!(server = %self.server, left_out, "reconnected");
                self.is_down = false;
            }
        } else if self.last.is_none() {
            tracing::debug!(server = %self.server, "connected");
        }
    }

    /// An open connection ended, and the next one is being opened.
    pub(crate) fn lost(&mut self, why: &Failure) {
        if let Some(left_out) = self.may() {
            tracing::warn!(server = %self.server, %why, left_out, "the connection was lost; reconnecting");
            self.is_down = true;
        }
    }

    /// The server cannot be used.
    pub(crate) fn failed(&mut self, why: &Failure) {
        if self.is_down {
            tracing::debug!(server = %self.server, %why, "still cannot connect");
        } else if let Some(left_out) = self.may() {
            tracing::warn!(server = %self.server, %why, left_out, "cannot connect; retrying");
            self.is_down = true;
        }
    }
}
