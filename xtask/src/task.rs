//! One file per task.

pub(crate) mod conformance;
pub(crate) mod deny;
pub(crate) mod features;
pub(crate) mod lint;
pub(crate) mod msrv;
pub(crate) mod test;
