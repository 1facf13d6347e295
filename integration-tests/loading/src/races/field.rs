//! One process of a run: its cache, its readers and its writers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use larder_core::{Cache, Key};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{
    asked::{Asked, share},
    database::{Database, KEYS},
    pause::Pace,
    reader,
    tally::Tally,
    writer::{self, Way},
};
use crate::{Outcome, random::Random, store::faults};

const NAMESPACE: &str = "races";
const READERS: u64 = 32;
const WRITERS: u64 = 4;
/// Short, so that some loads outlive it.
pub(crate) const LEASE: Duration = Duration::from_millis(50);

/// Whether a key's values are under a tag. Those of several keys that are loaded in one call are not.
pub(crate) fn is_tagged(key: usize) -> bool {
    !key.is_multiple_of(4)
}

/// What is cached: which row it is, and which version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) key: usize,
    pub(crate) version: u64,
}

/// What all tasks of one process share.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) process: u64,
    pub(crate) cache: Cache<Row>,
    pub(crate) database: Database,
    pub(crate) keys: Vec<Key>,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) pace: Pace,
    pub(crate) without_fence: bool,
    /// How late this process may see what others have changed. Of what it has changed itself it is never late.
    late: Duration,
    own_floors: [AtomicU64; KEYS],
    pub(crate) by: Option<Way>,
    /// The readers have made their rounds.
    pub(crate) is_over: AtomicBool,
    seed: u64,
    processes: u64,
    rounds: u64,
}

impl Field {
    pub(crate) fn new(
        asked: &Asked,
        seed: u64,
        process: u64,
        server: &str,
        database: Database,
    ) -> Outcome<Arc<Self>> {
        // One process has the fence without them.
        let lease = (asked.processes > 1).then_some(LEASE);
        Ok(Arc::new(Self {
            process,
            cache: asked.store.cache(server, NAMESPACE, lease, asked.faults)?,
            database,
            keys: (0..KEYS).map(|key| Key::new("row").part(key as u64)).collect(),
            tags: (0..KEYS).map(|key| format!("tag-{key}").into()).collect(),
            pace: Pace::of(asked.store),
            without_fence: asked.without_fence,
            late: asked.store.late_elsewhere(),
            own_floors: Default::default(),
            by: asked.by,
            is_over: AtomicBool::new(false),
            seed,
            processes: asked.processes,
            rounds: share(asked.rounds, process, asked.processes),
        }))
    }

    /// What a read of this key that begins now must yield at least.
    pub(crate) async fn floor(&self, key: usize) -> Outcome<u64> {
        let floor = self.database.floor(key, self.late).await?;
        Ok(floor.max(self.own_floors[key].load(Ordering::SeqCst)))
    }

    /// This process has invalidated the key after it committed this version.
    pub(crate) async fn invalidated(&self, key: usize, version: u64) -> Outcome {
        self.own_floors[key].fetch_max(version, Ordering::SeqCst);
        Ok(self.database.invalidated(key, version).await?)
    }

    /// Connects to the store.
    pub(crate) async fn warm(&self) -> Outcome {
        match self.cache.get(&Key::new("warm")).await {
            Err(error) if error.kind() != faults::KIND => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Runs all readers to the end of their rounds, and the writers until then.
    pub(crate) async fn run(self: Arc<Self>) -> Outcome<Tally> {
        let mut readers = JoinSet::new();
        for reader in 0..READERS {
            let rounds = share(self.rounds, reader, READERS);
            readers.spawn(reader::run(Arc::clone(&self), reader, self.random(reader), rounds));
        }
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let random = self.random(READERS + writer);
            let place = (self.process * WRITERS + writer, self.processes * WRITERS);
            writers.spawn(writer::run(Arc::clone(&self), place, random));
        }
        let mut tally = Tally::default();
        while let Some(told) = readers.join_next().await {
            tally.add(&told??);
        }
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(told) = writers.join_next().await {
            tally.add(&told??);
        }
        Ok(tally)
    }

    fn random(&self, task: u64) -> Random {
        Random::of_task(self.seed, self.process, task)
    }
}
