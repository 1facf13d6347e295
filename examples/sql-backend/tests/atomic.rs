//! The race between a commit and its invalidation: with the invalidation in the same transaction, and without.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use larder_core::{Cache, Clock, Key};
use rusqlite::{Connection, params};
use sql_backend::{SqlBackend, clear_in, invalidate_tag_in};
use tokio::sync::Notify;

/// The program's data, in the same file as the cache.
fn shop(path: &Path) -> Connection {
    let data = Connection::open(path).unwrap();
    data.busy_timeout(Duration::from_secs(5)).unwrap();
    data.execute_batch("CREATE TABLE IF NOT EXISTS prices (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)")
        .unwrap();
    data.execute("INSERT INTO prices VALUES (7, 900) ON CONFLICT DO NOTHING", []).unwrap();
    data
}

/// Only reads, so that it waits for nobody who writes.
fn price(path: &Path) -> u64 {
    let data = Connection::open(path).unwrap();
    let cents: i64 = data.query_row("SELECT cents FROM prices WHERE id = 7", [], |row| row.get(0)).unwrap();
    u64::try_from(cents).unwrap()
}

fn cache(path: &Path) -> Cache<u64> {
    let store = SqlBackend::new(path, Clock::system());
    Cache::builder(store).namespace("prices").invalidation_lag(Duration::ZERO).build().unwrap()
}

/// What a visitor receives.
async fn ask(cache: &Cache<u64>, path: &Path) -> u64 {
    let path = path.to_owned();
    let load = move || async move { Ok::<_, Infallible>(price(&path)) };
    *cache.at(&Key::new("product").part(7)).tags(["product 7"]).get_or_load(load).await.unwrap()
}

#[tokio::test]
async fn without_it_a_program_that_ends_after_its_commit_leaves_the_old_price() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let mut data = shop(&path);
    let cache = cache(&path);
    assert_eq!(ask(&cache, &path).await, 900);
    let transaction = data.transaction().unwrap();
    transaction.execute("UPDATE prices SET cents = ?1 WHERE id = 7", params![800]).unwrap();
    transaction.commit().unwrap();
    // The program ends here: `cache.invalidate_tag` is never reached.
    assert_eq!(ask(&cache, &path).await, 900, "the old price, until its TTL is over");
}

#[tokio::test]
async fn with_it_the_old_price_is_dead_when_the_commit_returns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let mut data = shop(&path);
    let (cache, other) = (cache(&path), cache(&path));
    assert_eq!((ask(&cache, &path).await, ask(&other, &path).await), (900, 900));
    let transaction = data.transaction().unwrap();
    transaction.execute("UPDATE prices SET cents = ?1 WHERE id = 7", params![800]).unwrap();
    invalidate_tag_in(&transaction, "prices", "product 7").unwrap();
    // Before the commit everybody sees the old state, of both.
    assert_eq!((ask(&cache, &path).await, price(&path)), (900, 900));
    transaction.commit().unwrap();
    assert_eq!((ask(&cache, &path).await, ask(&other, &path).await), (800, 800));
}

#[tokio::test]
async fn what_is_rolled_back_invalidates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let mut data = shop(&path);
    let cache = cache(&path);
    assert_eq!(ask(&cache, &path).await, 900);
    let transaction = data.transaction().unwrap();
    transaction.execute("UPDATE prices SET cents = ?1 WHERE id = 7", params![800]).unwrap();
    invalidate_tag_in(&transaction, "prices", "product 7").unwrap();
    clear_in(&transaction, "prices").unwrap();
    transaction.rollback().unwrap();
    let found = cache.get(&Key::new("product").part(7)).await.unwrap();
    assert_eq!(found.map(|cents| *cents), Some(900));
}

/// The load that begins before the transaction and ends after it.
#[tokio::test]
async fn a_load_that_read_the_old_price_is_dead_when_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let mut data = shop(&path);
    let cache = cache(&path);
    let (read, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let loading = {
        let (cache, path, read, go_on) = (cache.clone(), path.clone(), Arc::clone(&read), Arc::clone(&go_on));
        tokio::spawn(async move {
            let load = move || async move {
                let old = price(&path);
                read.notify_one();
                go_on.notified().await;
                Ok::<_, Infallible>(old)
            };
            *cache.at(&Key::new("product").part(7)).tags(["product 7"]).get_or_load(load).await.unwrap()
        })
    };
    read.notified().await;
    let transaction = data.transaction().unwrap();
    transaction.execute("UPDATE prices SET cents = ?1 WHERE id = 7", params![800]).unwrap();
    invalidate_tag_in(&transaction, "prices", "product 7").unwrap();
    transaction.commit().unwrap();
    go_on.notify_one();
    assert_eq!(loading.await.unwrap(), 900, "its caller came before the commit");
    assert_eq!(ask(&cache, &path).await, 800, "whoever comes after it is not given what was read before it");
}

#[tokio::test]
async fn a_clear_reaches_everything_in_the_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let cache = cache(&path);
    cache.set(&Key::new("a"), 1).await.unwrap();
    let mut data = shop(&path);
    let transaction = data.transaction().unwrap();
    clear_in(&transaction, "prices").unwrap();
    transaction.commit().unwrap();
    assert_eq!(cache.get(&Key::new("a")).await.unwrap().map(|value| *value), None);
}

/// `docs/sql-backend.md` shows the lines that are tried here.
#[test]
fn the_page_shows_this_code() {
    let of = |file: &str| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let (page, code) = (of("../../docs/sql-backend.md"), of("tests/atomic.rs"));
    let begins = |line: &String| line.starts_with("transaction.execute(");
    let from = page.iter().position(begins).unwrap();
    let shown: Vec<_> = page[from..].iter().take_while(|line| *line != "```").collect();
    assert_eq!(shown.len(), 3);
    assert!(code.windows(3).any(|part| part.iter().eq(shown.iter().copied())), "{shown:?}");
}
