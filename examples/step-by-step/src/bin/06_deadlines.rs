//! Step 6: the database is not down, it hangs. `soft_deadline` bounds the wait where there is something old to serve,
//! `hard_deadline` where there is nothing.

use std::time::Duration;

use larder::{Clock, ErrorKind, cache::Status};
use step_by_step::{Database, Outcome, Shop, configured, until};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let clock = Clock::manual();
    let larder = configured("deadlines").clock(clock.clone()).build()?;
    let database = Database::new();
    let shop = Shop::new(&larder, &database)?;
    shop.product(1).await?;
    clock.advance(Duration::from_mins(2));
    database.hangs();

    let product = shop.product(1).await?;
    println!("soft deadline: {}, {} s old", product.status().as_str(), product.age().as_secs());
    assert_eq!(product.status(), Status::Stale);

    let error = shop.product(2).await.err().ok_or("nobody can have product 2")?;
    println!("hard deadline: {error}");
    assert_eq!(error.kind(), ErrorKind::Timeout);

    // Neither of the two loads was given up.
    database.is_well();
    until("both products to be stored", || shop.products().stats().writes == 3).await?;
    for id in [1, 2] {
        let product = shop.product(id).await?;
        println!("product {id}: {}, {} s old", product.status().as_str(), product.age().as_secs());
        assert_eq!(product.status(), Status::Hit);
    }
    println!("queries: {}", database.queries());
    assert_eq!(database.queries(), 3);
    Ok(())
}
