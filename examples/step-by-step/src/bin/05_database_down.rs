//! Step 5: the database is down. With `stale_if_error` the shop goes on with what it has, and leaves the database alone.

use std::time::Duration;

use larder::{Clock, cache::Status};
use step_by_step::{Database, Outcome, Shop, configured};

/// A shop that had a visitor two minutes ago, and whose database is down now.
async fn outage(config: &str, clock: &Clock, database: &Database) -> Result<Shop, larder::Error> {
    let larder = configured(config).clock(clock.clone()).build()?;
    let shop = Shop::new(&larder, database)?;
    shop.product(1).await?;
    clock.advance(Duration::from_mins(2));
    database.goes_down();
    Ok(shop)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let (clock, database) = (Clock::manual(), Database::new());
    let shop = outage("slow_refresh", &clock, &database).await?;
    let mut errors = 0;
    for _ in 0..10 {
        errors += u32::from(shop.product(1).await.is_err());
    }
    println!("without: {errors} of 10 visitors got an error, queries: {}", database.queries() - 1);
    assert_eq!((errors, database.queries()), (10, 11));

    let (clock, database) = (Clock::manual(), Database::new());
    let shop = outage("database_down", &clock, &database).await?;
    let mut stale = 0;
    for _ in 0..10 {
        stale += u32::from(shop.product(1).await?.status() == Status::Stale);
    }
    println!("with:    {stale} of 10 visitors got the old product, queries: {}", database.queries() - 1);
    assert_eq!((stale, database.queries()), (10, 2));

    clock.advance(Duration::from_secs(1));
    shop.product(1).await?;
    println!("after error_backoff: one more visitor, queries: {}", database.queries() - 1);
    assert_eq!(database.queries(), 3);

    database.is_well();
    clock.advance(Duration::from_secs(1));
    let product = shop.product(1).await?;
    println!("the database is back: {}, {} s old", product.status().as_str(), product.age().as_secs());
    assert_eq!(product.status(), Status::Loaded);
    Ok(())
}
