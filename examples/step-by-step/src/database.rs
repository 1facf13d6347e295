//! A database as services have them: right, slow, with few connections, and not always there.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};

/// How long a query takes.
pub const QUERY: Duration = Duration::from_millis(20);
/// How many queries run at once; more wait for their turn.
pub const CONNECTIONS: usize = 4;

/// The price of what was never given one.
const LIST_PRICE: u64 = 10;

/// What the shop sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its number.
    pub id: u64,
    /// What it costs.
    pub price: u64,
}

/// The database did not answer.
#[derive(Debug)]
pub struct DatabaseError;

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is down")
    }
}

impl Error for DatabaseError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Hanging,
    Down,
}

/// A slow database. Cloning it gives another handle on the same one.
#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prices: Mutex<HashMap<u64, u64>>,
    connections: Semaphore,
    queries: AtomicU64,
    mood: watch::Sender<Mood>,
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A database in which every product has its list price, 10.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            prices: Mutex::default(),
            connections: Semaphore::new(CONNECTIONS),
            queries: AtomicU64::new(0),
            mood: watch::Sender::new(Mood::Well),
        }))
    }

    /// Looks a product up: as it is when the query begins, which takes [`QUERY`], or longer if it waits for a connection
    /// or the database hangs.
    ///
    /// # Errors
    /// When the database is down.
    pub async fn product(&self, id: u64) -> Result<Product, DatabaseError> {
        self.0.queries.fetch_add(1, Relaxed);
        let _connection = self.0.connections.acquire().await.map_err(|_| DatabaseError)?;
        let mut mood = self.0.mood.subscribe();
        if *mood.borrow() == Mood::Down {
            return Err(DatabaseError);
        }
        let price = self.prices().get(&id).copied().unwrap_or(LIST_PRICE);
        sleep(QUERY).await;
        match mood.wait_for(|mood| *mood != Mood::Hanging).await.as_deref() {
            Ok(Mood::Well) => Ok(Product { id, price }),
            _ => Err(DatabaseError),
        }
    }

    /// Commits a new price.
    pub async fn set_price(&self, id: u64, price: u64) {
        sleep(QUERY).await;
        self.prices().insert(id, price);
    }

    /// How many queries have arrived.
    pub fn queries(&self) -> u64 {
        self.0.queries.load(Relaxed)
    }

    /// From now on every query fails.
    pub fn goes_down(&self) {
        self.0.mood.send_replace(Mood::Down);
    }

    /// From now on queries arrive and are not answered until the database is well.
    pub fn hangs(&self) {
        self.0.mood.send_replace(Mood::Hanging);
    }

    /// From now on queries are answered again, those that hang as well.
    pub fn is_well(&self) {
        self.0.mood.send_replace(Mood::Well);
    }

    fn prices(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        // Nothing in here can panic half-way through a change.
        self.0.prices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
