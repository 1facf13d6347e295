//! What the programs of `docs/step-by-step.md` have in common: a shop, its slow database, and its visitors.

mod database;
mod shop;

use std::{error::Error, path::Path, time::Duration};

use futures_util::future;
use larder::{Larder, LarderBuilder};
use larder_test_servers::RedisServer;
use tokio::time::{Instant, sleep};

pub use self::{
    database::{CONNECTIONS, Database, DatabaseError, Product, QUERY},
    shop::{Shop, product_key},
};

/// What can go wrong in a program that only shows something: anything.
pub type Outcome = Result<(), Box<dyn Error>>;

/// A Larder with the configuration `config/NAME.toml`. The environment is left out, so that every run is the same.
pub fn configured(name: &str) -> LarderBuilder {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name).with_extension("toml");
    Larder::builder().file(file).environment([] as [(&str, &str); 0])
}

/// The same, with the variables of a deployment that has this Redis.
pub fn deployed(name: &str, redis: &RedisServer) -> LarderBuilder {
    configured(name).environment([
        ("LARDER_STORES__MAIN__BACKEND", "redis"),
        ("LARDER_STORES__MAIN__URL", redis.url()),
        // Not for a service: whoever runs this may have a very busy machine.
        ("LARDER_STORES__MAIN__DEADLINE", "5s"),
    ])
}

/// A Redis server of this program's own, which ends with it.
///
/// # Errors
/// Why there is none, and what to install.
pub fn redis() -> Result<RedisServer, Box<dyn Error>> {
    RedisServer::builder()
        .try_start()
        .map_err(|why| format!("this step needs a Redis server, and could not start one: {why}").into())
}

/// All these at once; what each was given, in their order.
pub async fn at_once<V: Future>(visitors: impl IntoIterator<Item = V>) -> Vec<V::Output> {
    future::join_all(visitors).await
}

/// Waits until something holds.
///
/// # Errors
/// That it did not within ten seconds.
pub async fn until(what: &str, holds: impl Fn() -> bool) -> Outcome {
    const PATIENCE: Duration = Duration::from_secs(10);
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("waited in vain for this: {what}").into());
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
