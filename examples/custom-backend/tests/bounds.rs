//! The file does not grow without end: expired entries go as others are written, and beyond the bound those that end
//! soonest.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{path::Path, sync::Arc, time::Duration};

use custom_backend::{ENTRIES, RedbBackend, RedbConfig};
use larder_core::{Cache, Clock, Key};
use redb::ReadableTableMetadata as _;

struct Setup {
    store: Arc<RedbBackend>,
    cache: Cache<u64>,
    clock: Clock,
}

fn setup(path: &Path, max_entries: u64) -> Setup {
    let clock = Clock::manual();
    let mut config = RedbConfig::new(path.join("cache.redb"));
    config.max_entries = max_entries;
    let store = Arc::new(RedbBackend::new(config, clock.clone()).unwrap());
    let cache = Cache::builder(Arc::clone(&store)).namespace("n").clock(clock.clone()).build().unwrap();
    Setup { store, cache, clock }
}

impl Setup {
    /// Writes values under the numbers, to live so long.
    async fn write(&self, numbers: std::ops::Range<u64>, life: Duration) {
        for number in numbers {
            let key = Key::new("k").part(number);
            self.cache.at(&key).ttl(life).set(number).await.unwrap();
        }
    }

    async fn count(&self, numbers: std::ops::Range<u64>) -> usize {
        let keys: Vec<Key> = numbers.map(|number| Key::new("k").part(number)).collect();
        let found = self.cache.get_many(&keys).await.unwrap();
        found.into_iter().filter(|one| one.as_ref().unwrap().is_some()).count()
    }

    /// How many entries stand in the file, the cache's own bookkeeping included.
    fn rows(&self) -> u64 {
        let transaction = self.store.database().unwrap().begin_read().unwrap();
        transaction.open_table(ENTRIES).unwrap().len().unwrap()
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn expired_entries_go_as_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path(), 1_000_000);
    setup.write(0..100, MINUTE).await;
    let full = setup.rows();
    setup.clock.advance(MINUTE * 2);
    assert_eq!(setup.rows(), full, "nothing removes them but writes");

    setup.write(100..150, MINUTE).await;
    assert!(setup.rows() < full - 45, "{} of {full} rows are left", setup.rows());
    assert_eq!(setup.count(100..150).await, 50);
}

#[tokio::test]
async fn beyond_the_bound_those_go_that_end_soonest() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path(), 50);
    setup.write(0..40, MINUTE).await;
    setup.write(40..80, MINUTE * 3).await;
    assert!(setup.rows() <= 50, "{}", setup.rows());
    assert_eq!(setup.count(40..80).await, 40);
    assert!(setup.count(0..40).await <= 10);
}

#[tokio::test]
async fn many_writes_at_once_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path(), 1_000_000);
    let items: Vec<(Key, u64)> = (0..5000).map(|number| (Key::new("k").part(number), number)).collect();
    let written = setup.cache.set_many(items).await.unwrap();
    assert!(written.into_iter().all(|one| one.is_ok()));
    assert_eq!(setup.count(0..5000).await, 5000);
}
