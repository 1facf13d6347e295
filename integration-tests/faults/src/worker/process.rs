//! What this process has of what it must not lose.

use tokio::runtime::Handle;

/// Tasks of the runtime, and open descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tasks: u64,
    pub(super) descriptors: u64,
}

impl Counts {
    pub(super) fn now() -> Self {
        let tasks = Handle::current().metrics().num_alive_tasks() as u64;
        // The one that the list itself takes is among them, each time.
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as u64);
        Self { tasks, descriptors }
    }

    pub(super) fn is_within(self, before: Self) -> bool {
        self.tasks <= before.tasks && self.descriptors <= before.descriptors
    }
}
