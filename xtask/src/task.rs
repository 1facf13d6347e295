//! One file per task.

pub(crate) mod api;
pub(crate) mod bench;
pub(crate) mod cancel;
pub(crate) mod coherence;
pub(crate) mod conformance;
pub(crate) mod deny;
pub(crate) mod faults;
pub(crate) mod features;
pub(crate) mod guard;
pub(crate) mod http_cache_tests;
pub(crate) mod imports;
pub(crate) mod lint;
pub(crate) mod loom;
pub(crate) mod minimal;
pub(crate) mod msrv;
pub(crate) mod races;
pub(crate) mod search;
pub(crate) mod simulation;
pub(crate) mod soak;
pub(crate) mod spelling;
pub(crate) mod stampede;
pub(crate) mod strings;
pub(crate) mod test;
mod trials;
pub(crate) mod unused;
