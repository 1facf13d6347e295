//! Loading under pressure. [`stampede`] sends ten thousand callers to one cold key and counts the loads; [`races`] lets
//! readers, writers and callers who go away meet on a few keys and counts the reads that were stale. `cargo xtask
//! stampede` and `cargo xtask races` run them. [`coherence`] is the races of processes that keep copies near and hear of each other,
//! with processes that stop and a bus that is cut: `cargo xtask coherence`.
//!
//! With several processes the program starts itself again as its workers (`fleet`), and hosts what they share: the
//! cache's server, and a "database" that they ask over loopback (`wire`).

#![forbid(unsafe_code)]

mod fleet;
mod store;
mod wire;

pub mod coherence;
pub mod races;
pub mod random;
pub mod soak;
pub mod stampede;
pub mod words;

use std::{error::Error, process::ExitCode};

use tokio::runtime::{Builder, Runtime};

/// What something comes to: a value, or why it could not be done.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A runtime of so many threads. More threads than processors let tasks meet in more places.
pub fn runtime(threads: usize) -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

/// Tells on stderr what went wrong, and in the exit code whether something did.
fn verdict(program: &str, problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("{program}: {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
