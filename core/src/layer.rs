//! Layers: a backend around a backend that adds one behaviour.

mod deadline;

pub use self::deadline::Deadline;
