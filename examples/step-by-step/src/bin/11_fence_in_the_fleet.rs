//! Step 11: the price changes in one process while another one's query is under way. What a process deletes its own loads
//! respect; under a lease, so do those of all others.

use larder::Cache;
use larder_test_servers::RedisServer;
use step_by_step::{Database, Outcome, Product, Shop, deployed, product_key, redis, until};

/// What the shared cache has after that.
async fn race(config: &str, redis: &RedisServer) -> Result<Option<u64>, Box<dyn std::error::Error>> {
    let database = Database::new();
    let (reading, writing) = (deployed(config, redis).build()?, deployed(config, redis).build()?);
    let (reader, writer) = (Shop::new(&reading, &database)?, Shop::new(&writing, &database)?);

    database.hangs();
    let change = async {
        until("the visitor's query", || database.queries() == 1).await?;
        writer.change_price(1, 8).await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (visitor, change) = tokio::join!(reader.product(1), change);
    change?;
    // Who came before the change may be told the old price.
    assert_eq!(visitor?.price, 10);

    let cache: &Cache<Product> = writer.products();
    Ok(cache.get(&product_key(1)).await?.map(|product| product.price))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let without = race("deadlines", &redis()?).await?;
    println!("deadlines.toml: the price is 8, the shared cache has {without:?}");
    let with = race("lease", &redis()?).await?;
    println!("lease.toml:     the price is 8, the shared cache has {with:?}");
    assert_eq!((without, with), (Some(10), None));
    Ok(())
}
