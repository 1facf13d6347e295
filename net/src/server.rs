//! A server as a connection knows it: where it is, and how a conversation with it begins.

use std::time::Duration;

use crate::{dial::Endpoint, failure::Failure, protocol::Protocol, settings::Limits, stream::Stream};

/// A server: where it is, and how a conversation with it begins.
pub trait Server: Send + Sync + 'static {
    /// The protocol it speaks.
    type Protocol: Protocol;

    /// Where it is.
    fn endpoint(&self) -> &Endpoint;

    /// What it is called in messages: its address, without credentials.
    fn name(&self) -> String {
        self.endpoint().address.to_string()
    }

    /// The bounds of connections to it.
    fn limits(&self) -> Limits;

    /// Introduces itself on a new stream, and agrees on what there is to agree on. Bounded by `connect_timeout`, together
    /// with opening the stream. Every byte that the server has sent by then has to be read.
    ///
    /// # Errors
    /// Why the connection cannot be used.
    fn greet(
        &self,
        stream: &mut Stream,
    ) -> impl Future<Output = Result<Session<Self::Protocol>, Failure>> + Send;
}

/// What was agreed on when a connection was opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Session<P> {
    /// The protocol from here on.
    pub protocol: P,
    /// How long the credentials are valid, if that is known: the connection is replaced before.
    pub valid_for: Option<Duration>,
}

impl<P> Session<P> {
    /// A session without an end.
    pub fn new(protocol: P) -> Self {
        Self { protocol, valid_for: None }
    }

    /// The same, whose credentials end after this time.
    pub fn valid_for(mut self, valid_for: Option<Duration>) -> Self {
        self.valid_for = valid_for;
        self
    }
}
