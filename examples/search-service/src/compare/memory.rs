//! What entries take in this process's memory, measured by keeping many of them.

use std::fs;

use crate::service::{Failure, SearchRequest, Service};

/// How many answers are kept to measure what one takes.
const ENTRIES: usize = 1000;

/// How much this process grew while so many different answers were kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// Keeps many different answers and looks at what they take. `None` where they are kept elsewhere, or the system does
/// not say what a process takes.
pub(crate) async fn of_entries(service: &Service) -> Result<Option<Growth>, Failure> {
    if service.search.cache.capabilities().shared {
        return Ok(None);
    }
    let Some(before) = resident() else { return Ok(None) };
    let mut entries = 0;
    // Every page that begins with another result is another answer.
    for start in 0..ENTRIES {
        let request = SearchRequest::new(service.engine(), "fn".to_owned(), None, Some(start), None)?;
        let stored_before = service.search.cache.stats().writes;
        service.search(request, &|_| true).await?;
        if service.search.cache.stats().writes == stored_before {
            break;
        }
        entries += 1;
    }
    let after = resident().unwrap_or_default();
    Ok((entries > 0).then(|| Growth { entries, bytes: after.saturating_sub(before) }))
}

/// How many bytes of this process are in memory (Linux, proc_pid_status(5)).
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
