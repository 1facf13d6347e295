//! The task that owns a socket: it sends what callers have put into the outbox, and gives each reply to whoever
//! is first in line.
//!
//! One task for both directions is woken half as often as two. What makes the difference under load is how
//! many requests share a system call: see [`Driver::gather`] and `docs/decisions/0004-memcached-driver.md`.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use larder_core::ErrorKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    time::{Instant, Sleep, sleep},
};

use crate::{
    connection::Shared,
    error::Failure,
    handshake::Session,
    outbox::Waiting,
    protocol::{Decoder, Framed, Reply},
    stream::Stream,
};

/// How many pieces are handed to the kernel at once. Each large body is one, and what lies between two.
const MAX_PIECES: usize = 64;

/// How the service of a connection ended.
pub(crate) enum End {
    /// Its owner closed it, and everything that was asked has been answered.
    Closed,
    /// It was lost.
    Lost {
        failure: Failure,
        /// Whether it answered anything: a server that hangs up on every connection is as good as down.
        answered: bool,
    },
}

/// Serves a connection until it is closed or lost. Whoever still waits for a reply then is told.
pub(crate) async fn drive(shared: &Arc<Shared>, session: Session) -> End {
    let mut driver = Driver {
        shared,
        stream: session.stream,
        decoder: Decoder::new(session.max_value),
        echoes_misses: session.echoes_misses,
        sending: VecDeque::new(),
        waiting: VecDeque::new(),
        in_flight: 0,
        answered: false,
        gathering: false,
        unflushed: false,
        broken: None,
        heard: Instant::now(),
        alarm: Box::pin(sleep(shared.server.settings.response_timeout)),
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    match end {
        None => End::Closed,
        Some(failure) => {
            let failure = failure.at(&shared.server);
            for waiting in driver.waiting {
                waiting.fail(&failure);
            }
            shared.none_in_flight();
            End::Lost { failure, answered: driver.answered }
        }
    }
}

struct Driver<'a> {
    shared: &'a Shared,
    stream: Stream,
    decoder: Decoder,
    /// Whether the server gives the opaque back with a miss, as it does since 1.6.18.
    echoes_misses: bool,
    /// What has been taken out of the outbox and is not sent yet.
    sending: VecDeque<Bytes>,
    /// Who waits for replies, first in line first.
    waiting: VecDeque<Waiting>,
    in_flight: usize,
    answered: bool,
    /// Whether the last turn was given up for callers to put more into the outbox.
    gathering: bool,
    /// Whether TLS may hold back bytes that were handed to it.
    unflushed: bool,
    /// Why nothing can be sent any more. The server's last words are still read.
    broken: Option<io::Error>,
    /// When bytes last went in either direction.
    heard: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Driver<'_> {
    /// One turn. Ready with `None` when the connection is closed, else with why it was lost.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Failure>> {
        let answered = match self.receive(cx) {
            Ok(answered) => answered,
            Err(failure) => return Poll::Ready(Some(failure)),
        };
        let (taken, is_closed) = self.gather(answered, cx);
        let Some(taken) = taken else {
            // Last in the queue of the runtime: whoever was just answered runs first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        if taken > 0 && self.in_flight == 0 {
            self.heard = Instant::now();
        }
        self.in_flight += taken;
        if is_closed && self.in_flight == 0 {
            return Poll::Ready(None);
        }
        if let Err(why) = self.send(cx) {
            self.broken = Some(why);
            self.sending.clear();
            // The reader decides: the server may have said why it hung up.
            match self.receive(cx) {
                Ok(_) => {}
                Err(failure) => return Poll::Ready(Some(failure)),
            }
            return Poll::Ready(Some(self.lost()));
        }
        self.poll_alarm(cx).map(Some)
    }

    /// Reads what has come, and answers. Returns how many requests were answered.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<usize, Failure> {
        let before = self.in_flight;
        loop {
            let mut room = self.decoder.room();
            let read = match pin!(self.stream.read_buf(&mut room)).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => return Err(self.lost()),
                // A value that comes slowly is no silence.
                Ok(_) => self.heard = Instant::now(),
                Err(why) => {
                    self.broken = Some(why);
                    return Err(self.lost());
                }
            }
            while let Some(framed) = self.decoder.next()? {
                self.answer(framed)?;
            }
        }
        let answered = before - self.in_flight;
        self.answered |= answered > 0;
        Ok(answered)
    }

    /// Gives a reply to whoever is first in line, if it says that it is for them.
    fn answer(&mut self, Framed { opaque, reply }: Framed) -> Result<(), Failure> {
        let Some(first) = self.waiting.front_mut() else {
            return Err(Failure::new(ErrorKind::Protocol, "the server answers where nothing was asked"));
        };
        let is_theirs = match opaque {
            Some(opaque) => opaque == first.expected(),
            None => match reply {
                Reply::Refused(_) => true,
                Reply::Absent => !self.echoes_misses,
                _ => false,
            },
        };
        if !is_theirs {
            return Err(Failure::new(
                ErrorKind::Protocol,
                "a reply of the server's belongs to another request",
            ));
        }
        self.in_flight -= 1;
        if first.answer(reply) {
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Takes what is in the outbox, or decides to wait a turn for more: `None` then.
    ///
    /// A caller who is alone is served at once. In company, whoever was just answered is about to ask the next
    /// thing, and others beside: one turn later all of it leaves in one system call, and the server answers in
    /// one. Never waiting costs up to three times as much processor time for each request; always waiting costs a
    /// lone caller twice as much (`docs/decisions/0004-memcached-driver.md`).
    fn gather(&mut self, answered: usize, cx: &mut Context<'_>) -> (Option<usize>, bool) {
        let has_waited = self.gathering;
        let (sending, waiting, in_flight) = (&mut self.sending, &mut self.waiting, self.in_flight);
        let (taken, is_closed) = self.shared.turn(in_flight, cx.waker(), |outbox| {
            let new = outbox.requests();
            let in_company = answered > 1 || new > 1 || (new > 0 && in_flight > 0);
            if in_company && !has_waited {
                return None;
            }
            Some(outbox.take(sending, waiting))
        });
        self.gathering = taken.is_none();
        (taken, is_closed)
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.sending.is_empty() {
            let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
            let mut count = 0;
            for (slot, piece) in pieces.iter_mut().zip(&self.sending) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
            let sent = match Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces[..count]) {
                Poll::Pending => break,
                Poll::Ready(sent) => sent?,
            };
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
            self.heard = Instant::now();
            self.sent(sent);
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Drops what was sent.
    fn sent(&mut self, mut sent: usize) {
        while let Some(piece) = self.sending.front_mut() {
            if sent < piece.len() {
                piece.advance(sent);
                return;
            }
            sent -= piece.len();
            self.sending.pop_front();
        }
    }

    /// Ready when replies are due and neither side has given the other a byte for too long, as when the server
    /// hangs or its machine is gone.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if self.in_flight == 0 {
            return Poll::Pending;
        }
        let limit = self.shared.server.settings.response_timeout;
        loop {
            // Set again only when it has gone off: with every reply would be too often.
            ready!(self.alarm.as_mut().poll(cx));
            let due = self.heard + limit;
            if due <= Instant::now() {
                let message = format!("no answer within {limit:?}");
                return Poll::Ready(Failure::new(ErrorKind::Timeout, message));
            }
            self.alarm.as_mut().reset(due);
        }
    }

    fn lost(&self) -> Failure {
        match &self.broken {
            Some(why) => Failure::unavailable(format!("the connection was lost: {why}")),
            None => Failure::unavailable("the server closed the connection"),
        }
    }
}
