//! The "database": for each key the version that was committed last, and the floor, the newest version whose
//! invalidation has returned. Within the process it is a table; for several it is asked over loopback.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Barrier, mpsc::UnboundedSender};

use super::tally::Tally;
use crate::wire::{Client, Service};

/// Few, so that those who read and write meet.
pub(crate) const KEYS: usize = 16;

#[derive(Debug, Default)]
struct Row {
    version: AtomicU64,
    floor: AtomicU64,
    /// When the floor rose to what.
    rises: Mutex<VecDeque<(Instant, u64)>>,
}

/// How long it is remembered when a floor rose. Nobody may be later than that.
const REMEMBERED: Duration = Duration::from_secs(10);

impl Row {
    fn rise(&self, version: u64) {
        if self.floor.fetch_max(version, SeqCst) >= version {
            return;
        }
        let now = Instant::now();
        let mut rises = self.rises.lock().unwrap_or_else(PoisonError::into_inner);
        while rises.len() > 1 && rises[1].0 + REMEMBERED < now {
            rises.pop_front();
        }
        rises.push_back((now, version));
    }

    /// The floor of so long ago. Two that rose at once may be in either order.
    fn floor(&self, ago: Duration) -> u64 {
        if ago.is_zero() {
            return self.floor.load(SeqCst);
        }
        let now = Instant::now();
        let rises = self.rises.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rises.iter().take_while(|(at, _)| *at + ago <= now);
        known.map(|(_, version)| *version).max().unwrap_or(0)
    }
}

/// What is committed and what is invalidated.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: [Row; KEYS],
    asked: AtomicU64,
}

impl Table {
    /// How often a floor was asked for, which every read does first.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }

    /// What a read of this key that begins now must yield at least, by one who may be so late.
    fn floor(&self, key: usize, late: Duration) -> Option<u64> {
        self.asked.fetch_add(1, SeqCst);
        Some(self.rows.get(key)?.floor(late))
    }

    fn read(&self, key: usize) -> Option<u64> {
        Some(self.rows.get(key)?.version.load(SeqCst))
    }

    fn commit(&self, key: usize) -> Option<u64> {
        Some(self.rows.get(key)?.version.fetch_add(1, SeqCst) + 1)
    }

    /// The cache has said that the key is gone, after this version was committed.
    fn invalidated(&self, key: usize, version: u64) -> Option<()> {
        self.rows.get(key)?.rise(version);
        Some(())
    }
}

/// The table, wherever it is.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Here(Arc<Table>),
    There(Arc<Client>),
}

impl Database {
    pub(crate) async fn floor(&self, key: usize, late: Duration) -> io::Result<u64> {
        match self {
            Self::Here(table) => known(table.floor(key, late)),
            Self::There(client) => {
                let late = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
                client.ask_one("floor", &[key as u64, late]).await
            }
        }
    }

    pub(crate) async fn read(&self, key: usize) -> io::Result<u64> {
        match self {
            Self::Here(table) => known(table.read(key)),
            Self::There(client) => client.ask_one("read", &[key as u64]).await,
        }
    }

    pub(crate) async fn commit(&self, key: usize) -> io::Result<u64> {
        match self {
            Self::Here(table) => known(table.commit(key)),
            Self::There(client) => client.ask_one("commit", &[key as u64]).await,
        }
    }

    pub(crate) async fn invalidated(&self, key: usize, version: u64) -> io::Result<()> {
        match self {
            Self::Here(table) => known(table.invalidated(key, version)),
            Self::There(client) => client.ask("invalidated", &[key as u64, version]).await.map(drop),
        }
    }
}

fn known<T>(found: Option<T>) -> io::Result<T> {
    found.ok_or_else(|| io::Error::other("there is no such key"))
}

/// The table as other processes see it, with what else they share: the seed, the start and the results.
#[derive(Debug)]
pub(crate) struct Host {
    seed: u64,
    table: Arc<Table>,
    start: Barrier,
    told: UnboundedSender<Tally>,
}

impl Host {
    pub(crate) fn new(processes: u64, seed: u64, table: Arc<Table>, told: UnboundedSender<Tally>) -> Self {
        // 64 at most.
        let processes = usize::try_from(processes).unwrap_or(usize::MAX);
        Self { seed, table, start: Barrier::new(processes), told }
    }
}

impl Service for Host {
    async fn answer(&self, word: &str, numbers: &[u64]) -> Option<Vec<u64>> {
        let key = |number: u64| usize::try_from(number).ok();
        match (word, numbers) {
            ("seed", []) => Some(vec![self.seed]),
            ("ready", []) => {
                self.start.wait().await;
                Some(Vec::new())
            }
            ("floor", &[number, late]) => {
                Some(vec![self.table.floor(key(number)?, Duration::from_millis(late))?])
            }
            ("read", &[number]) => Some(vec![self.table.read(key(number)?)?]),
            ("commit", &[number]) => Some(vec![self.table.commit(key(number)?)?]),
            ("invalidated", &[number, version]) => {
                self.table.invalidated(key(number)?, version)?;
                Some(Vec::new())
            }
            ("done", numbers) => {
                // Nobody waits for it any more only when the run was given up.
                let _ = self.told.send(Tally::of(numbers)?);
                Some(Vec::new())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn the_floor_rises_to_what_was_invalidated_and_never_falls() {
        let table = Table::default();
        let now = Duration::ZERO;
        assert_eq!((table.read(3), table.floor(3, now)), (Some(0), Some(0)));
        let (first, second) = (table.commit(3).unwrap(), table.commit(3).unwrap());
        assert_eq!((first, second), (1, 2));
        assert_eq!((table.read(3), table.floor(3, now)), (Some(2), Some(0)));
        // The later writer's invalidation returns first.
        table.invalidated(3, second).unwrap();
        table.invalidated(3, first).unwrap();
        assert_eq!(table.floor(3, now), Some(2));
        assert_eq!(table.floor(4, now), Some(0));
        assert_eq!(table.asked(), 4);
        // Who may be late need not know of it yet.
        assert_eq!(table.floor(3, Duration::from_secs(5)), Some(0));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(table.floor(3, Duration::from_millis(1)), Some(2));
    }

    #[tokio::test]
    async fn there_it_is_as_it_is_here() {
        let table = Arc::new(Table::default());
        let (told, mut tallies) = mpsc::unbounded_channel();
        let host = Host::new(1, 7, Arc::clone(&table), told);
        let client = Arc::new(Client::new(crate::wire::serve(Arc::new(host)).await.unwrap()));
        assert_eq!(client.ask_one("seed", &[]).await.unwrap(), 7);
        client.ask("ready", &[]).await.unwrap();

        let (here, there) = (Database::Here(table), Database::There(Arc::clone(&client)));
        let version = there.commit(5).await.unwrap();
        assert_eq!(here.read(5).await.unwrap(), version);
        assert_eq!(there.read(5).await.unwrap(), version);
        assert_eq!(there.floor(5, Duration::ZERO).await.unwrap(), 0);
        there.invalidated(5, version).await.unwrap();
        assert_eq!(here.floor(5, Duration::ZERO).await.unwrap(), version);
        for database in [here, there] {
            assert!(database.floor(KEYS, Duration::ZERO).await.is_err());
            assert!(database.invalidated(KEYS, 1).await.is_err());
        }

        let tally = Tally { rounds: 3, ..Tally::default() };
        client.ask("done", &tally.numbers()).await.unwrap();
        assert_eq!(tallies.recv().await, Some(tally));
    }
}
