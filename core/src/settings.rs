//! Types for settings: durations and sizes as people write them, and secrets that are never printed.

mod error;
mod secret;
mod size;
mod span;

pub use self::{
    error::ParseError,
    secret::{Secret, redact_url},
    size::ByteSize,
    span::Span,
};
