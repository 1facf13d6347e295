//! The task that owns a socket: it sends what callers have put into the outbox, and gives each reply to whoever is first in
//! line.
//!
//! One task for both directions is woken half as often as two. What makes the difference under load is how many requests share
//! a system call: see [`Driver::gather`].

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use larder_core::ErrorKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    time::{Instant, Sleep, sleep},
};

use crate::{
    failure::{Failure, Fate},
    input::Input,
    line::Waiting,
    outgoing::Outgoing,
    phase::{Gathered, Turn},
    protocol::Protocol,
    shared::Shared,
    silence::Silence,
    stream::Stream,
};

/// How many pieces are handed to the kernel at once. Each large value is one, and what lies between two.
const MAX_PIECES: usize = 64;
/// What the answer to a read is thought to have at first, in bytes.
const EXPECTED: usize = 1024;

/// How the service of a connection ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    /// Its owner closed it, or another task serves the callers now; everything that was asked has been answered.
    Retired,
    /// What it was to be replaced by is there, and everything that was asked has been answered.
    Replaced(T),
    /// It was lost.
    Lost(Failure),
}

/// Serves a connection until it is closed, replaced or lost. Callers that still wait for a reply then receive the failure.
pub(crate) async fn drive<P: Protocol, T>(
    shared: &Shared<P>,
    (stream, protocol): (Stream, P),
    generation: u64,
    successor: impl Future<Output = T>,
) -> End<T> {
    let mut successor = pin!(successor);
    let mut driver = Driver {
        shared,
        generation,
        stream,
        protocol,
        input: Input::default(),
        sending: Outgoing::default(),
        sent: 0,
        line: VecDeque::new(),
        silence: Silence::new(shared.limits.response_timeout),
        expected: EXPECTED,
        gathering: false,
        retiring: false,
        unflushed: false,
        broken: None,
        next: None,
        alarm: Box::pin(sleep(shared.limits.response_timeout)),
    };
    let end = poll_fn(|cx| {
        if driver.next.is_none()
            && let Poll::Ready(next) = successor.as_mut().poll(cx)
        {
            driver.next = Some(next);
            driver.retiring = true;
        }
        driver.poll(cx)
    })
    .await;
    shared.none_in_flight(generation);
    match (end, driver.next) {
        (Some(failure), _) => {
            let failure = failure.at(&shared.name);
            // A caller that has waited this long for a silent server does not wait for it a second time.
            let is_silent = failure.kind() == ErrorKind::Timeout;
            let lost = failure.clone().with_fate(if is_silent { Fate::Final } else { Fate::Lost });
            driver.line.into_iter().for_each(|waiting| waiting.fail(&lost));
            End::Lost(failure)
        }
        (None, Some(next)) => End::Replaced(next),
        (None, None) => End::Retired,
    }
}

struct Driver<'a, P: Protocol, T> {
    shared: &'a Shared<P>,
    generation: u64,
    stream: Stream,
    protocol: P,
    input: Input,
    /// What was taken out of the outbox last, and how much of it has been sent.
    sending: Outgoing,
    sent: usize,
    /// Who waits for replies, first in line first.
    line: VecDeque<Waiting<P>>,
    silence: Silence,
    /// How many bytes the answer to a read is thought to have.
    expected: usize,
    /// Whether the last turn was given up for callers to put more into the outbox.
    gathering: bool,
    /// Whether nothing further is taken.
    retiring: bool,
    /// Whether TLS may hold back bytes that were handed to it.
    unflushed: bool,
    /// Why nothing can be sent any more. The server's last words are still read.
    broken: Option<io::Error>,
    next: Option<T>,
    alarm: Pin<Box<Sleep>>,
}

impl<P: Protocol, T> Driver<'_, P, T> {
    /// One turn. Ready with `None` when there is nothing left to do, else with why the connection was lost.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Failure>> {
        match self.turn(cx) {
            Ok(true) => Poll::Ready(None),
            Ok(false) => self.poll_alarm(cx).map(Some),
            Err(failure) => Poll::Ready(Some(failure)),
        }
    }

    /// Whether there is nothing left to do.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let answered = self.receive(cx)?;
        // What the kernel did not take before. What comes until it does leaves together then.
        self.send(cx);
        match self.gather(answered, cx)? {
            Gathered::Some => self.send(cx),
            Gathered::Later => {
                // Last in the queue of the runtime: whoever was just answered runs first.
                cx.waker().wake_by_ref();
                return Ok(false);
            }
            Gathered::None => {}
        }
        Ok(self.retiring && self.broken.is_none() && self.silence.in_flight() == 0)
    }

    /// Reads what has come, and answers. Returns how many requests were answered.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<usize, Failure> {
        let (mut answered, mut bytes) = (0, 0);
        loop {
            let mut room = self.input.room();
            let read = match pin!(self.stream.read_buf(&mut room)).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => return Err(self.lost()),
                Ok(read) => bytes += read,
                Err(why) => {
                    self.broken.get_or_insert(why);
                    return Err(self.lost());
                }
            }
            while let Some(event) = self.protocol.read(&mut self.input)? {
                let Some(first) = self.line.front_mut() else {
                    return Err(Failure::protocol("the server sent a reply that no request was waiting for"));
                };
                let done = first.answer(&mut self.protocol, event)?;
                if done.is_done {
                    self.line.pop_front();
                }
                answered += done.requests;
            }
        }
        if answered > 0 {
            self.silence.answered(answered);
            // It follows what the values are like, slowly.
            self.expected = (self.expected * 7 + bytes / answered) / 8;
        }
        Ok(answered)
    }

    /// Takes what is in the outbox, or decides to wait a turn for more.
    ///
    /// A caller who is alone is served at once. In company, whoever was just answered is about to ask the next thing, and
    /// others beside: one turn later all of it leaves in one system call, and the server answers in one. Never waiting costs up
    /// to three times as much processor time for each request; always waiting costs a lone caller twice as much
    /// (`docs/decisions/0004-memcached-driver.md`).
    fn gather(&mut self, answered: usize, cx: &mut Context<'_>) -> Result<Gathered, Failure> {
        let takes = !self.retiring && self.broken.is_none() && self.sending.is_empty();
        let has_waited = self.gathering;
        let in_flight = self.silence.in_flight();
        let (sending, line, expected) = (&mut self.sending, &mut self.line, self.expected);
        let (turn, taken) = self.shared.turn(self.generation, in_flight, cx.waker(), |outbox| {
            let new = outbox.requests();
            if new == 0 || !takes {
                return Gathered::None;
            }
            let in_company = answered > 1 || new > 1 || in_flight > 0;
            if in_company && !has_waited {
                return Gathered::Later;
            }
            let taken = outbox.take(sending, line, expected);
            self.silence.begin(taken, sending.len());
            Gathered::Some
        });
        self.gathering = matches!(taken, Gathered::Later);
        match turn {
            Turn::On => {}
            Turn::Last => self.retiring = true,
            Turn::GiveUp(failure) => return Err(failure),
        }
        Ok(taken)
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_some() {
            return;
        }
        if let Err(why) = self.write(cx) {
            // The reader decides: the server may have said why it hung up, and that may not have been heard yet.
            self.broken = Some(why);
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.sent < self.sending.len() {
            let wrote = if let Some(text) = self.sending.only_text() {
                Pin::new(&mut self.stream).poll_write(cx, &text[self.sent..])
            } else {
                let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
                let count = self.sending.slices(self.sent, &mut pieces);
                Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces[..count])
            };
            match wrote {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(wrote) => self.sent += wrote?,
            }
            self.unflushed = true;
        }
        if self.sent > 0 && self.sent == self.sending.len() {
            self.sending.clear();
            self.sent = 0;
            self.silence.sent();
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Ready when the server has been silent for too long, as when it hangs or its machine is gone.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let limit = self.shared.limits.response_timeout;
        loop {
            let Some(ends) = self.silence.ends(self.input.begun_body()) else { return Poll::Pending };
            // Set again only when it has gone off: with every reply would be too often.
            ready!(self.alarm.as_mut().poll(cx));
            if ends <= Instant::now() {
                let message = format!("no answer within {limit:?} (`response_timeout`)");
                return Poll::Ready(Failure::new(ErrorKind::Timeout, message));
            }
            self.alarm.as_mut().reset(ends);
        }
    }

    fn lost(&self) -> Failure {
        match &self.broken {
            Some(why) => Failure::unavailable(format!("the connection was lost: {why}")),
            None => Failure::unavailable("the server closed the connection"),
        }
    }
}
