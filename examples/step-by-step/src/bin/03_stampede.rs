//! Step 3: the minute is over, and forty visitors come at once. A cache that is asked and filled by hand sends all of
//! them to the database; `get_or_load` sends one.

use std::{error::Error, time::Duration};

use larder::{Cache, Clock};
use step_by_step::{Database, Outcome, Product, Shop, at_once, configured, product_key};

/// As caches are used where there is no `get_or_load`.
async fn by_hand(cache: &Cache<Product>, database: &Database, id: u64) -> Result<Product, Box<dyn Error>> {
    if let Some(found) = cache.get(&product_key(id)).await? {
        return Ok(Product::clone(&found));
    }
    let product = database.product(id).await?;
    cache.set(&product_key(id), product.clone()).await?;
    Ok(product)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let (clock, database) = (Clock::manual(), Database::new());
    let cache = configured("in_memory").clock(clock.clone()).build()?.cache("products")?;
    by_hand(&cache, &database, 1).await?;
    clock.advance(Duration::from_secs(61));
    at_once((0..40).map(|_| by_hand(&cache, &database, 1))).await;
    let queries = database.queries() - 1;
    println!("get, query, set: 40 visitors at once, queries: {queries}");
    assert_eq!(queries, 40);

    let (clock, database) = (Clock::manual(), Database::new());
    let shop = Shop::new(&configured("in_memory").clock(clock.clone()).build()?, &database)?;
    shop.product(1).await?;
    clock.advance(Duration::from_secs(61));
    let answers = at_once((0..40).map(|_| shop.product(1))).await;
    let queries = database.queries() - 1;
    println!("get_or_load:     40 visitors at once, queries: {queries}");
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(queries, 1);
    Ok(())
}
