//! Step 4: once a minute somebody waits for the query. With `stale_while_revalidate` nobody does: the old product is
//! served while the new one is fetched behind.

use std::time::Duration;

use larder::{Clock, cache::Status};
use step_by_step::{Database, Outcome, Shop, configured, until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let clock = Clock::manual();
    let larder = configured("slow_refresh").clock(clock.clone()).build()?;
    let database = Database::new();
    let shop = Shop::new(&larder, &database)?;
    shop.product(1).await?;

    clock.advance(Duration::from_secs(61));
    // Slower than slow: what is answered now was answered without the database.
    database.hangs();
    let product = shop.product(1).await?;
    println!("after 61 s: {}, {} s old", product.status().as_str(), product.age().as_secs());
    assert_eq!(product.status(), Status::Stale);
    until("the query that was begun behind", || database.queries() == 2).await?;

    database.is_well();
    until("the new product to be stored", || shop.products().stats().writes == 2).await?;
    let product = shop.product(1).await?;
    println!("a moment later: {}, {} s old", product.status().as_str(), product.age().as_secs());

    assert_eq!((product.status(), product.age()), (Status::Hit, Duration::ZERO));
    assert_eq!(database.queries(), 2);
    Ok(())
}
