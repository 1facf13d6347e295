//! Memcached over one connection: the meta protocol for one key, a `get` of the text protocol for many.
//!
//! Replies come in the order of the requests, so no opaque is sent to distinguish them. No reply is suppressed: a quiet hit
//! costs the same bytes, and quiet writes would need an `mn` to know when they are done.
//!
//! A hundred `mg`s in one piece cost the server more than one `get` of a hundred keys: after every 20 requests of a
//! connection (its option `-R`) it sends what it has and serves the other connections, so five times for the hundred
//! (`conn_yields` in `stats`). A `get` is one request, however many keys it has. So many keys leave as one `get`, and so do
//! single reads where the client `collects`.

mod lines;
mod reply;

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::net::ToSocketAddrs;

use self::lines::{Keys, Lines, Waiting};
use super::{connection::Connection, put_number};

/// A value, or that there is none.
type Value = Option<Bytes>;

/// A client of one Memcached server. Share it by reference.
pub(crate) struct MemcachedClient {
    connection: Connection<Lines>,
    collects: bool,
}

impl MemcachedClient {
    /// Connects. Where it `collects`, single reads that wait at the same time leave as one `get`.
    pub(crate) async fn connect(address: impl ToSocketAddrs, collects: bool) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(address, Lines::default()).await?, collects })
    }

    /// `mg`, or a part of a `get`.
    pub(crate) async fn get(&self, key: &[u8]) -> io::Result<Value> {
        let collects = self.collects;
        self.connection
            .call(|queue, to| {
                if collects {
                    queue.keys.push(key);
                    queue.readers.push(to);
                } else {
                    put_get(&mut queue.commands, key);
                    queue.waiting.push_back(Waiting::Value(to));
                }
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

    /// `get` of many keys: the values in the order of the keys.
    pub(crate) async fn get_many(&self, keys: &[impl AsRef<[u8]>]) -> io::Result<Vec<Value>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.connection
            .call(|queue, to| {
                let mut asked = Keys::default();
                for key in keys {
                    asked.push(key.as_ref());
                }
                asked.put(&mut queue.commands);
                let got = Vec::with_capacity(keys.len());
                queue.waiting.push_back(Waiting::Many { asked, got, to });
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
