//! Which sizes the server takes. It says so of some; on others it hangs up, on everybody who uses the connection: those are
//! not sent a third time.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use larder_core::{Result, error::Operation};
use tokio::time::Instant;

use crate::error;

/// For how long a size is believed to be too much. The server may be configured anew.
const BELIEVED: Duration = Duration::from_mins(5);
/// What is smaller than this is not suspected: no server can be set to hang up on it (`client-query-buffer-limit` is at least
/// 1 MiB).
const SUSPECT: u64 = 1024 * 1024;

/// The sizes of entries, in bytes.
#[derive(Debug)]
pub(crate) struct Sizes {
    configured: u64,
    /// The largest that is sent, `configured` unless a larger one was refused.
    largest: AtomicU64,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    /// A size with which the connection was lost, once, and when.
    suspect: Option<(u64, Instant)>,
    /// Until when what was learnt is believed.
    until: Option<Instant>,
}

impl Sizes {
    pub(crate) fn new(configured: u64) -> Self {
        Self { configured, largest: AtomicU64::new(configured), learnt: Mutex::default() }
    }

    /// Checks that an entry can be sent at all.
    pub(crate) fn check(&self, len: u64) -> Result<()> {
        let largest = self.largest.load(Ordering::Relaxed);
        if len <= largest {
            return Ok(());
        }
        if largest < self.configured {
            let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            if learnt.until.is_some_and(|until| until <= Instant::now()) {
                *learnt = Learnt::default();
                self.largest.store(self.configured, Ordering::Relaxed);
                return if len <= self.configured { Ok(()) } else { Err(too_large(len, self.configured)) };
            }
        }
        Err(too_large(len, largest))
    }

    /// The server has said that this is too much.
    pub(crate) fn refused(&self, len: u64) {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        self.believe(&mut learnt, len);
    }

    /// The connection was lost while this was being sent, or before it was answered.
    pub(crate) fn lost(&self, len: u64) {
        if len < SUSPECT {
            return;
        }
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match learnt.suspect {
            Some((suspect, since)) if now - since < BELIEVED => {
                let len = len.min(suspect);
                learnt.suspect = None;
                self.believe(&mut learnt, len);
                tracing::warn!(
                    bytes = len,
                    "the server closed the connection twice on an entry of this size; set `max_value`, or raise the server's \
                     `client-query-buffer-limit`"
                );
            }
            _ => learnt.suspect = Some((len, now)),
        }
    }

    /// This was taken.
    pub(crate) fn taken(&self, len: u64) {
        if len < SUSPECT {
            return;
        }
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if learnt.suspect.is_some_and(|(suspect, _)| suspect <= len) {
            learnt.suspect = None;
        }
    }

    fn believe(&self, learnt: &mut Learnt, len: u64) {
        self.largest.fetch_min(len.saturating_sub(1), Ordering::Relaxed);
        learnt.until = Some(Instant::now() + BELIEVED);
    }
}

fn too_large(len: u64, largest: u64) -> larder_core::Error {
    error::too_large(Operation::Set, len, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test(start_paused = true)]
    async fn a_size_on_which_the_server_hangs_up_is_not_sent_a_third_time() {
        let sizes = Sizes::new(512 * MIB);
        sizes.lost(8 * MIB);
        sizes.check(8 * MIB).unwrap();
        // Something else was the reason then.
        sizes.taken(9 * MIB);
        sizes.lost(8 * MIB);
        sizes.check(8 * MIB).unwrap();
        sizes.lost(7 * MIB);
        sizes.check(7 * MIB).unwrap_err();
        sizes.check(7 * MIB - 1).unwrap();
        // Small ones are lost with a server that goes away, and say nothing.
        (0..10).for_each(|_| sizes.lost(1000));
        sizes.check(1000).unwrap();
        tokio::time::advance(BELIEVED).await;
        sizes.check(8 * MIB).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_size_that_is_refused_is_believed_for_a_while() {
        let sizes = Sizes::new(512 * MIB);
        sizes.refused(2000);
        sizes.check(2000).unwrap_err();
        sizes.check(1999).unwrap();
        tokio::time::advance(BELIEVED).await;
        sizes.check(2000).unwrap();
        sizes.check(512 * MIB + 1).unwrap_err();
    }
}
