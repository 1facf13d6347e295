//! One connection and the task that owns it.
//!
//! Callers append encoded requests to a queue under a lock; the driver takes all of them at once and sends them in one
//! write. Replies come in the order of the requests. One task for both directions is woken half as often as two, and
//! after answering it lets the answered callers run first, so that their next requests share a write.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    net::{TcpStream, ToSocketAddrs},
    sync::oneshot,
    task::AbortHandle,
};

/// How much is read at once. `BytesMut` keeps a buffer's size when it makes the next one up to this size.
const READ: usize = 64 * 1024;

/// Less room than this is not worth a read.
const LEAST_ROOM: usize = 16 * 1024;

/// A protocol whose replies come in the order of its requests.
pub(super) trait Protocol: Send + 'static {
    /// What callers leave for the driver.
    type Queue: Default + Send + 'static;

    /// Moves everything out of the queue: bytes to `out`, and waiting callers to the end of the line. Called under the lock.
    fn take(&mut self, queue: &mut Self::Queue, out: &mut Vec<u8>);

    /// Takes complete replies from the input, and answers. Returns how many callers were answered.
    fn receive(&mut self, input: &mut BytesMut) -> io::Result<usize>;
}

/// The callers' end of a connection. Dropping it ends the connection.
pub(super) struct Connection<P: Protocol> {
    shared: Arc<Shared<P>>,
    driver: AbortHandle,
}

struct Shared<P: Protocol> {
    inbox: Mutex<Inbox<P>>,
}

struct Inbox<P: Protocol> {
    queue: P::Queue,
    /// Wakes the driver, unless it is awake and will look at the queue anyway.
    sleeping: Option<Waker>,
    /// Why nothing can be sent any more.
    lost: Option<Arc<io::Error>>,
}

impl<P: Protocol> Connection<P> {
    /// Connects, and starts the driver on the current runtime.
    pub(super) async fn open(address: impl ToSocketAddrs, protocol: P) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let inbox = Inbox { queue: P::Queue::default(), sleeping: None, lost: None };
        let shared = Arc::new(Shared { inbox: Mutex::new(inbox) });
        let mut driver = Driver {
            shared: Arc::clone(&shared),
            stream,
            protocol,
            input: BytesMut::with_capacity(READ),
            output: Vec::with_capacity(READ),
            sent: 0,
            has_yielded: false,
        };
        let driver = tokio::spawn(async move {
            let error = poll_fn(|cx| driver.poll(cx)).await;
            let mut inbox = driver.shared.lock();
            inbox.lost = Some(Arc::new(error));
            // Callers in the queue or in line receive an error when their senders are dropped.
            inbox.queue = P::Queue::default();
        });
        Ok(Self { shared, driver: driver.abort_handle() })
    }

    /// Puts a request into the queue and waits for the reply.
    pub(super) async fn call<T>(&self, put: impl FnOnce(&mut P::Queue, oneshot::Sender<T>)) -> io::Result<T> {
        let (sender, receiver) = oneshot::channel();
        let sleeping = {
            let mut inbox = self.shared.lock();
            if let Some(lost) = &inbox.lost {
                return Err(io::Error::other(Arc::clone(lost)));
            }
            put(&mut inbox.queue, sender);
            inbox.sleeping.take()
        };
        if let Some(driver) = sleeping {
            driver.wake();
        }
        receiver.await.map_err(|_| self.loss())
    }

    /// Why the connection was lost.
    fn loss(&self) -> io::Error {
        match &self.shared.lock().lost {
            Some(lost) => io::Error::other(Arc::clone(lost)),
            None => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl<P: Protocol> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, Inbox<P>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Protocol> Drop for Connection<P> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

struct Driver<P: Protocol> {
    shared: Arc<Shared<P>>,
    stream: TcpStream,
    protocol: P,
    input: BytesMut,
    output: Vec<u8>,
    /// How much of the output is sent.
    sent: usize,
    /// Whether the last turn was given up so that the answered callers run first.
    has_yielded: bool,
}

impl<P: Protocol> Driver<P> {
    /// One turn. Ready when the connection is lost.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let answered = self.receive(cx)?;
        if answered > 1 && !self.has_yielded {
            self.has_yielded = true;
            // A task that wakes itself goes to the end of the runtime's queue, after those that were just answered.
            cx.waker().wake_by_ref();
            return Ok(());
        }
        self.has_yielded = false;
        self.send(cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        let mut answered = 0;
        loop {
            if self.input.capacity() - self.input.len() < LEAST_ROOM {
                self.input.reserve(READ);
            }
            match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
                Poll::Pending => return Ok(answered),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(Ok(_)) => answered += self.protocol.receive(&mut self.input)?,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            while self.sent < self.output.len() {
                match Pin::new(&mut self.stream).poll_write(cx, &self.output[self.sent..]) {
                    // What comes in the meantime is taken when the socket can be written to again.
                    Poll::Pending => return Ok(()),
                    Poll::Ready(written) => self.sent += written?,
                }
            }
            self.output.clear();
            self.sent = 0;
            let mut inbox = self.shared.lock();
            self.protocol.take(&mut inbox.queue, &mut self.output);
            if self.output.is_empty() {
                if !inbox.sleeping.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    inbox.sleeping = Some(cx.waker().clone());
                }
                return Ok(());
            }
        }
    }
}
