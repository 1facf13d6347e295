//! What a connection needs to know of a protocol: how a request is written, how a reply is read, and which reply belongs to
//! which request.

use std::fmt;

use crate::{failure::Failure, input::Input, outgoing::Outgoing};

/// A protocol whose replies come in the order of its requests.
///
/// A value of it belongs to one connection and knows what was agreed on when that was opened.
pub trait Protocol: fmt::Debug + Send + 'static {
    /// A request as a caller words it.
    type Request<'a>;
    /// A reply, or one part of a reply that has several.
    type Reply: Clone + fmt::Debug + Send + 'static;
    /// What is known of a reply before it comes.
    type Expected: Copy + fmt::Debug + Send + 'static;

    /// Writes a request. `number` counts the requests of a connection and wraps; protocols that can have it echoed.
    fn write(request: &Self::Request<'_>, number: u32, out: &mut Outgoing) -> Self::Expected;

    /// Takes the next reply, or `None` until more has come.
    ///
    /// # Errors
    /// Why nothing that follows can be trusted. Lengths are checked before anything is allocated for them.
    fn read(&mut self, input: &mut Input) -> Result<Option<Event<Self::Reply>>, Failure>;

    /// Checks that a reply belongs to the request that is first in line.
    ///
    /// # Errors
    /// That it does not. The connection ends, and no caller receives it.
    fn check(&mut self, expected: Self::Expected, reply: &Self::Reply) -> Result<(), Failure>;
}

/// What has come from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<R> {
    /// A whole reply, or the next part of one.
    Reply(R),
    /// The beginning of a reply of this many parts.
    Parts(usize),
}

/// A protocol in which reads of single keys that wait at the same time can leave as one request.
pub trait Collects: Protocol {
    /// A key as a caller words it.
    type Key<'a>;

    /// Adds a key to those that wait.
    fn write_key(key: &Self::Key<'_>, out: &mut Vec<u8>);

    /// Writes the request that reads these keys, which [`write_key`](Self::write_key) has put one after the other: a plain
    /// read of one, whose reply has no parts, or one whose reply has a part for each, in their order.
    fn write_keys(keys: &[u8], count: usize, number: u32, out: &mut Outgoing) -> Self::Expected;

    /// The part of a reply as its caller receives it, if it says less than the reply to a plain read.
    fn among_others(reply: Self::Reply) -> Self::Reply {
        reply
    }
}
