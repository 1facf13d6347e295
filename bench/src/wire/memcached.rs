//! Memcached's meta protocol over one connection: what waits leaves in one write.
//!
//! Replies come in the order of the requests, so no opaque is sent to tell them apart, and no reply is suppressed: a quiet
//! hit costs the same bytes, and quiet writes would need an `mn` to know when they are done.

use std::{collections::VecDeque, io, mem, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{net::ToSocketAddrs, sync::oneshot};

use super::{
    connection::{Connection, Protocol},
    put_number,
};

/// A value, or that there is none.
type Value = Option<Bytes>;

/// A client of one Memcached server. Share it by reference.
pub(crate) struct MemcachedClient {
    connection: Connection<Meta>,
}

impl MemcachedClient {
    /// Connects.
    pub(crate) async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(address, Meta::default()).await? })
    }

    /// `mg`.
    pub(crate) async fn get(&self, key: &[u8]) -> io::Result<Value> {
        self.connection
            .call(|queue, to| {
                put_get(&mut queue.commands, key);
                queue.waiting.push_back(Waiting::Value(to));
            })
            .await
    }

    /// `ms`, with a time to live in whole seconds.
    pub(crate) async fn set(&self, key: &[u8], value: &[u8], ttl: Duration) -> io::Result<()> {
        self.connection
            .call(|queue, to| {
                put_set(&mut queue.commands, key, value, ttl);
                queue.waiting.push_back(Waiting::Done { left: 1, to });
            })
            .await
    }

    /// As many `mg`s, in one piece: the values in the order of the keys.
    pub(crate) async fn get_many(&self, keys: &[impl AsRef<[u8]>]) -> io::Result<Vec<Value>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.connection
            .call(|queue, to| {
                keys.iter().for_each(|key| put_get(&mut queue.commands, key.as_ref()));
                let got = Vec::with_capacity(keys.len());
                queue.waiting.push_back(Waiting::Many { left: keys.len(), got, to });
            })
            .await
    }

    /// As many `ms`s, in one piece.
    pub(crate) async fn set_many(
        &self,
        items: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        ttl: Duration,
    ) -> io::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        self.connection
            .call(|queue, to| {
                for (key, value) in items {
                    put_set(&mut queue.commands, key.as_ref(), value.as_ref(), ttl);
                }
                queue.waiting.push_back(Waiting::Done { left: items.len(), to });
            })
            .await
    }
}

/// What callers leave: encoded commands, and who waits for them.
#[derive(Default)]
struct Queue {
    commands: Vec<u8>,
    waiting: VecDeque<Waiting>,
}

/// A place in the line of replies.
enum Waiting {
    Value(oneshot::Sender<Value>),
    Many { left: usize, got: Vec<Value>, to: oneshot::Sender<Vec<Value>> },
    Done { left: usize, to: oneshot::Sender<()> },
}

/// The protocol: requests in line.
#[derive(Default)]
struct Meta {
    line: VecDeque<Waiting>,
}

enum Reply {
    Value(Value),
    Stored,
}

impl Protocol for Meta {
    type Queue = Queue;

    fn take(&mut self, queue: &mut Queue, out: &mut Vec<u8>) {
        mem::swap(&mut queue.commands, out);
        self.line.append(&mut queue.waiting);
    }

    fn receive(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let mut answered = 0;
        while let Some(reply) = parse(input)? {
            answered += usize::from(self.answer(reply)?);
        }
        Ok(answered)
    }
}

impl Meta {
    /// Gives a reply to the head of the line. Returns whether a caller has its answer.
    fn answer(&mut self, reply: Reply) -> io::Result<bool> {
        let is_last = match (self.line.front_mut(), &reply) {
            (Some(Waiting::Value(_)), Reply::Value(_)) => true,
            (Some(Waiting::Many { left, .. }), Reply::Value(_))
            | (Some(Waiting::Done { left, .. }), Reply::Stored) => {
                *left -= 1;
                *left == 0
            }
            _ => return Err(unexpected("a reply of another kind")),
        };
        if let (Some(Waiting::Many { got, .. }), Reply::Value(value)) = (self.line.front_mut(), &reply) {
            got.push(value.clone());
        }
        if !is_last {
            return Ok(false);
        }
        // A receiver that is gone wants no answer, so failing to send is no error.
        match (self.line.pop_front(), reply) {
            (Some(Waiting::Value(to)), Reply::Value(value)) => drop(to.send(value)),
            (Some(Waiting::Many { got, to, .. }), _) => drop(to.send(got)),
            (Some(Waiting::Done { to, .. }), _) => drop(to.send(())),
            _ => {}
        }
        Ok(true)
    }
}

/// Takes one reply off the input, if it is there as a whole.
fn parse(input: &mut BytesMut) -> io::Result<Option<Reply>> {
    let Some(end) = input.iter().position(|&byte| byte == b'\r') else { return Ok(None) };
    let head = end + 2;
    if input.len() < head {
        return Ok(None);
    }
    let reply = match &input[..end] {
        b"EN" => Reply::Value(None),
        b"HD" => Reply::Stored,
        [b'V', b'A', b' ', digits @ ..] => {
            let length = length(digits).ok_or_else(|| unexpected("a length that is no number"))?;
            if input.len() < head + length + 2 {
                return Ok(None);
            }
            input.advance(head);
            let value = input.split_to(length).freeze();
            input.advance(2);
            return Ok(Some(Reply::Value(Some(value))));
        }
        other => return Err(unexpected(&String::from_utf8_lossy(other))),
    };
    input.advance(head);
    Ok(Some(reply))
}

fn length(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim_end().parse().ok()
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Memcached answered: {what}"))
}

fn put_get(out: &mut Vec<u8>, key: &[u8]) {
    out.extend_from_slice(b"mg ");
    out.extend_from_slice(key);
    out.extend_from_slice(b" v\r\n");
}

fn put_set(out: &mut Vec<u8>, key: &[u8], value: &[u8], ttl: Duration) {
    out.extend_from_slice(b"ms ");
    out.extend_from_slice(key);
    out.push(b' ');
    put_number(out, value.len());
    out.extend_from_slice(b" T");
    // The server reads more than 30 days as a date; the rows use an hour.
    put_number(out, usize::try_from(ttl.as_secs()).unwrap_or(usize::MAX));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_to_the_requests_in_order_however_they_arrive() {
        for piece in [1, 2, 1000] {
            let (mut meta, mut queue, mut out) = (Meta::default(), Queue::default(), Vec::new());
            let (one, mut done) = oneshot::channel();
            let (two, mut many) = oneshot::channel();
            put_set(&mut queue.commands, b"k", b"v", Duration::from_secs(60));
            put_get(&mut queue.commands, b"k");
            queue.waiting.push_back(Waiting::Done { left: 1, to: one });
            queue.waiting.push_back(Waiting::Many { left: 2, got: Vec::new(), to: two });
            meta.take(&mut queue, &mut out);
            assert_eq!(out, b"ms k 1 T60\r\nv\r\nmg k v\r\n");
            let mut input = BytesMut::new();
            let mut answered = 0;
            for piece in b"HD\r\nVA 4\r\nr\r\nx\r\nEN\r\n".chunks(piece) {
                input.extend_from_slice(piece);
                answered += meta.receive(&mut input).unwrap();
            }
            assert_eq!(answered, 2);
            assert!(done.try_recv().is_ok());
            assert_eq!(many.try_recv().unwrap(), [Some(Bytes::from_static(b"r\r\nx")), None]);
            assert!(meta.line.is_empty());
        }
    }

    #[test]
    fn errors_and_strange_replies_end_the_connection() {
        for bytes in ["SERVER_ERROR out of memory\r\n", "VA x\r\n", "HD\r\n"] {
            let (mut meta, (to, _from)) = (Meta::default(), oneshot::channel());
            meta.line.push_back(Waiting::Value(to));
            assert!(meta.receive(&mut BytesMut::from(bytes)).is_err(), "{bytes}");
        }
    }
}
