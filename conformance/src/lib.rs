//! What a backend of Larder promises, as tests that anybody can run over theirs.
//!
//! A backend's author writes a factory and one call, in `tests/conformance.rs` with `harness = false`:
//!
//! ```no_run
//! use larder_conformance::{Store, Suite};
//! # use larder_core::backend::NullBackend as MyBackend;
//!
//! fn main() -> std::process::ExitCode {
//!     Suite::new("mine", |_clock| Store::new(MyBackend::new())).main()
//! }
//! ```
//!
//! Every case is a test of its own, `family::behaviour`, and can be filtered like any other. A case that the
//! store cannot run is reported as ignored with the name of the ability it lacks, never as passed; an ability
//! that is there and answers `Unsupported` fails. `docs/writing-a-backend.md` leads from nothing to green.
//!
//! Cases run side by side on two threads. A store that keeps a thread where it should `await` holds up the cases
//! beside it; a run in which no task ran for a quarter of a second fails, and names the cases that were running.

#![forbid(unsafe_code)]

mod between;
mod blocking;
mod case;
mod context;
mod disturbance;
mod failure;
mod families;
mod gate;
mod histories;
mod hooks;
mod large;
mod model;
mod mutants;
mod patience;
mod probe;
mod reference;
mod report;
mod run;
mod search;
#[cfg(test)]
mod small;
mod stacks;
mod store;
mod suite;
mod task;
mod turns;
mod value;
mod watch;

pub use self::{
    case::{Ability, Case, Weight},
    hooks::Answer,
    mutants::{Fate, Mutant, failing, mutants, without_mutant},
    reference::ReferenceBackend,
    report::{Outcome, Row, html, junit},
    stacks::NearCopies,
    store::{Store, Time},
    suite::Suite,
    value::Value,
};

/// Every case of the suite, in the order of the families.
pub fn cases() -> Vec<Case> {
    families::all()
}
