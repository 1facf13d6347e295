//! `docs/features/what-the-caller-knows.md`.

use std::time::Duration;

use larder::{Cache, Clock};
use step_by_step::{Database, Outcome, Product, Shop};

use super::larder_at;

#[tokio::test]
async fn of_one_value_and_of_all() -> Outcome {
    let clock = Clock::manual();
    let larder = larder_at(&clock);
    let shop = Shop::new(&larder, &Database::new())?;
    let products: Cache<Product> = larder.cache("products")?;
    assert_eq!(shop.product(7).await?.cache_status(), "larder; fwd=miss; stored");
    clock.advance(Duration::from_secs(3));

    let product = shop.product(7).await?;
    println!("{:?}", product.status()); // Hit
    println!("{:?}", product.age()); // 3s
    println!("{:?}", product.remaining()); // After(297s)
    println!("{:?}", product.load_cost()); // 20ms and a little
    println!("Cache-Status: {}", product.cache_status()); // larder; hit; ttl=297
    println!("Age: {}", product.age_seconds()); // 3

    let stats = products.stats();
    println!("{:.0} % hits", stats.hit_rate().unwrap_or_default() * 100.0);
    println!("{} ms saved in all", stats.net_saved_micros() / 1000);

    assert_eq!(product.cache_status(), "larder; hit; ttl=297");
    assert_eq!(format!("{:?} {:?}", product.status(), product.age()), "Hit 3s");
    assert_eq!(format!("{:?}", product.remaining()), "After(297s)");
    assert!(product.load_cost() >= Duration::from_millis(20));
    assert_eq!((stats.hits, stats.misses), (1, 1));
    assert!(stats.saved_micros >= 20_000);
    assert!(stats.net_saved_micros() > 0, "{stats:?}");
    Ok(())
}
