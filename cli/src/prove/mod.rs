//! Proving a store: the published suite, how fast it is, and what it does when it fails.

pub(crate) mod bench;
pub(crate) mod conformance;
pub(crate) mod faults;
mod plots;
mod traces;
