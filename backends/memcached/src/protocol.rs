//! The meta protocol, as much of it as a cache needs: requests written, replies read. Nothing in here waits,
//! and nothing is believed that a server says about lengths before it was compared with a limit.
//!
//! Source: `doc/protocol.txt` of memcached, "Meta Commands"; what differs between versions is marked.

mod decoder;
mod key;
mod reply;
mod request;

pub(crate) use self::{
    decoder::{CHUNK, Decoder},
    key::WireKey,
    reply::{Framed, Mark, Refusal, Reply, decimal, error_line, shown},
    request::{Body, Mode, Request},
};
