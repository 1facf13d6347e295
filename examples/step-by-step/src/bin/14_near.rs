//! Step 14: a round trip for every visitor. Memory in front of Redis spares it, and Redis tells each process what others change.

use std::time::{Duration, Instant};

use step_by_step::{Database, Outcome, Shop, deployed, redis};
use tokio::time::sleep;

/// Waits until this process shows this price; out of its memory, if that is asked for. How long that took.
async fn shows(shop: &Shop, price: u64, near: bool) -> Result<u128, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    loop {
        let product = shop.product(1).await?;
        if product.price == price && (product.is_near() || !near) {
            return Ok(begun.elapsed().as_millis());
        }
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("the price is {price}, and it goes on saying {}", product.price).into());
        }
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let (redis, database) = (redis()?, Database::new());
    let process = || deployed("near", &redis).build();
    let (first, second) = (Shop::new(&process()?, &database)?, Shop::new(&process()?, &database)?);

    shows(&first, 10, true).await?;
    let before = first.products().stats();
    for _visitor in 0..1000 {
        first.product(1).await?;
    }
    let after = first.products().stats();
    let (reads, near) = (after.hits - before.hits, after.near_hits - before.near_hits);
    println!("{reads} visitors, {near} of them served from memory");
    assert_eq!((reads, near), (1000, 1000));

    second.change_price(1, 8).await?;
    let took = shows(&first, 8, false).await?;
    println!("the other process changes the price to 8, and this one shows it after {took} ms");
    Ok(())
}
