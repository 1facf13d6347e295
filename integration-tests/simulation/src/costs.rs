//! What the server's one thread spends on what.

use crate::kernel::Moment;

/// Nanoseconds of the server's main thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// One turn of the event loop, whatever it does.
    pub(crate) turn: Moment,
    /// One command of one client, with its answer.
    pub(crate) command: Moment,
    /// One message to one listener, with the write to its socket.
    pub(crate) message: Moment,
    /// One more key in a message.
    pub(crate) key: Moment,
}

/// Measured by `cargo xtask simulation --measure`, on the machine of `docs/performance.md`.
pub(crate) const REDIS: Costs = Costs { turn: 4_200, command: 9_900, message: 7_900, key: 110 };

impl Costs {
    /// So many messages a second are all that the thread can send if it does nothing else.
    pub(crate) fn capacity(self) -> u64 {
        1_000_000_000 / self.message.max(1)
    }
}
