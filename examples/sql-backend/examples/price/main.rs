//! Changes a price a thousand times while visitors ask for it, with the invalidation after the commit and in the same
//! transaction, and counts who was told an old price after the commit had returned: `cargo run -p sql-backend --example price`.

#![allow(clippy::unwrap_used, reason = "an example ends with what is wrong")]

use std::{
    convert::Infallible,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use larder_core::{Cache, Clock, Key};
use rusqlite::{Connection, params};
use sql_backend::{SqlBackend, invalidate_tag_in};

const CHANGES: u64 = 1000;

#[tokio::main]
async fn main() {
    for in_transaction in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (asked, old) = run(&folder.path().join("shop.db"), in_transaction).await;
        let when = if in_transaction { "in the transaction" } else { "after the commit" };
        println!("invalidation {when}: {old} of {asked} visitors were told an old price after the commit");
    }
}

fn open(path: &Path) -> Connection {
    let data = Connection::open(path).unwrap();
    data.busy_timeout(Duration::from_secs(5)).unwrap();
    data
}

async fn run(path: &Path, in_transaction: bool) -> (u64, u64) {
    let store = SqlBackend::new(path, Clock::system());
    let cache: Cache<u64> =
        Cache::builder(store).namespace("prices").invalidation_lag(Duration::ZERO).build().unwrap();
    // Opens the database, and makes the table of the entries.
    cache.get(&Key::new("nothing")).await.unwrap();
    open(path)
        .execute_batch("CREATE TABLE prices (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL); INSERT INTO prices VALUES (7, 0)")
        .unwrap();
    let committed = Arc::new(AtomicU64::new(0));
    let visitors: Vec<_> =
        (0..4).map(|_| tokio::spawn(visit(cache.clone(), path.to_owned(), Arc::clone(&committed)))).collect();
    let mut data = open(path);
    for cents in 1..=CHANGES {
        let transaction = data.transaction().unwrap();
        transaction
            .execute("UPDATE prices SET cents = ?1 WHERE id = 7", params![i64::try_from(cents).unwrap()])
            .unwrap();
        if in_transaction {
            invalidate_tag_in(&transaction, "prices", "product 7").unwrap();
        }
        transaction.commit().unwrap();
        committed.store(cents, SeqCst);
        if !in_transaction {
            cache.invalidate_tag("product 7").await.unwrap();
        }
        // SQLite has one writer at a time: visitors who load have to get their turn.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    committed.store(u64::MAX, SeqCst);
    let (mut asked, mut old) = (0, 0);
    for visitor in visitors {
        let (its, of_them) = visitor.await.unwrap();
        asked += its;
        old += of_them;
    }
    (asked, old)
}

/// Asks again and again; how often, and how often the answer was older than what had been committed before the question.
async fn visit(cache: Cache<u64>, path: std::path::PathBuf, committed: Arc<AtomicU64>) -> (u64, u64) {
    let (mut asked, mut old) = (0, 0);
    loop {
        let before = committed.load(SeqCst);
        if before == u64::MAX {
            return (asked, old);
        }
        let path = path.clone();
        let load = move || async move {
            let cents: i64 =
                open(&path).query_row("SELECT cents FROM prices WHERE id = 7", [], |row| row.get(0)).unwrap();
            Ok::<_, Infallible>(u64::try_from(cents).unwrap())
        };
        let told =
            cache.at(&Key::new("product").part(7)).tags(["product 7"]).get_or_load(load).await.unwrap();
        asked += 1;
        old += u64::from(*told < before);
        tokio::task::yield_now().await;
    }
}
