//! Who waits for replies: the line of a connection, first come first served.

use std::{mem, vec};

use tokio::sync::oneshot;

use crate::{
    failure::Failure,
    protocol::{Event, Protocol},
};

/// Where the reply to one request goes.
pub(crate) type Caller<P> = oneshot::Sender<Result<<P as Protocol>::Reply, Failure>>;

/// The replies to requests that were made together, or the parts of one reply: all of them, or as many as had come before
/// the connection failed.
#[derive(Debug)]
pub struct Replies<R> {
    /// The replies, in the order of the requests.
    pub replies: Vec<R>,
    /// Why those that are missing are.
    pub failure: Option<Failure>,
}

/// A place in the line.
#[derive(Debug)]
pub(crate) struct Waiting<P: Protocol> {
    expected: P::Expected,
    to: To<P>,
}

#[derive(Debug)]
enum To<P: Protocol> {
    One(Option<Caller<P>>),
    /// Several requests; one caller receives all the replies.
    Together {
        expected: vec::IntoIter<P::Expected>,
        got: Vec<P::Reply>,
        to: Option<oneshot::Sender<Replies<P::Reply>>>,
    },
    /// One request; one caller receives all the parts of its reply.
    Parts {
        got: Vec<P::Reply>,
        /// How many parts the reply has, if that is known before it comes.
        wanted: Option<usize>,
        missing: Option<usize>,
        to: Option<oneshot::Sender<Replies<P::Reply>>>,
    },
    /// One request; each of these callers receives a part of its reply.
    Each {
        to: vec::IntoIter<Caller<P>>,
        begun: bool,
        part: fn(P::Reply) -> P::Reply,
    },
}

/// What an event meant for the first in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Answered {
    /// How many requests have their replies now.
    pub(crate) requests: usize,
    /// Whether the place is served.
    pub(crate) is_done: bool,
}

impl<P: Protocol> Waiting<P> {
    pub(crate) fn one(expected: P::Expected, to: Caller<P>) -> Self {
        Self { expected, to: To::One(Some(to)) }
    }

    /// `expected` has at least one element.
    pub(crate) fn together(
        expected: Vec<P::Expected>,
        to: oneshot::Sender<Replies<P::Reply>>,
    ) -> Option<Self> {
        let got = Vec::with_capacity(expected.len());
        let mut expected = expected.into_iter();
        Some(Self { expected: expected.next()?, to: To::Together { expected, got, to: Some(to) } })
    }

    /// `wanted`: how many parts the reply has, if that is known.
    pub(crate) fn parts(
        expected: P::Expected,
        wanted: Option<usize>,
        to: oneshot::Sender<Replies<P::Reply>>,
    ) -> Self {
        Self { expected, to: To::Parts { got: Vec::new(), wanted, missing: None, to: Some(to) } }
    }

    pub(crate) fn each(expected: P::Expected, to: Vec<Caller<P>>, part: fn(P::Reply) -> P::Reply) -> Self {
        Self { expected, to: To::Each { to: to.into_iter(), begun: false, part } }
    }

    /// Takes what came next. A caller who has left does not hear of it; the reply was read all the same, which is what keeps
    /// the others in step.
    ///
    /// # Errors
    /// It does not belong here.
    pub(crate) fn answer(&mut self, protocol: &mut P, event: Event<P::Reply>) -> Result<Answered, Failure> {
        let reply = match event {
            Event::Reply(reply) => reply,
            Event::Parts(parts) => return self.begin(parts),
        };
        match &mut self.to {
            To::One(to) => {
                protocol.check(self.expected, &reply)?;
                if let Some(to) = to.take() {
                    let _ = to.send(Ok(reply));
                }
                Ok(Answered { requests: 1, is_done: true })
            }
            To::Together { expected, got, to } => {
                protocol.check(self.expected, &reply)?;
                // Nobody wants them any more.
                if to.as_ref().is_some_and(|to| !to.is_closed()) {
                    got.push(reply);
                }
                match expected.next() {
                    Some(next) => {
                        self.expected = next;
                        Ok(Answered { requests: 1, is_done: false })
                    }
                    None => Ok(self.finish(1)),
                }
            }
            To::Parts { missing: None, got, .. } => {
                // An error in place of the parts, as the protocol's check has to allow.
                protocol.check(self.expected, &reply)?;
                got.push(reply);
                Ok(self.finish(1))
            }
            To::Parts { missing: Some(missing), got, to, .. } => {
                protocol.check(self.expected, &reply)?;
                *missing -= 1;
                let is_last = *missing == 0;
                if to.as_ref().is_some_and(|to| !to.is_closed()) {
                    got.push(reply);
                }
                Ok(if is_last { self.finish(1) } else { Answered::default() })
            }
            To::Each { begun: false, to, .. } => {
                protocol.check(self.expected, &reply)?;
                let requests = to.len();
                to.for_each(|to| drop(to.send(Ok(reply.clone()))));
                Ok(Answered { requests, is_done: true })
            }
            To::Each { begun: true, to, part } => {
                protocol.check(self.expected, &reply)?;
                if let Some(to) = to.next() {
                    let _ = to.send(Ok(part(reply)));
                }
                Ok(Answered { requests: 1, is_done: to.len() == 0 })
            }
        }
    }

    /// A reply of several parts begins.
    fn begin(&mut self, parts: usize) -> Result<Answered, Failure> {
        match &mut self.to {
            To::Parts { missing: missing @ None, wanted, got, .. } if wanted.is_none_or(|it| it == parts) => {
                // Not for all at once: it is the server who says how many there are.
                got.reserve(parts.min(1024));
                *missing = Some(parts);
                Ok(if parts == 0 { self.finish(1) } else { Answered::default() })
            }
            To::Each { to, begun: begun @ false, .. } if to.len() == parts => {
                *begun = true;
                Ok(Answered::default())
            }
            _ => Err(Failure::protocol(format!(
                "the server sent a reply of {parts} parts that does not fit the request"
            ))),
        }
    }

    /// Hands over what was collected.
    fn finish(&mut self, requests: usize) -> Answered {
        if let To::Together { got, to, .. } | To::Parts { got, to, .. } = &mut self.to
            && let Some(to) = to.take()
        {
            let _ = to.send(Replies { replies: mem::take(got), failure: None });
        }
        Answered { requests, is_done: true }
    }

    /// Says that no further reply will come.
    pub(crate) fn fail(self, failure: &Failure) {
        match self.to {
            To::One(Some(to)) => drop(to.send(Err(failure.clone()))),
            To::Together { got, to: Some(to), .. } | To::Parts { got, to: Some(to), .. } => {
                drop(to.send(Replies { replies: got, failure: Some(failure.clone()) }));
            }
            To::One(None) | To::Together { to: None, .. } | To::Parts { to: None, .. } => {}
            To::Each { to, .. } => to.for_each(|to| drop(to.send(Err(failure.clone())))),
        }
    }
}
