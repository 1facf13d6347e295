//! How long threads waited for a processor, by the kernel's own account. Where there is none, they never did.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The threads that have shown themselves, as paths below `/proc`.
#[derive(Debug, Clone, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<PathBuf>>>);

impl Threads {
    /// The thread that calls this is one of them.
    pub(super) fn here(&self) {
        let Ok(own) = fs::read_link("/proc/thread-self") else { return };
        // Nothing in here can panic half-way through a change.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&own) {
            known.push(own);
        }
    }

    /// How long each of them has waited for a processor since it began.
    pub(super) fn waited(&self) -> BTreeMap<PathBuf, Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of = |thread: PathBuf| {
            let account = fs::read_to_string(PathBuf::from("/proc").join(&thread).join("schedstat")).ok()?;
            Some((thread, waited(&account)?))
        };
        known.into_iter().filter_map(of).collect()
    }
}

/// Time on a processor, time waiting for one, and how often it was given one; the times in nanoseconds.
fn waited(account: &str) -> Option<Duration> {
    account.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_account_is_read() {
        assert_eq!(waited("1234 5678 9\n"), Some(Duration::from_nanos(5678)));
        assert_eq!(waited(""), None);
        let threads = Threads::default();
        threads.here();
        threads.here();
        assert!(threads.waited().len() <= 1, "{threads:?}");
    }
}
