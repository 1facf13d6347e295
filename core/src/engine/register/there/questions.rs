//! Asking for versions: one question at a time, in a task of its own, for all who wait.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::{
    super::budget::Budget,
    memory::{Known, Memory, Oldest},
    record::Version,
};
use super::{There, late, unknown};
use crate::{
    backend::{Backend, GetOptions, Lookup},
    entry::Scope,
    error::{Error, ErrorKind, Operation, Result},
    offload::is_in_runtime,
};

/// A question in progress, which ends however its task does.
pub(super) struct Asking<'a> {
    pub(super) there: &'a There,
    pub(super) number: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.there.memory().give_up(self.number);
        self.there.news.notify_waiters();
    }
}

impl There {
    /// Has the levels' versions, and those of these tags, asked for if they are not known well enough; waits for nothing.
    pub(crate) fn prepare(self: &Arc<Self>, tags: &[Scope], since: Instant) {
        let oldest = self.oldest_for(since);
        let question = {
            let mut memory = self.memory();
            for scope in self.levels.scopes() {
                if !memory.knows(&scope, oldest) {
                    memory.want(&scope);
                }
            }
            for scope in tags {
                if !memory.knows(scope, oldest) {
                    memory.want(scope);
                }
            }
            // Usually everything is known: then neither the runtime nor the clock is asked.
            if !memory.wants_nothing() && is_in_runtime() {
                memory.ask(Instant::now(), self.patience)
            } else {
                None
            }
        };
        if let Some(number) = question {
            tokio::spawn(Arc::clone(self).question(number));
        }
    }

    /// Waits until these are known, or asking for them has failed, or the budget is spent.
    pub(super) async fn learn<R>(
        self: &Arc<Self>,
        scopes: &[Scope],
        (oldest, entered): (Oldest, Instant),
        budget: Budget,
        read: impl Fn(&Memory) -> R,
    ) -> Result<R> {
        loop {
            let news = self.news.notified();
            let question = {
                let mut memory = self.memory();
                let mut is_known = true;
                for scope in scopes.iter().filter(|scope| self.levels.has(scope)) {
                    if memory.look_up(scope, oldest, entered).is_none() {
                        is_known = false;
                        memory.want(scope);
                    }
                }
                if is_known {
                    return Ok(read(&memory));
                }
                memory.ask(Instant::now(), self.patience)
            };
            let in_runtime = is_in_runtime();
            if let Some(number) = question {
                let question = Arc::clone(self).question(number);
                if !in_runtime {
                    question.await;
                    continue;
                }
                tokio::spawn(question);
            }
            // A question that is lost has no end that anybody could be told of.
            let waited = async {
                if in_runtime {
                    let _ = tokio::time::timeout(self.patience, news).await;
                } else {
                    news.await;
                }
            };
            budget.bound(waited).await.ok_or_else(late)?;
        }
    }

    /// Asks for all that is wanted, until nothing is.
    pub(super) async fn question(self: Arc<Self>, number: u64) {
        let asking = Asking { there: &self, number };
        loop {
            let (wanted, sent) = {
                let (mut memory, now) = (self.memory(), Instant::now());
                (memory.take_wanted(number, now), memory.sent(now))
            };
            if wanted.is_empty() {
                return;
            }
            self.pay_for(&wanted, sent).await;
            let records: Vec<_> =
                wanted.into_iter().filter_map(|scope| Some((self.levels.record(&scope)?, scope))).collect();
            let keys: Vec<_> = records.iter().map(|(record, _)| record.store_key()).collect();
            let lookups = self.backend.get_many(&keys, &GetOptions::new()).await;
            let wrong = (lookups.len() != keys.len()).then(|| {
                Error::new(
                    ErrorKind::Protocol,
                    Operation::Get,
                    "the backend did not return one answer for each key",
                )
            });
            let answers: Vec<_> = records
                .iter()
                .enumerate()
                .map(|(place, (_, scope))| {
                    let known = match (&wrong, lookups.get(place)) {
                        (None, Some(Ok(Lookup::Hit(record)))) => Ok(Known {
                            version: Version::of(record),
                            expires: record.meta().lifetime.expires,
                        }),
                        (None, Some(Ok(Lookup::Miss(_)))) => {
                            Ok(Known { version: None, expires: crate::clock::Timestamp::NEVER })
                        }
                        (None, Some(Err(error))) => Err(error.clone()),
                        (wrong, _) => Err(wrong.clone().unwrap_or_else(unknown)),
                    };
                    (scope.clone(), known)
                })
                .collect();
            {
                let mut memory = self.memory();
                for ((_, scope), key) in records.iter().zip(&keys) {
                    if matches!(scope, Scope::Tag(_)) {
                        memory.follow(key.seeded_hash(), scope);
                    }
                }
                memory.answered(answers, sent, Instant::now());
            }
            asking.there.news.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        time::Duration,
    };

    use super::*;
    use crate::{backend::NullBackend, clock::Clock, engine::stamps::Levels, key::Namespace};

    /// A write that is given up makes a version unknown at any moment: what was learnt is read before it can.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_learnt_is_still_known_when_it_is_read() {
        let levels = Levels::of(&Namespace::new("n", 0).unwrap());
        let there = Arc::new(There::new(
            Arc::new(NullBackend::new()),
            levels,
            Duration::from_mins(1),
            Clock::default(),
        ));
        let scopes = [there.levels().whole()];
        let stop = Arc::new(AtomicBool::new(false));
        let giving_up = {
            let (there, scopes, stop) = (Arc::clone(&there), scopes.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    drop(there.begin_writing(scopes.to_vec()));
                    std::thread::yield_now();
                }
            })
        };
        let mut unknown = 0;
        for _ in 0..100_000 {
            let entered = Instant::now();
            let read = |memory: &Memory| memory.look_up(&scopes[0], Oldest::ANY, entered).is_some();
            let is_known =
                there.learn(&scopes, (Oldest::ANY, entered), Budget::start(None), read).await.unwrap();
            unknown += u32::from(!is_known);
        }
        stop.store(true, Relaxed);
        giving_up.join().unwrap();
        assert_eq!(unknown, 0, "times that a version was unknown which had just been learnt");
    }
}
