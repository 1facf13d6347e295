//! A stream that notices when the other side has gone silent, and that hears its last words.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::{link::Health, stream::Io};

/// A stream that fails when replies are owed and nothing has come for `limit`, as happens when a server hangs
/// or its machine is gone: the kernel would go on for some fifteen minutes.
///
/// Every failure is of one kind, [`io::ErrorKind::ConnectionAborted`]: redis-rs goes on reading after some
/// kinds of errors, and a stream that has lost bytes must not be read on.
pub(crate) struct Watched {
    inner: Box<dyn Io>,
    health: Arc<Health>,
    limit: Duration,
    silence: Silence,
    /// The kernel takes no more for now. When it does again, the other side is there.
    full: bool,
    /// Runs out when the silence may have lasted too long; reset only then, since every read would be too often.
    alarm: Pin<Box<Sleep>>,
    /// Why nothing can be written any more.
    broken: Option<io::Error>,
}

/// How long nothing has come.
#[derive(Clone, Copy)]
enum Silence {
    /// Nothing is owed.
    Expected,
    /// Something was sent then, and every request is answered by at least one byte.
    SinceSending(Instant),
    /// Something came then, when so many calls had begun. Nothing was sent since, so if one of them still waits,
    /// that was not all.
    SinceHearing(Instant, u64),
}

impl Watched {
    pub(crate) fn new(inner: Box<dyn Io>, health: Arc<Health>, limit: Duration) -> Self {
        let alarm = Box::pin(sleep(limit));
        Self { inner, health, limit, silence: Silence::Expected, full: false, alarm, broken: None }
    }

    /// Ready with an error when the silence has lasted too long; else makes sure that the task is woken when it has.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let (since, is_owed) = match self.silence {
                Silence::Expected => return Poll::Pending,
                Silence::SinceSending(since) => (since, true),
                Silence::SinceHearing(since, begun) => (since, self.health.is_waited_for(begun)),
            };
            std::task::ready!(self.alarm.as_mut().poll(cx));
            let due = since + self.limit;
            if Instant::now() < due {
                self.alarm.as_mut().reset(due);
            } else if is_owed {
                self.health.fall_silent();
                return Poll::Ready(aborted(io::ErrorKind::TimedOut.into()));
            } else {
                self.silence = Silence::Expected;
            }
        }
    }

    /// Keeps the reason why nothing can be written for the reader: a server that hangs up says why first ("max
    /// number of clients reached"), and that shall be heard before this is.
    fn break_off(&mut self, why: io::Error, cx: &Context<'_>) {
        self.broken = Some(why);
        cx.waker().wake_by_ref();
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    this.silence = Silence::SinceHearing(Instant::now(), this.health.begun());
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(aborted(why))),
            Poll::Pending => match this.broken.take() {
                Some(why) => Poll::Ready(Err(aborted(why))),
                None => this.poll_silence(cx).map(Err),
            },
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        let drained = written.is_ready() && this.full;
        this.full = written.is_pending();
        if drained || !matches!(this.silence, Silence::SinceSending(_)) {
            this.silence = Silence::SinceSending(Instant::now());
            // Only to be woken: the reader says when it has lasted too long.
            let _ = this.poll_silence(cx);
        }
        match written {
            Poll::Ready(Err(why)) => {
                this.break_off(why, cx);
                Poll::Ready(Ok(buf.len()))
            }
            written => written,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_flush(cx) {
            Poll::Ready(Err(why)) => {
                this.break_off(why, cx);
                Poll::Ready(Ok(()))
            }
            flushed => flushed,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx).map_err(aborted)
    }
}

fn aborted(why: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}
