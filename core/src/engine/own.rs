//! Which entries this process has written lately: one of them that it cannot read back is a fault of its type or its format,
//! and one of somebody else's may just be another release's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many are remembered, for all caches together: a power of two. Revisions are drawn one after the other, so the last
/// that many are.
const REMEMBERED: usize = 1024;

static WRITTEN: [AtomicU64; REMEMBERED] = [const { AtomicU64::new(0) }; REMEMBERED];

fn place(revision: u64) -> &'static AtomicU64 {
    // Less than the number of places.
    &WRITTEN[usize::try_from(revision % REMEMBERED as u64).unwrap_or(0)]
}

/// That this process has written an entry of this revision.
#[inline]
pub(crate) fn wrote(revision: u64) {
    place(revision).store(revision, Relaxed);
}

/// Whether this process has written the entry of this revision, as far as is remembered.
pub(crate) fn has_written(revision: u64) -> bool {
    place(revision).load(Relaxed) == revision
}
