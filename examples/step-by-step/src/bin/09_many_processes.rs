//! Step 9: a second process. In memory, each has its own cache, and what one deletes the other keeps. Two variables give
//! both the same Redis; the program stays as it is.

use larder::Larder;
use step_by_step::{Database, Outcome, Shop, configured, deployed, redis};

/// One process changes a price that both have shown: what each of them shows then, after how many queries.
async fn change(first: Larder, second: Larder) -> Result<(u64, u64, u64), larder::Error> {
    let database = Database::new();
    let (first, second) = (Shop::new(&first, &database)?, Shop::new(&second, &database)?);
    first.product(1).await?;
    second.product(1).await?;
    first.change_price(1, 8).await?;
    Ok((first.product(1).await?.price, second.product(1).await?.price, database.queries()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let process = || configured("deadlines").build();
    let (first, second, queries) = change(process()?, process()?).await?;
    println!("memory: the price is 8, one process says {first}, the other {second}; queries: {queries}");
    assert_eq!((first, second, queries), (8, 10, 3));

    let redis = redis()?;
    let process = || deployed("deadlines", &redis).build();
    let (first, second, queries) = change(process()?, process()?).await?;
    println!("redis:  the price is 8, one process says {first}, the other {second}; queries: {queries}");
    assert_eq!((first, second, queries), (8, 8, 2));
    Ok(())
}
