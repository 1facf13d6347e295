//! Layers: a backend around a backend that adds one behaviour.

mod alarm;
mod breaker;
pub(crate) mod counting;
mod deadline;
mod failover;
mod fault;
mod limit;
mod trace;

pub use self::{
    breaker::{Breaker, BreakerSettings},
    deadline::Deadline,
    failover::Failover,
    fault::{Calls, Fault, FaultRule, Faults, Mishap},
    trace::Trace,
};
