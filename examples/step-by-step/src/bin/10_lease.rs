//! Step 10: eight processes miss the same product at once. Each has one load of its own; under a lease there is one in
//! the fleet.

use larder_test_servers::RedisServer;
use step_by_step::{Database, Outcome, Shop, at_once, deployed, redis, until};

/// Eight processes with five visitors each, all for the same product, which no cache has.
async fn stampede(config: &str, redis: &RedisServer, loads: u64) -> Outcome {
    let database = Database::new();
    let mut shops = Vec::new();
    for _ in 0..8 {
        shops.push(Shop::new(&deployed(config, redis).build()?, &database)?);
    }

    // All visitors have come before the first is answered.
    database.hangs();
    let visitors = at_once(shops.iter().flat_map(|shop| (0..5).map(|_| shop.product(1))));
    let release = async {
        until("all loads", || database.queries() == loads).await?;
        let waiting = || shops.iter().map(|shop| shop.products().stats().leases_awaited).sum::<u64>();
        until("the others to wait for them", || waiting() == 8 - loads).await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (answers, release) = tokio::join!(visitors, release);
    release?;

    println!("{config}.toml: {} visitors of 8 processes, queries: {}", answers.len(), database.queries());
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|product| product.price == 10)));
    assert_eq!(database.queries(), loads);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    stampede("deadlines", &redis()?, 8).await?;
    stampede("lease", &redis()?, 1).await
}
