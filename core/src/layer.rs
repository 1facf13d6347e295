//! Layers: a backend around a backend that adds one behaviour.

mod alarm;
mod deadline;

pub use self::deadline::Deadline;
