//! What the targets share: arbitrary keys, namespaces and settings, what can happen to bytes, checksums as an envelope's writer
//! makes them, and a count of what is allocated.

mod allocations;
mod edit;
mod json;
mod parts;
mod seal;
mod settings;
mod space;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

pub use self::{
    allocations::{Counting, peak_of},
    edit::Edit,
    json::{Json, Name},
    parts::{Element, Mark, Normal, Part, Parts, Text, is_long},
    seal::{seal_everything, seal_lifetime},
    settings::{Path, Setting, tree},
    space::Space,
};

/// The result of a future that is ready at once.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("there is nothing to wait for"),
    }
}
