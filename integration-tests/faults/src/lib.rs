//! Stores under faults. [`faults`] breaks servers and networks in every way there is and measures what callers notice;
//! [`cancel`] drops reads at random points and checks every answer that does come. `cargo xtask faults` and `cargo xtask
//! cancel` run them.
//!
//! A trial of [`faults`] is one fault on one store. The process that hosts it starts the servers, breaks and mends them; the
//! calls are made by a worker, this program started again, so that what is counted there (tasks, descriptors, lines in the
//! log) is the store's and nobody else's.

#![forbid(unsafe_code)]
// Test support may end the trial with the reason, which the host catches and reports.
#![allow(clippy::panic)]

mod asked;
mod fault;
mod judge;
mod page;
mod report;
mod row;
mod server;
mod stage;
mod store;
mod syns;
mod table;
mod trial;
mod worker;

pub mod cancel;
pub mod faults;

use loading_trials::Outcome;
