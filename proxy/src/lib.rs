#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod access;
pub mod admin;
pub mod body;
mod certificate;
mod client;
mod configuration;
pub mod counters;
mod failure;
mod forward;
mod lines;
pub mod listener;
#[allow(unreachable_pub, reason = "the modes are this crate's own")]
mod mode;
mod notes;
mod request;
mod routing;
mod running;
mod sent;
mod service;
mod statistics;
mod stream;
mod told;
mod upstream;

pub use configuration::{Configuration, Loaded, Wrong};
pub use running::MakeError;
pub use service::Proxy;
