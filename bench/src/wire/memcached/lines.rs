//! The order of requests and replies: who waits for what.

use std::{collections::VecDeque, io, mem};

use bytes::BytesMut;
use tokio::sync::oneshot;

use super::super::connection::Protocol;
use super::Value;
use super::reply::{Reply, parse, unexpected};

/// What callers leave: encoded commands with who waits for them, and keys to be collected with theirs.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) commands: Vec<u8>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) keys: Keys,
    pub(super) readers: Vec<oneshot::Sender<Value>>,
}

/// A place in the line of replies.
pub(super) enum Waiting {
    Value(oneshot::Sender<Value>),
    /// Readers that share one `get`; each is answered as its own value arrives.
    Collected {
        asked: Keys,
        readers: std::vec::IntoIter<oneshot::Sender<Value>>,
    },
    Many {
        asked: Keys,
        got: Vec<Value>,
        to: oneshot::Sender<Vec<Value>>,
    },
    Done {
        left: usize,
        to: oneshot::Sender<()>,
    },
}

/// The keys of a `get`, each with a space before it as they are sent. The server leaves out what it does not have, so they
/// are kept to find out what that was.
#[derive(Default)]
pub(super) struct Keys {
    text: Vec<u8>,
    /// Up to where they have been answered.
    answered: usize,
}

impl Keys {
    pub(super) fn push(&mut self, key: &[u8]) {
        self.text.push(b' ');
        self.text.extend_from_slice(key);
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"get");
        out.extend_from_slice(&self.text);
        out.extend_from_slice(b"\r\n");
    }

    /// The next key that was asked for.
    fn next(&mut self) -> Option<&[u8]> {
        let rest = self.text.get(self.answered + 1..)?;
        let length = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        self.answered += 1 + length;
        Some(&rest[..length])
    }
}

/// The protocol: requests in line.
#[derive(Default)]
pub(super) struct Lines {
    line: VecDeque<Waiting>,
}

impl Protocol for Lines {
    type Queue = Queue;

    fn take(&mut self, queue: &mut Queue, out: &mut Vec<u8>) {
        mem::swap(&mut queue.commands, out);
        self.line.append(&mut queue.waiting);
        if !queue.readers.is_empty() {
            let asked = mem::take(&mut queue.keys);
            asked.put(out);
            let room = queue.readers.len();
            let readers = mem::replace(&mut queue.readers, Vec::with_capacity(room));
            self.line.push_back(Waiting::Collected { asked, readers: readers.into_iter() });
        }
    }

    fn receive(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let mut answered = 0;
        while let Some(reply) = parse(input)? {
            answered += self.answer(reply)?;
        }
        Ok(answered)
    }
}

impl Lines {
    /// Gives a reply to the head of the line. Returns how many callers have their answer by it.
    fn answer(&mut self, reply: Reply) -> io::Result<usize> {
        // A receiver that is gone wants no answer, so failing to send is no error.
        match (self.line.front_mut(), reply) {
            (Some(Waiting::Value(_)), Reply::Value(value)) => {
                if let Some(Waiting::Value(to)) = self.line.pop_front() {
                    let _ = to.send(value);
                }
                Ok(1)
            }
            (Some(Waiting::Collected { asked, readers }), Reply::Keyed(key, value)) => {
                let mut answered = 0;
                loop {
                    let is_this =
                        asked.next().ok_or_else(|| unexpected("a key that was not asked for"))? == key;
                    answered += 1;
                    let Some(reader) = readers.next() else { continue };
                    if is_this {
                        let _ = reader.send(Some(value));
                        return Ok(answered);
                    }
                    let _ = reader.send(None);
                }
            }
            (Some(Waiting::Many { asked, got, .. }), Reply::Keyed(key, value)) => loop {
                if asked.next().ok_or_else(|| unexpected("a key that was not asked for"))? == key {
                    got.push(Some(value));
                    return Ok(0);
                }
                got.push(None);
            },
            (Some(Waiting::Collected { .. } | Waiting::Many { .. }), Reply::End) => Ok(self.end()),
            (Some(Waiting::Done { left, .. }), Reply::Stored) => {
                *left -= 1;
                let is_last = *left == 0;
                if is_last && let Some(Waiting::Done { to, .. }) = self.line.pop_front() {
                    let _ = to.send(());
                }
                Ok(usize::from(is_last))
            }
            _ => Err(unexpected("a reply of another kind")),
        }
    }

    /// The end of the `get` at the head of the line: what has no value yet was not there.
    fn end(&mut self) -> usize {
        match self.line.pop_front() {
            Some(Waiting::Collected { readers, .. }) => {
                let missing = readers.len();
                for reader in readers {
                    let _ = reader.send(None);
                }
                missing
            }
            Some(Waiting::Many { mut asked, mut got, to }) => {
                while asked.next().is_some() {
                    got.push(None);
                }
                let _ = to.send(got);
                1
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::{put_get, put_set};
    use super::*;

    /// Sends what is in the queue, and gives back the replies in pieces of this size.
    fn exchange(queue: &mut Queue, sent: &[u8], replies: &[u8], piece: usize) -> io::Result<usize> {
        let (mut lines, mut out, mut input) = (Lines::default(), Vec::new(), BytesMut::new());
        lines.take(queue, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(sent));
        let mut answered = 0;
        for piece in replies.chunks(piece) {
            input.extend_from_slice(piece);
            answered += lines.receive(&mut input)?;
        }
        assert!(lines.line.is_empty() && input.is_empty());
        Ok(answered)
    }

    #[test]
    fn replies_go_to_the_requests_in_order_however_they_arrive() {
        for piece in [1, 2, 1000] {
            let mut queue = Queue::default();
            let (one, mut done) = oneshot::channel();
            let (two, mut value) = oneshot::channel();
            let (three, mut missing) = oneshot::channel();
            put_set(&mut queue.commands, b"k", b"v", Duration::from_secs(60));
            put_get(&mut queue.commands, b"k");
            put_get(&mut queue.commands, b"l");
            let waiting = [Waiting::Done { left: 1, to: one }, Waiting::Value(two), Waiting::Value(three)];
            queue.waiting.extend(waiting);
            let sent = b"ms k 1 T60\r\nv\r\nmg k v\r\nmg l v\r\n";
            let replies = b"HD\r\nVA 4\r\nr\r\nx\r\nEN\r\n";
            assert_eq!(exchange(&mut queue, sent, replies, piece).unwrap(), 3);
            assert!(done.try_recv().is_ok());
            assert_eq!(value.try_recv().unwrap().unwrap(), "r\r\nx");
            assert_eq!(missing.try_recv().unwrap(), None);
        }
    }

    #[test]
    fn of_many_keys_each_gets_its_own_value_though_others_are_left_out() {
        for piece in [1, 5, 1000] {
            let (mut queue, mut waiting) = (Queue::default(), Vec::new());
            for key in [b"a", b"b", b"b", b"c", b"d"] {
                let (to, from) = oneshot::channel();
                queue.keys.push(key);
                queue.readers.push(to);
                waiting.push(from);
            }
            let sent = b"get a b b c d\r\n";
            let replies = b"VALUE b 0 1\r\n1\r\nVALUE b 0 1\r\n1\r\nVALUE c 0 4\r\n\r\n23\r\nEND\r\n";
            assert_eq!(exchange(&mut queue, sent, replies, piece).unwrap(), 5);
            let got: Vec<Value> = waiting.iter_mut().map(|from| from.try_recv().unwrap()).collect();
            let (one, two) = (Some(Bytes::from_static(b"1")), Some(Bytes::from_static(b"\r\n23")));
            assert_eq!(got, [None, one.clone(), one, two, None]);
        }
    }

    #[test]
    fn errors_and_strange_replies_end_the_connection() {
        for bytes in ["SERVER_ERROR out of memory\r\n", "VA x\r\n", "HD\r\n", "END\r\n", "VALUE k 0\r\n"] {
            let (mut lines, (to, _from)) = (Lines::default(), oneshot::channel());
            lines.line.push_back(Waiting::Value(to));
            assert!(lines.receive(&mut BytesMut::from(bytes)).is_err(), "{bytes}");
        }
        let (mut lines, (to, _from)) = (Lines::default(), oneshot::channel());
        let mut asked = Keys::default();
        asked.push(b"k");
        lines.line.push_back(Waiting::Many { asked, got: Vec::new(), to });
        assert!(lines.receive(&mut BytesMut::from("VALUE other 0 1\r\nv\r\n")).is_err());
    }
}
