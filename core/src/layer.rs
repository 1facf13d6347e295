//! Layers: a backend around a backend that adds one behaviour.

mod alarm;
mod breaker;
mod deadline;
mod fault;
mod limit;

pub use self::{
    breaker::{Breaker, BreakerSettings},
    deadline::Deadline,
    fault::{Calls, Fault, FaultRule, Faults, Mishap},
};
