//! A process that may open nothing more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;

/// From now on nothing can be opened; what is open stays. Gives the limit that there was.
pub(super) fn forbid() -> Outcome<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    // Descriptors are numbers below the limit, and the lowest ones are taken.
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: before.maximum })?;
    Ok(before)
}

pub(super) fn allow(before: Rlimit) -> Outcome {
    Ok(setrlimit(Resource::Nofile, before)?)
}
