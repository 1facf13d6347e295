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
    pid: u32,
    with_children: bool,
}

impl Server {
    /// The process with this id.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, with_children: false }
    }

    /// With the processes that it has started, and so on: a master and its workers.
    pub(crate) fn with_children(pid: u32) -> Self {
        Self { pid, with_children: true }
    }

    /// What its threads have used, in nanoseconds as the scheduler counts them (`/proc/<pid>/task/*/schedstat`): finer
    /// than the ticks of `INFO cpu`, and reading it asks nothing of the server.
    pub(crate) fn used(self) -> Option<Duration> {
        let mut used = used_by(self.pid)?;
        if self.with_children {
            // One that has ended meanwhile has nothing to add.
            used += children(self.pid)?.into_iter().filter_map(used_by).sum::<Duration>();
        }
        Some(used)
    }
}

fn used_by(pid: u32) -> Option<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that has ended meanwhile has nothing to add.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// Every process below this one.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut parents = Vec::new();
    for process in fs::read_dir("/proc").ok()? {
        let Some(child) = process.ok()?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        // The name, which may have anything in it, stands in brackets before the state and the parent.
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok()?;
        parents.push((child, parent));
    }
    let mut family = vec![pid];
    let mut place = 0;
    while let Some(parent) = family.get(place).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        place += 1;
    }
    family.remove(0);
    Some(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_moves_while_working_and_is_seen_from_outside() {
        let before = own();
        let outside = Server::of(std::process::id());
        let seen = outside.used().unwrap();
        let mut sum = 0_u64;
        while own() - before < Duration::from_millis(60) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(outside.used().unwrap() - seen > Duration::from_millis(20), "{sum}");
    }
    #[test]
    fn the_time_of_children_is_a_part_where_it_is_asked_for() {
        let program = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 5";
        let mut child = std::process::Command::new("sh").args(["-c", program]).spawn().unwrap();
        let own = Server::of(std::process::id());
        let all = Server::with_children(std::process::id());
        let begun = std::time::Instant::now();
        let more = || all.used().unwrap().saturating_sub(own.used().unwrap());
        while more() < Duration::from_millis(20) {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
