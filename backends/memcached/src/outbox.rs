//! What is to be sent on a connection, and who waits for the replies. Callers write into it under a lock; the
//! driver takes all of it at once, so that what came together leaves together.

use std::{collections::VecDeque, mem};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::sync::oneshot;

use crate::{
    error::Failure,
    protocol::{Reply, Request},
};

/// A piece of a body of at least so many bytes is sent from where it is; a shorter one is copied next to its
/// request, which costs less than handing the kernel another piece.
const SENT_IN_PLACE: usize = 8 * 1024;

/// Requests that have not been sent yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What comes before `text`, and its length.
    pieces: Vec<Bytes>,
    in_pieces: usize,
    text: BytesMut,
    waiting: Vec<Waiting>,
    requests: usize,
    next: u32,
}

/// Who waits for the replies to one request, or to several that came together.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The number of the next request that is to be answered; those that follow have the following ones.
    next: u32,
    to: To,
}

#[derive(Debug)]
enum To {
    /// `None` once it was answered.
    One(Option<oneshot::Sender<Result<Reply, Failure>>>),
    Many(Option<oneshot::Sender<Replies>>, Collected),
}

#[derive(Debug)]
struct Collected {
    replies: Vec<Reply>,
    missing: usize,
}

/// The replies to requests that came together: all of them, or as many as there were before the connection
/// failed.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) replies: Vec<Reply>,
    pub(crate) failure: Option<Failure>,
}

impl Outbox {
    /// The number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    /// The length of it all, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.in_pieces + self.text.len()
    }

    pub(crate) fn push(&mut self, request: &Request<'_>, to: oneshot::Sender<Result<Reply, Failure>>) {
        let next = self.write(request);
        self.waiting.push(Waiting { next, to: To::One(Some(to)) });
    }

    /// Adds requests whose replies are wanted together: at least one.
    pub(crate) fn push_many<'a>(
        &mut self,
        requests: impl IntoIterator<Item = Request<'a>>,
        to: oneshot::Sender<Replies>,
    ) {
        let (next, before) = (self.next, self.requests);
        for request in requests {
            self.write(&request);
        }
        let missing = self.requests - before;
        let collected = Collected { replies: Vec::with_capacity(missing), missing };
        self.waiting.push(Waiting { next, to: To::Many(Some(to), collected) });
    }

    fn write(&mut self, request: &Request<'_>) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.requests += 1;
        if let Some(body) = request.write(number, &mut self.text) {
            for piece in [&body.head, &body.rest] {
                if piece.len() < SENT_IN_PLACE {
                    self.text.put_slice(piece);
                } else {
                    let before = self.text.split().freeze();
                    self.in_pieces += before.len() + piece.len();
                    self.pieces.extend([before, piece.clone()]);
                }
            }
            self.text.put_slice(b"\r\n");
        }
        number
    }

    /// Moves everything over: what is to be sent, and who waits. Returns the number of requests.
    pub(crate) fn take(&mut self, sending: &mut VecDeque<Bytes>, waiting: &mut VecDeque<Waiting>) -> usize {
        sending.extend(self.pieces.drain(..));
        if !self.text.is_empty() {
            sending.push_back(self.text.split().freeze());
        }
        waiting.extend(self.waiting.drain(..));
        self.in_pieces = 0;
        mem::take(&mut self.requests)
    }

    /// Gives up what has not been sent. Who waits is handed out, to be told without a lock being held.
    #[must_use]
    pub(crate) fn give_up(&mut self) -> Vec<Waiting> {
        self.pieces.clear();
        self.text.clear();
        self.in_pieces = 0;
        self.requests = 0;
        mem::take(&mut self.waiting)
    }
}

impl Waiting {
    /// The number of the request whose reply is next.
    pub(crate) fn expected(&self) -> u32 {
        self.next
    }

    /// Takes the next reply, and says whether it was the last. A caller who has left does not hear of it; the
    /// reply was read all the same, which is what keeps the others in step.
    pub(crate) fn answer(&mut self, reply: Reply) -> bool {
        match &mut self.to {
            To::One(to) => {
                if let Some(to) = to.take() {
                    let _ = to.send(Ok(reply));
                }
                true
            }
            To::Many(to, collected) => {
                self.next = self.next.wrapping_add(1);
                collected.missing -= 1;
                if to.as_ref().is_some_and(|to| !to.is_closed()) {
                    collected.replies.push(reply);
                }
                let done = collected.missing == 0;
                if done && let Some(to) = to.take() {
                    let _ = to.send(Replies { replies: mem::take(&mut collected.replies), failure: None });
                }
                done
            }
        }
    }

    /// Says that no further reply will come.
    pub(crate) fn fail(self, failure: &Failure) {
        let failure = failure.clone();
        match self.to {
            To::One(Some(to)) => drop(to.send(Err(failure))),
            To::Many(Some(to), Collected { replies, .. }) => {
                drop(to.send(Replies { replies, failure: Some(failure) }));
            }
            To::One(None) | To::Many(None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_core::{
        error::Operation,
        key::{Key, Namespace, StoreKey},
    };

    use super::*;
    use crate::protocol::{Body, Mode, WireKey};

    fn key() -> WireKey {
        let namespace = Namespace::new("n", 0).unwrap();
        WireKey::new(&StoreKey::new(&namespace, &Key::new("k")), Operation::Get).unwrap()
    }

    fn sent(outbox: &mut Outbox) -> (Vec<Bytes>, VecDeque<Waiting>) {
        let (mut sending, mut waiting) = (VecDeque::new(), VecDeque::new());
        outbox.take(&mut sending, &mut waiting);
        (sending.into(), waiting)
    }

    #[test]
    fn what_came_together_is_one_piece_and_a_large_body_is_sent_from_where_it_is() {
        let (key, mut outbox) = (key(), Outbox::default());
        let large = Bytes::from(vec![b'x'; SENT_IN_PLACE]);
        let body = Body { head: Bytes::from_static(b"ab"), rest: large.clone() };
        let set = Request::Set { key: &key, mode: Mode::Set, ttl: 0, body };
        outbox.push(&Request::Get(&key), oneshot::channel().0);
        outbox.push(&set, oneshot::channel().0);
        outbox.push(&Request::Delete(&key), oneshot::channel().0);
        let bytes = outbox.bytes();
        let (pieces, waiting) = sent(&mut outbox);
        assert_eq!(pieces[0], "mg n:k v O0\r\nms n:k 8194 T0 O1\r\nab");
        assert_eq!(pieces[1].as_ptr(), large.as_ptr());
        assert_eq!(pieces[2], "\r\nmd n:k O2\r\n");
        assert_eq!((pieces.len(), waiting.len()), (3, 3));
        assert_eq!(bytes, pieces.iter().map(Bytes::len).sum::<usize>());
        assert_eq!((outbox.bytes(), outbox.requests()), (0, 0));
    }

    #[test]
    fn replies_to_many_are_handed_over_together_and_the_numbers_wrap() {
        let (key, mut outbox) = (key(), Outbox::default());
        outbox.next = u32::MAX;
        let (to, mut from) = oneshot::channel();
        outbox.push_many([Request::Get(&key), Request::Delete(&key)], to);
        let (pieces, mut waiting) = sent(&mut outbox);
        assert_eq!(pieces[0], "mg n:k v Offffffff\r\nmd n:k O0\r\n");
        let mut waiting = waiting.pop_front().unwrap();
        assert_eq!(waiting.expected(), u32::MAX);
        assert!(!waiting.answer(Reply::Absent));
        assert_eq!(waiting.expected(), 0);
        from.try_recv().unwrap_err();
        assert!(waiting.answer(Reply::Done));
        let Replies { replies, failure } = from.try_recv().unwrap();
        assert_eq!((replies, failure), (vec![Reply::Absent, Reply::Done], None));
    }

    #[test]
    fn a_failure_leaves_the_replies_that_came_before_it() {
        let (key, mut outbox) = (key(), Outbox::default());
        let (to, mut from) = oneshot::channel();
        outbox.push_many([Request::Get(&key), Request::Get(&key)], to);
        let mut waiting = sent(&mut outbox).1.pop_front().unwrap();
        waiting.answer(Reply::Absent);
        waiting.fail(&Failure::unavailable("gone"));
        let Replies { replies, failure } = from.try_recv().unwrap();
        assert_eq!((replies, failure), (vec![Reply::Absent], Some(Failure::unavailable("gone"))));
    }
}
