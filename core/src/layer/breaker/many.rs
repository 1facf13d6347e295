//! Many keys at once: each server's are let through or not, and judged, apart from the others'.

use std::borrow::Cow;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{Breaker, switch::Admitted, verdict::Verdict};
use crate::{
    backend::{Backend, DeleteItem, SetItem, TouchItem},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
};

/// One of many.
pub(super) trait Item: Clone {
    fn key(&self) -> &StoreKey<'_>;
    /// Whether its caller waits no longer than until then.
    fn is_by(&self, end: Option<Instant>) -> bool;
    /// The same, for a caller that waits no longer than until then.
    fn by(self, end: Option<Instant>) -> Self;
}

/// What is read has its options beside it.
impl Item for StoreKey<'_> {
    fn key(&self) -> &StoreKey<'_> {
        self
    }

    fn is_by(&self, _: Option<Instant>) -> bool {
        true
    }

    fn by(self, _: Option<Instant>) -> Self {
        self
    }
}

macro_rules! items {
    ($($item:ident)*) => {$(
        impl Item for $item<'_> {
            fn key(&self) -> &StoreKey<'_> {
                &self.key
            }

            fn is_by(&self, end: Option<Instant>) -> bool {
                end.is_none_or(|end| self.options.until.is_some_and(|until| until <= end))
            }

            fn by(mut self, end: Option<Instant>) -> Self {
                self.options.until = end.into_iter().chain(self.options.until).min();
                self
            }
        }
    )*};
}

items! { SetItem TouchItem DeleteItem }

/// A server of which there are keys in a call.
struct Part<'a> {
    server: u16,
    admitted: Result<Admitted<'a>>,
    verdict: Verdict,
}

/// A call for several keys, and which of them go through.
pub(super) struct Call<'a, B> {
    breaker: &'a Breaker<B>,
    operation: Operation,
    parts: SmallVec<[Part<'a>; 4]>,
    /// For each key the place of its part; empty if there is one part.
    places: SmallVec<[u16; 64]>,
    count: usize,
    began: Option<Instant>,
    /// When the caller stops waiting. A store of several servers that knows when that is gives up the one that is late, and
    /// the others' answers are there in time.
    pub(super) until: Option<Instant>,
}

impl<B: Backend> Breaker<B> {
    /// Begins a call for several keys. Beside it, what goes through.
    pub(super) fn call<'a, I: Item>(
        &'a self,
        operation: Operation,
        items: &'a [I],
        until: Option<Instant>,
    ) -> (Call<'a, B>, Cow<'a, [I]>) {
        let mut call = Call {
            breaker: self,
            operation,
            parts: SmallVec::new(),
            places: SmallVec::new(),
            count: items.len(),
            began: self.begins(until),
            until,
        };
        match items {
            [] => return (call, Cow::Borrowed(items)),
            [_, ..] if !self.switches.are_many() => drop(call.part(0)),
            items => {
                for item in items {
                    let place = call.part(self.server(item.key()));
                    call.places.push(place);
                }
            }
        }
        if call.parts.len() > 1 {
            let end = call.began.zip(self.deadline).and_then(|(began, deadline)| began.checked_add(deadline));
            call.until = end.into_iter().chain(until).min();
        }
        let is_whole = call.parts.iter().all(|part| part.admitted.is_ok());
        if is_whole && (call.parts.len() == 1 || items.iter().all(|item| item.is_by(call.until))) {
            return (call, Cow::Borrowed(items));
        }
        let through = items.iter().enumerate().filter(|(number, _)| call.part_of(*number).admitted.is_ok());
        let through = through.map(|(_, item)| item.clone().by(call.until)).collect();
        (call, Cow::Owned(through))
    }
}

impl<B: Backend> Call<'_, B> {
    /// The place of the part of this server, which is let through, or not, where it is new.
    fn part(&mut self, server: u16) -> u16 {
        let known = self.parts.iter().position(|part| part.server == server);
        let place = known.unwrap_or_else(|| {
            let admitted = self.breaker.admit(server, self.operation);
            self.parts.push(Part { server, admitted, verdict: Verdict::Unknown });
            self.parts.len() - 1
        });
        // There are no more of them than servers, whose numbers are of this width.
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn place(&self, number: usize) -> usize {
        self.places.get(number).copied().map_or(0, usize::from)
    }

    fn part_of(&self, number: usize) -> &Part<'_> {
        &self.parts[self.place(number)]
    }

    /// Waits for the answers to what went through, judges the servers by them, and gives one answer for each key.
    pub(super) async fn answered<T>(mut self, work: impl Future<Output = Vec<Result<T>>>) -> Vec<Result<T>> {
        if self.count == 0 {
            return work.await;
        }
        let asked = (0..self.count).filter(|number| self.part_of(*number).admitted.is_ok()).count();
        let breaker = self.breaker;
        let given = if asked == 0 {
            Vec::new()
        } else {
            breaker.in_time_many(self.operation, (asked, self.began, self.until), work).await
        };
        if given.len() != asked {
            // The engine says what is wrong with such a backend, and it says nothing of a server.
            let error = self.miscounted(given.len(), asked);
            return (0..self.count).map(|_| Err(error.clone())).collect();
        }
        // Which of several servers was slow is not known.
        let mut rules = breaker.switches.rules;
        rules.slow = rules.slow.filter(|_| self.parts.len() == 1);
        let took = breaker.took(self.began, given.iter().any(Result::is_err));
        let mut said = given.iter();
        for number in 0..self.count {
            let place = self.place(number);
            let part = &mut self.parts[place];
            if part.admitted.is_err() {
                continue;
            }
            // There are as many as were asked for.
            let Some(answer) = said.next() else { break };
            let before = std::mem::replace(&mut part.verdict, Verdict::Unknown);
            part.verdict = before.and(Verdict::of(answer, took, &rules));
        }
        let mut given =
            given.into_iter().map(|answer| answer.map_err(|error| error.in_store(breaker.name())));
        // In place, where all have been asked.
        let answers = if asked == self.count {
            given.collect()
        } else {
            let answer = |number| match &self.part_of(number).admitted {
                Err(refused) => Some(Err(refused.clone())),
                // There are as many as were asked for.
                Ok(_) => given.next(),
            };
            (0..self.count).filter_map(answer).collect()
        };
        for Part { server, admitted, verdict } in self.parts {
            if let Ok(admitted) = admitted {
                breaker.ended(server, admitted, verdict);
            }
        }
        answers
    }

    fn miscounted(&self, given: usize, asked: usize) -> Error {
        let message = format!("the backend gave {given} answers to {asked} questions");
        Error::new(ErrorKind::Protocol, self.operation, message).in_store(self.breaker.name())
    }
}
