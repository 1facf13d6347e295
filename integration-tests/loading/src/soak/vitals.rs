//! What a process has: memory, tasks, open descriptors and threads.

use std::{fmt, fs};

use tokio::runtime::Handle;

use crate::Outcome;

/// What memory may grow by: an allocator does not give back all that was in use for a moment.
const MEMORY_SLACK: u64 = 2 << 20;
/// What may come and go at the moment of looking.
const SLACK: u64 = 4;

/// What a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Vitals {
    /// Bytes of memory that are resident.
    pub(super) memory: u64,
    /// Tasks of the runtime that have not ended.
    pub(super) tasks: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

impl Vitals {
    /// This process, now.
    pub(super) fn of_this_process() -> Outcome<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| -> Outcome<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
            Ok(line.split_whitespace().next().ok_or("an empty field")?.parse()?)
        };
        Ok(Self {
            memory: field("VmRSS:")? * 1024,
            tasks: Handle::current().metrics().num_alive_tasks() as u64,
            // One of them is the folder itself.
            descriptors: (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1),
            threads: field("Threads:")?,
        })
    }

    pub(super) fn numbers(&self) -> [u64; 4] {
        [self.memory, self.tasks, self.descriptors, self.threads]
    }

    pub(super) fn of(numbers: &[u64]) -> Option<Self> {
        let &[memory, tasks, descriptors, threads] = numbers else { return None };
        Some(Self { memory, tasks, descriptors, threads })
    }

    /// What there is more of than there was.
    pub(super) fn grown(&self, before: &Self) -> Vec<&'static str> {
        [
            ("memory", self.memory > before.memory + before.memory / 10 + MEMORY_SLACK),
            ("tasks", self.tasks > before.tasks + SLACK),
            ("descriptors", self.descriptors > before.descriptors + SLACK),
            ("threads", self.threads > before.threads + SLACK),
        ]
        .into_iter()
        .filter_map(|(name, has_grown)| has_grown.then_some(name))
        .collect()
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = self.memory / 1024;
        write!(
            f,
            "{kib} KiB, {} tasks, {} descriptors, {} threads",
            self.tasks, self.descriptors, self.threads
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn they_are_those_of_this_process() {
        let before = Vitals::of_this_process().unwrap();
        assert!(before.memory > 1 << 20 && before.threads > 0 && before.descriptors > 2, "{before}");
        let held: Vec<_> = (0..20).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let waiting = (0..20).map(|_| tokio::spawn(std::future::pending::<()>()));
        let waiting: Vec<_> = waiting.collect();
        let after = Vitals::of_this_process().unwrap();
        let grown = after.grown(&before);
        assert!(grown.contains(&"descriptors") && grown.contains(&"tasks"), "{before} {after}");
        assert!(before.grown(&before).is_empty());
        assert_eq!(Vitals::of(&after.numbers()), Some(after));
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        drop(held);
    }
}
