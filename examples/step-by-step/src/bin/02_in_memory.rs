//! Step 2: a cache in memory. The database is asked once a minute for each product.

use std::time::Duration;

use larder::Clock;
use step_by_step::{Database, Outcome, Shop, configured};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    // A minute of the story is over as soon as we say so.
    let clock = Clock::manual();
    let larder = configured("in_memory").clock(clock.clone()).build()?;
    let database = Database::new();
    let shop = Shop::new(&larder, &database)?;

    for second in [0, 1, 58, 2] {
        clock.advance(Duration::from_secs(second));
        let product = shop.product(1).await?;
        println!(
            "price {}: {}, {} s old; queries so far: {}",
            product.price,
            product.status().as_str(),
            product.age().as_secs(),
            database.queries()
        );
    }

    assert_eq!(database.queries(), 2);
    assert_eq!(shop.products().stats().hits, 2);
    Ok(())
}
