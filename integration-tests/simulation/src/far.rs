//! The store that all nodes share, as Redis is one: one thread, turns of an event loop, and a bus that tells every listener of what
//! a turn has changed, in one message for each prefix.

mod backend;
mod ledger;
mod line;
mod server;

pub(crate) use self::{
    backend::Far,
    server::{Counts, Server},
};
