//! What has come over a connection: whether one that has died was kept from an earlier request, and has brought nothing of the answer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper_util::client::legacy::{
    Error,
    connect::{Connected, Connection},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of a connection, by whoever has used it.
#[derive(Debug, Clone, Default)]
struct Traffic(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Something was written after something had been read: this is not its first request.
    is_kept: AtomicBool,
    /// Something was read since something was written last.
    has_answered: AtomicBool,
}

/// A connection whose traffic is known.
#[derive(Debug)]
pub(super) struct Known<S> {
    stream: S,
    traffic: Traffic,
}

impl<S> Known<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, traffic: Traffic::default() }
    }

    fn wrote(&self) {
        let state = &self.traffic.0;
        if state.has_answered.swap(false, Ordering::Relaxed) {
            state.is_kept.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether the connection was kept from an earlier request, and has ended before anything of the answer came.
pub(super) fn died_while_kept(error: &Error) -> bool {
    let mut extensions = http::Extensions::new();
    error.connect_info().into_iter().for_each(|connected| connected.get_extras(&mut extensions));
    extensions.get::<Traffic>().is_some_and(|Traffic(state)| {
        state.is_kept.load(Ordering::Relaxed) && !state.has_answered.load(Ordering::Relaxed)
    })
}

impl<S> Connection for Known<S> {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.traffic.clone())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Known<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.traffic.0.has_answered.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Known<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wrote();
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wrote();
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
