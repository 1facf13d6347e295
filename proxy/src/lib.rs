#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod admin;
pub mod body;
pub mod configuration;
pub mod counters;
pub mod failure;
pub mod forward;
pub mod listener;
pub mod mode;
pub mod request;
pub mod routing;
pub mod service;
pub mod upstream;

pub use configuration::Configuration;
pub use service::Proxy;
