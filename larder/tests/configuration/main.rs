//! What a configuration means, what is said about a wrong one, and what is never shown.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod breaker;
mod failover;
mod files;
mod hostile;
mod layers;
mod mistakes;
mod names;
mod places;
mod programs;
mod secrets;
mod setup;
mod sources;
