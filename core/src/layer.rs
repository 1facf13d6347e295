//! Layers: a backend around a backend that adds one behaviour.

mod alarm;
mod breaker;
pub(crate) mod counting;
mod deadline;
mod fault;
mod limit;
mod trace;

pub use self::{
    breaker::{Breaker, BreakerSettings},
    deadline::Deadline,
    fault::{Calls, Fault, FaultRule, Faults, Mishap},
    trace::Trace,
};
