//! Where the versions of tags and namespaces live: beside the entries in this process's memory, or as records in a store that
//! other processes see. Which of the two is the backend's answer, asked once; nobody else in the engine asks again.

mod answers;
mod carried;
mod here;
mod memory;
mod parts;
mod record;
mod state;
mod there;

use std::{sync::Arc, time::Duration};

pub(crate) use self::{
    here::Here,
    parts::{Each, Parts},
    there::There,
};
use super::stamps::Levels;
use crate::{
    backend::{Backend, Ear, Invalidation},
    clock::Clock,
    key::Namespace,
};

/// Where the versions live.
#[derive(Debug)]
pub(crate) enum Register {
    Here(Here),
    There(Parts),
}

impl Register {
    pub(crate) fn new(
        backend: &Arc<dyn Backend>,
        namespace: &Namespace,
        lag: Duration,
        clock: &Clock,
    ) -> Self {
        match backend.invalidation() {
            Invalidation::Here(versions) => Self::Here(Here::new(versions, Levels::of(namespace))),
            Invalidation::There => Self::There(Parts::new(backend, namespace, lag, clock)),
        }
    }

    /// Who is to hear of what others change, if anybody is.
    pub(crate) fn ear(&self) -> Option<Arc<dyn Ear>> {
        match self {
            Self::Here(_) => None,
            Self::There(parts) => Some(parts.ear()),
        }
    }

    /// The namespace's levels.
    pub(crate) fn levels(&self) -> &Levels {
        match self {
            Self::Here(here) => here.levels(),
            Self::There(there) => there.levels(),
        }
    }
}
