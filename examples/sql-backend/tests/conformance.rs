//! The suite over this backend.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::path::Path;

use larder_conformance::{Store, Suite};
use larder_core::Clock;
use rusqlite::{Connection, OptionalExtension as _, params};
use sql_backend::SqlBackend;

/// What a store does that frees what has ended when it is written to, and not by a clock.
const FREED_BY_WRITES: &str = "this store frees what has ended when it is written to";

fn main() -> std::process::ExitCode {
    let freed = larder_conformance::cases().into_iter().map(|case| case.name()).filter(|name| {
        name == "ttl::what_has_ended_is_freed" || name.starts_with("freed::") && name.ends_with("_at_its_end")
    });
    freed.fold(Suite::new("sqlite", store), |suite, case| suite.skip(&case, FREED_BY_WRITES)).main()
}

/// A store in a file of its own, that goes with the case. The clock is the suite's, which moves it.
fn store(clock: Clock) -> Store {
    let folder = folder();
    let path = folder.path().join("cache.db");
    let (peer, vandal, spy) = (path.clone(), path.clone(), path.clone());
    Store::new(SqlBackend::new(&path, clock))
        .with_peer(move |clock| SqlBackend::new(&peer, clock))
        .with_vandal(move |key, bytes| put(&vandal, key, bytes))
        .with_spy(move |key| look(&spy, key))
        .with_guard(folder)
}

fn folder() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }.unwrap()
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS larder (key TEXT PRIMARY KEY, expires INTEGER NOT NULL, envelope BLOB NOT NULL) \
         WITHOUT ROWID",
    )?;
    Ok(connection)
}

/// Other bytes under the same key, for as long as the entry would have lived.
fn put(path: &Path, key: &str, bytes: &[u8]) -> rusqlite::Result<()> {
    open(path)?
        .execute(
            "INSERT INTO larder (key, expires, envelope) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key) DO UPDATE SET envelope = excluded.envelope",
            params![key, i64::MAX, bytes],
        )
        .map(drop)
}

fn look(path: &Path, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    open(path)?
        .query_row("SELECT envelope FROM larder WHERE key = ?1", params![key], |row| row.get(0))
        .optional()
}
