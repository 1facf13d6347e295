//! Redis over one connection: `GET` by `GET`, or with what waits collected into one `MGET`.

use std::{collections::VecDeque, io, mem, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{net::ToSocketAddrs, sync::oneshot};

use super::connection::{Connection, Protocol};

/// A value, or that there is none.
type Value = Option<Bytes>;

/// A client of one Redis server. Share it by reference.
pub(crate) struct RedisClient {
    connection: Connection<Resp>,
    collects: bool,
}

impl RedisClient {
    /// Connects. Where it `collects`, single reads that wait at the same time leave as one `MGET`.
    pub(crate) async fn connect(address: impl ToSocketAddrs, collects: bool) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(address, Resp::default()).await?, collects })
    }

    /// `GET`.
    pub(crate) async fn get(&self, key: &[u8]) -> io::Result<Value> {
        let collects = self.collects;
        self.connection
            .call(|queue, to| {
                if collects {
                    put_bulk(&mut queue.keys, key);
                    queue.readers.push(to);
                } else {
                    queue.commands.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
                    put_bulk(&mut queue.commands, key);
                    queue.waiting.push_back(Waiting::Value(to));
                }
            })
            .await
    }

    /// `SET` with `PX`.
    pub(crate) async fn set(&self, key: &[u8], value: &[u8], ttl: Duration) -> io::Result<()> {
        self.connection
            .call(|queue, to| {
                put_set(&mut queue.commands, key, value, ttl);
                queue.waiting.push_back(Waiting::Done { left: 1, to });
            })
            .await
    }

    /// `MGET`: the values in the order of the keys.
    pub(crate) async fn get_many(&self, keys: &[impl AsRef<[u8]>]) -> io::Result<Vec<Value>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.connection
            .call(|queue, to| {
                put_head(&mut queue.commands, b'*', keys.len() + 1);
                put_bulk(&mut queue.commands, b"MGET");
                for key in keys {
                    put_bulk(&mut queue.commands, key.as_ref());
                }
                queue.waiting.push_back(Waiting::Many { got: Vec::with_capacity(keys.len()), to });
            })
            .await
    }

    /// As many `SET`s, in one piece.
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

/// What callers leave: encoded commands with who waits for them, and keys to be collected with theirs.
#[derive(Default)]
struct Queue {
    commands: Vec<u8>,
    waiting: VecDeque<Waiting>,
    keys: Vec<u8>,
    readers: Vec<oneshot::Sender<Value>>,
}

/// A place in the line of replies.
enum Waiting {
    Value(oneshot::Sender<Value>),
    /// Readers that share one `MGET`; each is answered as its own value arrives.
    Collected(std::vec::IntoIter<oneshot::Sender<Value>>),
    Many {
        got: Vec<Value>,
        to: oneshot::Sender<Vec<Value>>,
    },
    Done {
        left: usize,
        to: oneshot::Sender<()>,
    },
}

/// The protocol, RESP 2: requests in line, and how much of an array is still to come.
#[derive(Default)]
struct Resp {
    line: VecDeque<Waiting>,
    /// How many elements of the array at the head of the line are missing.
    elements: usize,
}

/// One reply, or one element of an array.
enum Reply {
    Value(Value),
    Array(usize),
    Status,
}

impl Protocol for Resp {
    type Queue = Queue;

    fn take(&mut self, queue: &mut Queue, out: &mut Vec<u8>) {
        mem::swap(&mut queue.commands, out);
        self.line.append(&mut queue.waiting);
        if !queue.readers.is_empty() {
            put_head(out, b'*', queue.readers.len() + 1);
            put_bulk(out, b"MGET");
            out.append(&mut queue.keys);
            let room = queue.readers.len();
            let readers = mem::replace(&mut queue.readers, Vec::with_capacity(room));
            self.line.push_back(Waiting::Collected(readers.into_iter()));
        }
    }

    fn receive(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let mut answered = 0;
        while let Some(reply) = parse(input)? {
            answered += usize::from(self.answer(reply)?);
        }
        Ok(answered)
    }
}

impl Resp {
    /// Gives a reply to the head of the line. Returns whether a caller has its answer.
    fn answer(&mut self, reply: Reply) -> io::Result<bool> {
        // A receiver that is gone wants no answer, so failing to send is no error.
        match (self.line.front_mut(), reply) {
            (Some(Waiting::Collected(_) | Waiting::Many { .. }), Reply::Array(elements))
                if self.elements == 0 =>
            {
                self.elements = elements;
                Ok(false)
            }
            (Some(Waiting::Collected(readers)), Reply::Value(value)) if self.elements > 0 => {
                if let Some(reader) = readers.next() {
                    let _ = reader.send(value);
                }
                self.element();
                Ok(true)
            }
            (Some(Waiting::Many { got, .. }), Reply::Value(value)) if self.elements > 0 => {
                got.push(value);
                Ok(self.element())
            }
            (Some(Waiting::Value(_)), Reply::Value(value)) => {
                if let Some(Waiting::Value(to)) = self.line.pop_front() {
                    let _ = to.send(value);
                }
                Ok(true)
            }
            (Some(Waiting::Done { left, .. }), Reply::Status) => {
                *left -= 1;
                let is_done = *left == 0;
                if is_done && let Some(Waiting::Done { to, .. }) = self.line.pop_front() {
                    let _ = to.send(());
                }
                Ok(is_done)
            }
            _ => Err(unexpected("a reply of another kind")),
        }
    }

    /// Counts one element of the array at the head of the line. Returns whether it was the last.
    fn element(&mut self) -> bool {
        self.elements -= 1;
        if self.elements > 0 {
            return false;
        }
        if let Some(Waiting::Many { got, to }) = self.line.pop_front() {
            let _ = to.send(got);
        }
        true
    }
}

/// Takes one reply from the input, if all of it has arrived.
fn parse(input: &mut BytesMut) -> io::Result<Option<Reply>> {
    let Some(end) = input.iter().position(|&byte| byte == b'\r') else { return Ok(None) };
    if input.len() < end + 2 {
        return Ok(None);
    }
    let head = end + 2;
    let (kind, rest) = (input[0], &input[1..end]);
    let reply = match (kind, rest) {
        (b'$', b"-1") => Reply::Value(None),
        (b'$', _) => {
            let length = number(rest)?;
            if input.len() < head + length + 2 {
                return Ok(None);
            }
            input.advance(head);
            let value = input.split_to(length).freeze();
            input.advance(2);
            return Ok(Some(Reply::Value(Some(value))));
        }
        (b'*', _) => Reply::Array(number(rest)?),
        (b'+', _) => Reply::Status,
        _ => return Err(unexpected(&String::from_utf8_lossy(&input[..end]))),
    };
    input.advance(head);
    Ok(Some(reply))
}

fn number(digits: &[u8]) -> io::Result<usize> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| unexpected("a length that is no number"))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Redis answered: {what}"))
}

fn put_set(out: &mut Vec<u8>, key: &[u8], value: &[u8], ttl: Duration) {
    out.extend_from_slice(b"*5\r\n$3\r\nSET\r\n");
    put_bulk(out, key);
    put_bulk(out, value);
    out.extend_from_slice(b"$2\r\nPX\r\n");
    let millis = usize::try_from(ttl.as_millis()).unwrap_or(usize::MAX);
    put_head(out, b'$', digits(millis));
    super::put_number(out, millis);
    out.extend_from_slice(b"\r\n");
}

fn put_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    put_head(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// How many digits a number has.
fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A kind of reply or argument, and a number: `$1024`.
fn put_head(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    super::put_number(out, number);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts bytes in as they come from a server, in pieces of this size, and returns how many callers were answered.
    fn feed(resp: &mut Resp, bytes: &[u8], piece: usize) -> io::Result<usize> {
        let mut input = BytesMut::new();
        let mut answered = 0;
        for piece in bytes.chunks(piece) {
            input.extend_from_slice(piece);
            answered += resp.receive(&mut input)?;
        }
        Ok(answered)
    }

    #[test]
    fn readers_that_wait_leave_as_one_mget_and_each_gets_its_own_value() {
        for piece in [1, 3, 1000] {
            let (mut resp, mut queue, mut out) = (Resp::default(), Queue::default(), Vec::new());
            let (one, mut first) = oneshot::channel();
            let (two, mut second) = oneshot::channel();
            put_bulk(&mut queue.keys, b"a");
            put_bulk(&mut queue.keys, b"bc");
            queue.readers.extend([one, two]);
            resp.take(&mut queue, &mut out);
            assert_eq!(out, b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$2\r\nbc\r\n");
            assert_eq!(feed(&mut resp, b"*2\r\n$4\r\nr\r\nx\r\n$-1\r\n", piece).unwrap(), 2);
            assert_eq!(first.try_recv().unwrap().unwrap(), "r\r\nx");
            assert_eq!(second.try_recv().unwrap(), None);
            assert!(resp.line.is_empty());
        }
    }

    #[test]
    fn replies_go_to_the_requests_in_order() {
        let (mut resp, mut queue, mut out) = (Resp::default(), Queue::default(), Vec::new());
        let (one, mut done) = oneshot::channel();
        let (two, mut value) = oneshot::channel();
        put_set(&mut queue.commands, b"k", b"v", Duration::from_secs(60));
        queue.waiting.push_back(Waiting::Done { left: 1, to: one });
        queue.waiting.push_back(Waiting::Value(two));
        resp.take(&mut queue, &mut out);
        assert_eq!(out, b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$5\r\n60000\r\n");
        assert_eq!(feed(&mut resp, b"+OK\r\n$1\r\nv\r\n", 2).unwrap(), 2);
        assert!(done.try_recv().is_ok());
        assert_eq!(value.try_recv().unwrap().unwrap(), "v");
    }

    #[test]
    fn errors_and_strange_replies_end_the_connection() {
        for bytes in [&b"-ERR no\r\n"[..], b"$x\r\n", b"+OK\r\n"] {
            let (mut resp, (to, _from)) = (Resp::default(), oneshot::channel());
            resp.line.push_back(Waiting::Value(to));
            assert!(feed(&mut resp, bytes, 100).is_err());
        }
    }
}
