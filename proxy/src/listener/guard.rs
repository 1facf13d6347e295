//! A connection whose bytes are read strictly before the server sees them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::scanner::Scanner;

/// What no server takes for a request, nor for a chunk: a zero byte, and the end of a head, for which servers wait before
/// they look.
const POISON: &[u8] = b"\0\r\n\r\n";

pin_project! {
    /// A connection of a client. Where its bytes could be taken for another request than the server would take them for,
    /// the server reads a zero byte in place of them and then the end: it answers what came before, then 400, and
    /// closes the connection.
    #[derive(Debug)]
    pub(super) struct Guard<S> {
        #[pin]
        stream: S,
        scanner: Scanner,
        // What is still to be read in place of the bytes of the client, once they are not to be trusted.
        instead: Option<&'static [u8]>,
        patience: Patience,
        // Until the first line has come.
        opening: Option<Pin<Box<Sleep>>>,
        // Since nothing can be written.
        stalled: Option<Pin<Box<Sleep>>>,
    }
}

/// How long a client may take for what the server itself does not measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the first line of the connection.
    pub(super) opening: Duration,
    /// For reading something of an answer.
    pub(super) reading: Duration,
}

impl<S> Guard<S> {
    /// Guards a new connection.
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        let opening = Some(Box::pin(sleep(patience.opening)));
        Self { stream, scanner: Scanner::new(), instead: None, patience, opening, stalled: None }
    }
}

impl<S: AsyncRead> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.instead.is_none() {
            let before = buffer.filled().len();
            let polled = this.stream.poll_read(context, buffer);
            if polled.is_pending()
                && let Some(opening) = this.opening
            {
                ready!(opening.as_mut().poll(context));
                return Poll::Ready(Err(late("no request")));
            }
            ready!(polled)?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            let found = this.scanner.scan(read);
            if this.scanner.has_begun() {
                *this.opening = None;
            }
            let Some(place) = found else { return Poll::Ready(Ok(())) };
            buffer.set_filled(before + place);
            *this.instead = Some(POISON);
        }
        if let Some(rest) = this.instead {
            let (now, later) = rest.split_at(rest.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *rest = later;
        }
        Poll::Ready(Ok(()))
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} in time"))
}

/// What came of writing; an error when nothing could be written for too long.
fn written(
    polled: Poll<io::Result<usize>>,
    stalled: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if polled.is_ready() {
        *stalled = None;
        return polled;
    }
    let waiting = stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
    ready!(waiting.as_mut().poll(context));
    Poll::Ready(Err(late("the answer was not read")))
}

/// Reads what is there already, up to a limit.
fn discard<S: AsyncRead>(mut stream: Pin<&mut S>, context: &mut Context<'_>) {
    let mut space = [0; 4096];
    for _ in 0..64 {
        let mut buffer = ReadBuf::new(&mut space);
        match stream.as_mut().poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
            _ => return,
        }
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write(context, bytes);
        written(polled, this.stalled, this.patience.reading, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let polled = this.stream.poll_write_vectored(context, slices);
        written(polled, this.stalled, this.patience.reading, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if this.instead.is_some() {
            // A connection that is closed over bytes nobody has read is reset, and the answer may be lost with it.
            discard(this.stream.as_mut(), context);
        }
        this.stream.poll_shutdown(context)
    }
}
