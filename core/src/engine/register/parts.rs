//! The versions of a store that fails in parts: for each part a register of its own, so that an entry depends on its own server
//! and no other. A store that fails as a whole is one part.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Few, budget::Budget, stamps::Levels},
    There,
    memory::Oldest,
};
use crate::{
    backend::{Backend, Ear, Notice, Shards},
    clock::Clock,
    entry::{Scope, Stamps},
    error::{Error, Operation, Result},
    key::{Namespace, StoreKey},
    ttl::Ttl,
    versions::Standing,
};

/// What was asked of some parts of a store: one for each of those.
#[derive(Debug, Clone)]
pub(crate) struct Each<T>(Few<(usize, T)>);

impl<T> Each<T> {
    pub(crate) fn none() -> Self {
        Self(Few::new())
    }

    /// What there is for a store that is one part.
    pub(crate) fn one(value: T) -> Self {
        Self(Few::from_buf([(0, value)]))
    }

    pub(crate) fn of(&self, part: usize) -> Option<&T> {
        self.0.iter().find(|(of, _)| *of == part).map(|(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(usize, T)> {
        self.0.iter()
    }
}

impl<T> Each<Result<T>> {
    /// What there is, and what failed.
    pub(crate) fn split(self) -> (Each<T>, Each<Error>) {
        let (mut good, mut failed) = (Each::none(), Each::none());
        for (part, result) in self.0 {
            match result {
                Ok(value) => good.0.push((part, value)),
                Err(error) => failed.0.push((part, error)),
            }
        }
        (good, failed)
    }
}

/// The versions of a shared store, for one namespace.
#[derive(Debug)]
pub(crate) struct Parts {
    backend: Arc<dyn Backend>,
    /// At least one.
    each: Box<[Arc<There>]>,
}

impl Parts {
    pub(super) fn new(
        backend: &Arc<dyn Backend>,
        namespace: &Namespace,
        lag: Duration,
        clock: &Clock,
    ) -> Self {
        let there = |levels| Arc::new(There::new(Arc::clone(backend), levels, lag, clock.clone()));
        let levels = || Levels::of(namespace);
        let each = match backend.shards().map_or(1, Shards::count) {
            0 | 1 => Box::new([there(levels())]) as Box<[_]>,
            shards => (0..shards).map(|shard| there(levels().on_shard(shard))).collect(),
        };
        Self { backend: Arc::clone(backend), each }
    }

    /// Who hears of changes of these versions.
    pub(super) fn ear(&self) -> Arc<dyn Ear> {
        Arc::new(Hearing(self.each.clone()))
    }

    /// Whichever: what they have in common.
    fn any(&self) -> &Arc<There> {
        // There is at least one.
        &self.each[0]
    }

    pub(super) fn levels(&self) -> &Levels {
        self.any().levels()
    }

    /// The number of the part that has this key.
    #[inline]
    pub(crate) fn part(&self, key: &StoreKey<'_>) -> usize {
        if self.each.len() == 1 {
            return 0;
        }
        let shard = self.backend.shards().map_or(0, |shards| usize::from(shards.of(key)));
        shard.min(self.each.len() - 1)
    }

    /// The numbers of the parts that have these keys, each once.
    pub(crate) fn of_keys<'k>(&self, keys: impl IntoIterator<Item = StoreKey<'k>>) -> Few<usize> {
        if self.each.len() == 1 {
            return Few::from_buf([0]);
        }
        let mut parts = Few::new();
        for key in keys {
            let part = self.part(&key);
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    pub(crate) fn of(&self, part: usize) -> &Arc<There> {
        &self.each[part.min(self.each.len() - 1)]
    }

    /// How old an answer may be for a read that begins at this time.
    pub(crate) fn oldest_for(&self, since: Instant) -> Oldest {
        self.any().oldest_for(since)
    }

    /// Whether what began at this time may not yet know of what others have invalidated when this caller arrived.
    pub(crate) fn is_within_lag(&self, began: Instant, arrived: Instant) -> bool {
        self.any().is_within_lag(began, arrived)
    }

    /// How what was written on these parts under these stands; one answer each.
    pub(crate) async fn standings(
        &self,
        written: &[(usize, &Stamps)],
        oldest: Oldest,
        budget: Budget,
    ) -> Vec<Result<Standing>> {
        if self.each.len() == 1 {
            let stamps: Few<&Stamps> = written.iter().map(|(_, stamps)| *stamps).collect();
            return self.any().standings(&stamps, oldest, budget).await;
        }
        let mut groups: Few<(usize, Vec<usize>, Vec<&Stamps>)> = Few::new();
        for (place, (part, stamps)) in written.iter().enumerate() {
            match groups.iter_mut().find(|(of, ..)| of == part) {
                Some((_, places, group)) => {
                    places.push(place);
                    group.push(stamps);
                }
                None => groups.push((*part, vec![place], vec![stamps])),
            }
        }
        let asked = groups.iter().map(|(part, _, stamps)| self.of(*part).standings(stamps, oldest, budget));
        let answers = together(asked).await;
        let mut standings: Vec<Result<Standing>> = vec![Ok(Standing::Dead); written.len()];
        for ((_, places, _), answers) in groups.iter().zip(answers) {
            for (place, answer) in places.iter().zip(answers) {
                standings[*place] = answer;
            }
        }
        standings
    }

    /// The stamps for entries on these parts whose values begin to be made now, and which are kept for this long.
    pub(crate) async fn current(
        &self,
        parts: &[usize],
        tags: &[Scope],
        kept: Ttl,
        budget: Budget,
    ) -> Each<Result<Stamps>> {
        if let [part] = parts {
            return Each(Few::from_buf([(*part, self.of(*part).current(tags, kept, budget).await)]));
        }
        let asked = parts.iter().map(|part| self.of(*part).current(tags, kept, budget));
        let stamps = together(asked).await;
        Each(parts.iter().copied().zip(stamps).collect())
    }

    /// Marks in the invalidations of tags, one for each of these parts.
    pub(crate) async fn marks(&self, parts: &[usize], kept: Ttl, budget: Budget) -> Each<Result<u64>> {
        if let [part] = parts {
            return Each(Few::from_buf([(*part, self.of(*part).mark(kept, budget).await)]));
        }
        let marks = together(parts.iter().map(|part| self.of(*part).mark(kept, budget))).await;
        Each(parts.iter().copied().zip(marks).collect())
    }

    /// Gives something a new version on all parts.
    ///
    /// # Errors
    /// Which parts were not reached. It is owed there: see [`There::invalidate`].
    pub(crate) async fn invalidate(&self, scope: &Scope, softly: bool, budget: Budget) -> Result<()> {
        if let [only] = &*self.each {
            return only.invalidate(scope, softly, budget).await;
        }
        let done = together(self.each.iter().map(|there| there.invalidate(scope, softly, budget))).await;
        let failed: Vec<(usize, Error)> =
            done.into_iter().enumerate().filter_map(|(part, done)| Some((part, done.err()?))).collect();
        let Some((_, first)) = failed.first() else { return Ok(()) };
        let name = |part: usize| match (self.backend.shards(), u16::try_from(part)) {
            (Some(shards), Ok(shard)) => shards.name(shard),
            _ => part.to_string(),
        };
        let names: Vec<String> = failed.iter().map(|(part, _)| name(*part)).collect();
        let message = format!(
            "{} of {} servers were not reached, and until they are, this process serves nothing from them that was to be \
             invalidated: {}",
            failed.len(),
            self.each.len(),
            names.join(", ")
        );
        let error = Error::new(first.kind(), Operation::Invalidate, message).with_origin(first.origin());
        Err(error.with_source(first.clone()))
    }
}

/// Tells every part what was heard. Which one it concerns is nobody's concern: of what a part has not asked for it knows nothing.
#[derive(Debug)]
struct Hearing(Box<[Arc<There>]>);

impl Ear for Hearing {
    fn hear(&self, notice: Notice<'_>) {
        self.0.iter().for_each(|there| there.hear(notice));
    }
}

/// All of these at once; one answer each, in their order.
async fn together<F: Future>(work: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut work: Vec<Pin<Box<F>>> = work.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = work.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (work, done) in work.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match work.as_mut().poll(context) {
                Poll::Ready(output) => *done = Some(output),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    // All are ready.
    done.into_iter().flatten().collect()
}
