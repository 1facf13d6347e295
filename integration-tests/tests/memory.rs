//! What stores in this process's memory promise beside the suite, each on every map.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "memory/common.rs"]
mod common;

#[path = "memory/clock.rs"]
mod clock;
#[path = "memory/dropping.rs"]
mod dropping;
#[path = "memory/leaving.rs"]
mod leaving;
#[path = "memory/snapshot.rs"]
mod snapshot;
#[path = "memory/sweeping.rs"]
mod sweeping;
#[path = "memory/weight.rs"]
mod weight;
