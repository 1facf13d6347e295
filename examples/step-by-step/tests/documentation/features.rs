//! The code of the pages in `docs/features`, one module for each page; and what the pages say of it.

mod breaker;
mod bus;
mod capacity;
mod chains;
mod early_refresh;
mod expire;
mod failover;
mod faults_in_tests;
mod fence;
mod leases;
mod loader;
mod many;
mod negative;
mod single_flight;
mod sliding;
mod snapshot;
mod stale;
mod tags_and_clear;
mod tracing;
mod what_the_caller_knows;

use larder::{Clock, Larder};

/// A Larder with a store in memory and no other configuration.
fn larder() -> Larder {
    larder_at(&Clock::system())
}

fn larder_at(clock: &Clock) -> Larder {
    let builder = Larder::builder().environment([("NOT", "ours")]).set("stores.main.backend", "memory");
    builder.clock(clock.clone()).build().unwrap()
}
