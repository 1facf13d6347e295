//! The suite over this backend.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{path::Path, sync::Arc};

use custom_backend::{ENTRIES, RedbBackend, RedbConfig};
use larder_conformance::{Store, Suite};
use larder_core::Clock;
use redb::ReadableTable as _;

fn main() -> std::process::ExitCode {
    freed_at_the_end()
        .fold(Suite::new("redb", store), |suite, case| suite.skip(&case, FREED_BY_WRITES))
        .main()
}

const FREED_BY_WRITES: &str = "this store frees what has ended when it is written to";

/// The cases about freeing what nobody writes to or removes.
fn freed_at_the_end() -> impl Iterator<Item = String> {
    larder_conformance::cases().into_iter().map(|case| case.name()).filter(|name| {
        name == "ttl::what_has_ended_is_freed" || name.starts_with("freed::") && name.ends_with("_at_its_end")
    })
}

/// A store in a file of its own, that goes with the case. The clock is the suite's, which moves it.
fn store(clock: Clock) -> Store {
    let folder = folder();
    let config = RedbConfig::new(folder.path().join("cache.redb"));
    let backend = Arc::new(RedbBackend::new(config, clock).unwrap());
    let (vandal, spy) = (Arc::clone(&backend), Arc::clone(&backend));
    Store::new(backend)
        .with_vandal(move |key, bytes| put(&vandal, key, bytes))
        .with_spy(move |key| look(&spy, key))
        .with_guard(folder)
}

/// The suite writes tens of thousands of times, each of which waits for the disk: in memory, where there is such a
/// folder, it does not take minutes.
fn folder() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }.unwrap()
}

/// What bit rot does: other bytes under the same key, for as long as the entry would have lived.
fn put(backend: &RedbBackend, key: &str, bytes: &[u8]) {
    let transaction = backend.database().unwrap().begin_write().unwrap();
    {
        let mut entries = transaction.open_table(ENTRIES).unwrap();
        let expires = entries.get(key).unwrap().map_or(u64::MAX, |row| row.value().0);
        entries.insert(key, (expires, bytes)).unwrap();
    }
    transaction.commit().unwrap();
}

fn look(backend: &RedbBackend, key: &str) -> Option<Vec<u8>> {
    let entries = backend.database().unwrap().begin_read().unwrap().open_table(ENTRIES).unwrap();
    entries.get(key).unwrap().map(|row| row.value().1.to_vec())
}
