//! Larder against real servers. [`stores`] are what the conformance suite runs over: `cargo xtask conformance`.

#![forbid(unsafe_code)]

pub mod stores;
