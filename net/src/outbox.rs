//! Requests that have not been sent yet. Callers write into it under a lock; the driver takes all of it at once, so that what
//! came together leaves together.

use std::{collections::VecDeque, mem};

use tokio::sync::oneshot;

use crate::{
    failure::Failure,
    line::{Caller, Replies, Waiting},
    outgoing::Outgoing,
    protocol::{Collects, Protocol},
};

/// How many reads of single keys leave as one request. The server does nothing else meanwhile, and its answer is one piece.
const COLLECTED: usize = 128;
/// How many bytes the answer to them may be expected to have: what is behind it waits for all of it.
const COLLECTED_BYTES: usize = 256 * 1024;

/// Requests in order; reads of single keys beside them, which leave last.
#[derive(Debug)]
pub(crate) struct Outbox<P: Protocol> {
    out: Outgoing,
    waiting: VecDeque<Waiting<P>>,
    reads: Reads<P>,
    requests: usize,
    next: u32,
}

/// Reads of single keys that may leave together.
#[derive(Debug)]
struct Reads<P: Protocol> {
    keys: Vec<u8>,
    /// Who reads, and where each key ends.
    callers: Vec<(Caller<P>, usize)>,
    write: Option<WriteKeys<P>>,
    part: fn(P::Reply) -> P::Reply,
}

type WriteKeys<P> = fn(&[u8], usize, u32, &mut Outgoing) -> <P as Protocol>::Expected;

impl<P: Protocol> Default for Outbox<P> {
    fn default() -> Self {
        let reads = Reads { keys: Vec::new(), callers: Vec::new(), write: None, part: |reply| reply };
        Self { out: Outgoing::default(), waiting: VecDeque::new(), reads, requests: 0, next: 0 }
    }
}

impl<P: Protocol> Outbox<P> {
    /// The number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    /// The length of it all, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.out.len() + self.reads.keys.len()
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }

    pub(crate) fn push(&mut self, request: &P::Request<'_>, to: Caller<P>) {
        let number = self.number();
        let expected = P::write(request, number, &mut self.out);
        self.waiting.push_back(Waiting::one(expected, to));
        self.requests += 1;
    }

    /// Adds a request whose reply has parts; how many, if that is known.
    pub(crate) fn push_parts(
        &mut self,
        request: &P::Request<'_>,
        wanted: Option<usize>,
        to: oneshot::Sender<Replies<P::Reply>>,
    ) {
        let number = self.number();
        let expected = P::write(request, number, &mut self.out);
        self.waiting.push_back(Waiting::parts(expected, wanted, to));
        self.requests += 1;
    }

    /// Adds requests whose replies are wanted together.
    pub(crate) fn push_many<'a>(
        &mut self,
        requests: impl IntoIterator<Item = P::Request<'a>>,
        to: oneshot::Sender<Replies<P::Reply>>,
    ) {
        let requests = requests.into_iter();
        let mut expected = Vec::with_capacity(requests.size_hint().0);
        for request in requests {
            let number = self.number();
            expected.push(P::write(&request, number, &mut self.out));
        }
        self.requests += expected.len();
        // Without a request there is no reply, and a waiting caller learns so from the sender that is dropped.
        self.waiting.extend(Waiting::together(expected, to));
    }

    /// Adds a read that may leave together with others.
    pub(crate) fn push_read(&mut self, key: &P::Key<'_>, to: Caller<P>)
    where
        P: Collects,
    {
        let reads = &mut self.reads;
        reads.write = Some(P::write_keys);
        reads.part = P::among_others;
        P::write_key(key, &mut reads.keys);
        reads.callers.push((to, reads.keys.len()));
        self.requests += 1;
    }

    /// Moves everything over: what is to be sent into `sending`, which is empty, and who waits. `expected` is how many bytes
    /// the answer to a read is thought to have. Returns the number of requests.
    pub(crate) fn take(
        &mut self,
        sending: &mut Outgoing,
        line: &mut VecDeque<Waiting<P>>,
        expected: usize,
    ) -> usize {
        self.write_reads((COLLECTED_BYTES / expected.max(1)).clamp(1, COLLECTED));
        self.out.swap(sending);
        line.append(&mut self.waiting);
        mem::take(&mut self.requests)
    }

    /// Turns the reads into requests, each of at most this many keys.
    fn write_reads(&mut self, at_once: usize) {
        let Some(write) = self.reads.write.filter(|_| !self.reads.callers.is_empty()) else { return };
        let (mut callers, mut begin) = (mem::take(&mut self.reads.callers), 0);
        if let [_] = &*callers {
            let number = self.number();
            let expected = write(&self.reads.keys, 1, number, &mut self.out);
            let only = callers.pop().map(|(caller, _)| Waiting::one(expected, caller));
            self.waiting.extend(only);
        } else {
            let mut left = callers.len();
            let mut rest = callers.drain(..);
            while left > 0 {
                let count = left.min(at_once);
                left -= count;
                let mut end = begin;
                let chunk: Vec<Caller<P>> = rest
                    .by_ref()
                    .take(count)
                    .map(|(caller, ends)| {
                        end = ends;
                        caller
                    })
                    .collect();
                let number = self.next;
                self.next = number.wrapping_add(1);
                let expected = write(&self.reads.keys[begin..end], count, number, &mut self.out);
                begin = end;
                self.waiting.push_back(Waiting::each(expected, chunk, self.reads.part));
            }
        }
        self.reads.keys.clear();
        // Its room is kept.
        self.reads.callers = callers;
    }

    /// Gives up what has not been sent. Who waits is handed out, to be told without a lock being held.
    #[must_use]
    pub(crate) fn give_up(&mut self) -> Unsent<P> {
        self.out.clear();
        self.reads.keys.clear();
        self.requests = 0;
        Unsent { waiting: mem::take(&mut self.waiting), readers: mem::take(&mut self.reads.callers) }
    }
}

/// Who waits for requests that will not be sent.
#[derive(Debug)]
pub(crate) struct Unsent<P: Protocol> {
    waiting: VecDeque<Waiting<P>>,
    readers: Vec<(Caller<P>, usize)>,
}

impl<P: Protocol> Unsent<P> {
    pub(crate) fn fail(self, failure: &Failure) {
        self.waiting.into_iter().for_each(|waiting| waiting.fail(failure));
        for (reader, _) in self.readers {
            let _ = reader.send(Err(failure.clone()));
        }
    }
}
