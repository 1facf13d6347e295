//! Processor time: of this process, and of a server by its process id.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What all threads of this process have used.
pub(crate) fn own() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // The clock begins at zero with the process, and its nanoseconds are below a second.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A server whose processor time belongs to a lane's operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// Its process id.
    pub(crate) pid: u32,
}

impl Server {
    /// What its threads have used, in nanoseconds as the scheduler counts them (`/proc/<pid>/task/*/schedstat`): finer
    /// than the ticks of `INFO cpu`, and reading it asks nothing of the server.
    pub(crate) fn used(self) -> Option<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid)).ok()? {
            // A thread that has ended meanwhile has nothing to add.
            let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
            nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_moves_while_working_and_is_seen_from_outside() {
        let before = own();
        let outside = Server { pid: std::process::id() };
        let seen = outside.used().unwrap();
        let mut sum = 0_u64;
        while own() - before < Duration::from_millis(60) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(outside.used().unwrap() - seen > Duration::from_millis(20), "{sum}");
    }
}
