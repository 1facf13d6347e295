//! The nodes, and what they do.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use larder_core::{
    Cache, Chain, Clock, Key,
    cache::{Policy, Status},
    key::{Namespace, StoreKey},
    layer::Deadline,
};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use loading_trials::{Outcome, random::Random};

use crate::{
    costs::REDIS,
    draw::{self, Zipf},
    far::{Far, Server},
    kernel::{Kernel, MILLI, Moment, SECOND},
};

/// All keys. A near tier has room for all of them.
pub(crate) const KEYS: usize = 200;
const ROOM: u64 = 4 * KEYS as u64;
/// How much likelier the first keys are read than the last ones.
pub(crate) const ZIPF: f64 = 0.99;
/// Reads of each node in a second.
pub(crate) const READS: u64 = 100;
/// How long a load takes.
pub(crate) const LOAD: Moment = 20 * MILLI;
/// How long a node waits for the store: the default of a configuration.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// How long a lease lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// Nothing ends in a simulation.
const TTL: Duration = Duration::from_hours(1);
const NAMESPACE: &str = "s";

/// How the nodes are set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    pub(crate) has_leases: bool,
    pub(crate) deadline: Duration,
    /// Whether they listen to the bus.
    pub(crate) listens: bool,
    /// One that is told nothing after the start, and does not know it.
    pub(crate) deaf: Option<usize>,
}

impl Setup {
    /// As they are unless something is tried.
    pub(crate) fn new(nodes: usize, seed: u64) -> Self {
        Self { nodes, seed, has_leases: true, deadline: DEADLINE, listens: true, deaf: None }
    }
}

/// What the nodes have seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) reads: u64,
    pub(crate) near: u64,
    pub(crate) loads: u64,
    /// Reads that gave an older value than one whose write had returned elsewhere.
    pub(crate) old: u64,
    /// Reads that gave an older value than one that all nodes had heard of, out of a near copy or the store.
    pub(crate) wrong: u64,
    /// The same by waiting for a load that had begun before.
    pub(crate) joined_older: u64,
    /// Reads that failed.
    pub(crate) failed: u64,
    pub(crate) writes: u64,
    /// Writes that failed, or were given up at the deadline.
    pub(crate) unwritten: u64,
}

/// A key, what the database has under it, and what has been said to be written.
struct Row {
    key: Key,
    text: String,
    version: AtomicU64,
    written: AtomicU64,
}

/// All of it.
pub(crate) struct Fleet {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) server: Arc<Server>,
    nodes: Vec<Cache<u64>>,
    rows: Vec<Row>,
    zipf: Zipf,
    seed: u64,
    seen: Mutex<Seen>,
    is_over: AtomicBool,
}

impl Fleet {
    /// So many nodes, each of which has read everything once.
    pub(crate) async fn new(kernel: &Arc<Kernel>, clock: &Clock, setup: Setup) -> Outcome<Arc<Self>> {
        let Setup { nodes, seed, has_leases, deadline, listens, .. } = setup;
        // The pauses before another connection to the bus are drawn from these.
        fastrand::seed(seed);
        let server = Server::new(kernel, clock, REDIS, nodes, seed);
        let policy = has_leases.then_some(LEASE).into_iter().fold(Policy::new(TTL), Policy::lease);
        let namespace = Namespace::new(NAMESPACE, 0)?;
        let rows = (0..KEYS).map(|n| {
            let key = Key::new("key").part(n);
            let text = StoreKey::new(&namespace, &key).to_string();
            Row { key, text, version: AtomicU64::new(0), written: AtomicU64::new(0) }
        });
        let rows: Vec<Row> = rows.collect();

        let first: Cache<u64> =
            Cache::builder(Far::new(&server, 0)).namespace(NAMESPACE).policy(policy).build()?;
        for row in &rows {
            first.set(&row.key, 0).await?;
        }
        let node = |node| -> Outcome<Cache<u64>> {
            let far = Deadline::new(Far::new(&server, node), "far", deadline);
            let near = QuickCacheBackend::new(QuickCacheConfig::entries(ROOM), clock.clone())?;
            let chain = Chain::new(far, clock).near(near)?;
            let chain = if listens { chain } else { chain.without_bus() };
            let cache = Cache::builder(chain).namespace(NAMESPACE).clock(clock.clone());
            Ok(cache.policy(policy).build()?)
        };
        let fleet = Arc::new(Self {
            kernel: Arc::clone(kernel),
            nodes: (0..nodes).map(node).collect::<Outcome<_>>()?,
            server,
            rows,
            zipf: Zipf::new(KEYS, ZIPF),
            seed,
            seen: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        fleet.warm().await?;
        Ok(fleet)
    }

    /// Everybody listens, and reads everything at half of the server's speed.
    async fn warm(self: &Arc<Self>) -> Outcome {
        self.kernel.sleep(SECOND).await;
        let pause = 2 * REDIS.command * KEYS as Moment + MILLI;
        let mut reading = Vec::new();
        for node in &self.nodes {
            let (node, fleet) = (node.clone(), Arc::clone(self));
            reading.push(tokio::spawn(async move {
                let keys: Vec<Key> = fleet.rows.iter().map(|row| row.key.clone()).collect();
                node.get_many(&keys).await
            }));
            self.kernel.sleep(pause).await;
        }
        for reading in reading {
            let _found = reading.await??;
        }
        self.server.trips();
        Ok(())
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn random(&self, process: u64, task: u64) -> Random {
        Random::of_task(self.seed, process, task)
    }

    /// Nobody reads or writes any more; what is under way ends.
    pub(crate) async fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.kernel.sleep(2 * SECOND).await;
    }

    /// Every node reads, each key as often as it is likely.
    pub(crate) fn read(self: &Arc<Self>) {
        for node in 0..self.nodes.len() {
            let fleet = Arc::clone(self);
            let mut random = self.random(2, node as u64);
            tokio::spawn(async move {
                while !fleet.is_over.load(Relaxed) {
                    fleet.kernel.sleep(draw::exponential(&mut random, SECOND / READS)).await;
                    let row = fleet.zipf.draw(&mut random);
                    let fleet = Arc::clone(&fleet);
                    tokio::spawn(async move { fleet.read_one(node, row).await });
                }
            });
        }
    }

    async fn read_one(&self, node: usize, row: usize) {
        let Row { text, written, .. } = &self.rows[row];
        let (floor, written) = (self.server.ledger.floor(text), written.load(Relaxed));
        let answer = self.ask(node, row, LOAD).await;
        let mut seen = self.seen();
        seen.reads += 1;
        match answer {
            Some((version, status, is_near)) => {
                seen.near += u64::from(is_near);
                seen.old += u64::from(version < written);
                if version < floor && status == Status::Joined {
                    seen.joined_older += 1;
                } else if version < floor {
                    seen.wrong += 1;
                }
            }
            None => seen.failed += 1,
        }
    }

    /// The version that a node finds or loads, where it came from, and whether it was near.
    async fn ask(&self, node: usize, row: usize, takes: Moment) -> Option<(u64, Status, bool)> {
        let (kernel, version) = (Arc::clone(&self.kernel), self.rows[row].version.load(Relaxed));
        let load = move || async move {
            kernel.sleep(takes).await;
            Ok::<_, Infallible>(version)
        };
        let found = self.nodes[node].get_or_load(&self.rows[row].key, load).await.ok()?;
        Some((*found, found.status(), found.is_near()))
    }

    /// A caller of this node asks for the first key, which takes this long to load.
    pub(crate) async fn ask_for_the_first(&self, node: usize, takes: Moment) -> bool {
        self.ask(node, 0, takes).await.is_some()
    }

    /// Removes the first key, as somebody does who has changed what it is made of.
    pub(crate) async fn remove_the_first(&self) -> Outcome {
        self.nodes[0].delete(&self.rows[0].key).await?;
        Ok(())
    }

    /// How many loaders have run.
    pub(crate) fn loads(&self) -> u64 {
        self.nodes.iter().map(|node| node.stats().loads).sum()
    }

    /// So many writes a second, each by some node, of some key that nobody is writing.
    pub(crate) fn write(self: &Arc<Self>, a_second: u64) {
        let fleet = Arc::clone(self);
        let mut random = self.random(3, 0);
        let writing = Arc::new(Mutex::new(HashSet::new()));
        tokio::spawn(async move {
            while !fleet.is_over.load(Relaxed) {
                fleet.kernel.sleep(draw::exponential(&mut random, SECOND / a_second)).await;
                let (nodes, keys) = (fleet.nodes.len() as u64, KEYS as u64);
                // Both were lengths.
                let node = usize::try_from(random.below(nodes)).unwrap_or(0);
                let row = usize::try_from(random.below(keys)).unwrap_or(0);
                if !locked(&writing).insert(row) {
                    continue;
                }
                let (fleet, writing) = (Arc::clone(&fleet), Arc::clone(&writing));
                tokio::spawn(async move {
                    fleet.write_one(node, row).await;
                    locked(&writing).remove(&row);
                });
            }
        });
    }

    async fn write_one(&self, node: usize, row: usize) {
        let Row { key, text, version, written } = &self.rows[row];
        let version = version.fetch_add(1, Relaxed) + 1;
        self.server.ledger.begin(text, version, self.kernel.now());
        let is_written = self.nodes[node].set(key, version).await.is_ok();
        if is_written {
            written.fetch_max(version, Relaxed);
        }
        let mut seen = self.seen();
        seen.writes += 1;
        seen.unwritten += u64::from(!is_written);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
