//! A client that mixes replies up: a pipelined connection on which a dropped call also loses its place in the queue, so that
//! its reply goes to the next caller. Several real clients have had this bug. The trial must find it.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use bytes::{Buf as _, Bytes, BytesMut};
use larder_core::{
    Backend, Entry, Error, ErrorKind, Key, Result,
    backend::{Capabilities, DeleteOptions, GetOptions, Lookup, SetOptions, TouchOptions, Written},
    envelope,
    error::Operation,
    key::{Namespace, StoreKey},
    miss::Miss,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
};

use crate::Outcome;

/// Reads over a connection of its own, and leaves everything else to a client that is in order.
#[derive(Debug)]
pub(super) struct Broken {
    inner: Arc<dyn Backend>,
    requests: UnboundedSender<Request>,
}

#[derive(Debug)]
struct Request {
    namespace: Namespace,
    key: Key,
    to: oneshot::Sender<Lookup>,
}

impl Broken {
    pub(super) async fn connect(inner: Arc<dyn Backend>, address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(drive(stream, inbox));
        Ok(Self { inner, requests })
    }
}

/// Ends with the connection; whoever still waits hears of it.
async fn drive(mut stream: TcpStream, mut inbox: UnboundedReceiver<Request>) -> std::io::Result<()> {
    let mut asked: VecDeque<(Namespace, Key)> = VecDeque::new();
    let mut waiting: VecDeque<oneshot::Sender<Lookup>> = VecDeque::new();
    let mut buffer = BytesMut::new();
    loop {
        tokio::select! {
            request = inbox.recv() => {
                let Some(Request { namespace, key, to }) = request else { return Ok(()) };
                let text = format!("{}:{}", namespace.text(), key.text());
                stream.write_all(format!("*2\r\n$3\r\nGET\r\n${}\r\n{text}\r\n", text.len()).as_bytes()).await?;
                asked.push_back((namespace, key));
                waiting.push_back(to);
            }
            read = stream.read_buf(&mut buffer) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(reply) = reply(&mut buffer) {
                    let Some((namespace, key)) = asked.pop_front() else { return Ok(()) };
                    let lookup = match &reply {
                        Some(bytes) => envelope::read(&StoreKey::new(&namespace, &key), bytes).into(),
                        None => Lookup::Miss(Miss::Absent),
                    };
                    // The bug: a reply is still to come for a call that was dropped.
                    waiting.retain(|waiting| !waiting.is_closed());
                    if let Some(first) = waiting.pop_front() {
                        let _ = first.send(lookup);
                    }
                }
            }
        }
    }
}

/// The reply at the front, if it is whole: a value, or none.
#[allow(clippy::option_option, reason = "no reply, and the reply that there is no value")]
fn reply(buffer: &mut BytesMut) -> Option<Option<Bytes>> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let length: i64 = std::str::from_utf8(&buffer[1..end]).ok()?.trim().parse().ok()?;
    let Ok(length) = usize::try_from(length) else {
        buffer.advance(end + 1);
        return Some(None);
    };
    if buffer.len() < end + 1 + length + 2 {
        return None;
    }
    buffer.advance(end + 1);
    let value = buffer.split_to(length).freeze();
    buffer.advance(2);
    Some(Some(value))
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        let (to, from) = oneshot::channel();
        let request = Request { namespace: key.namespace().clone(), key: key.key().clone(), to };
        let lost = || Error::new(ErrorKind::Unavailable, Operation::Get, "the connection was lost");
        self.requests.send(request).map_err(|_| lost())?;
        from.await.map_err(|_| lost())
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.inner.set(key, entry, options).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.inner.touch(key, options).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.inner.delete(key, options).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
