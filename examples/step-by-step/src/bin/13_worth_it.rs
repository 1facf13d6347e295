//! Step 13: is it worth it? A cache counts what it saved. One of these two should stay, and one should go.

use larder::{Cache, Larder};
use step_by_step::{Database, Outcome, Product, Shop, at_once, deployed, product_key, redis};

fn report(cache: &Cache<Product>) {
    let stats = cache.stats();
    let percent = stats.hit_rate().unwrap_or_default() * 100.0;
    println!("{}: {percent:.0} % of {} reads were hits", cache.name(), stats.hits + stats.misses);
    println!("  {} loads took {} ms", stats.loads, stats.load_micros / 1000);
    println!("  {} hits saved {} ms", stats.hits, stats.saved_micros / 1000);
    println!("  asking the store took {} ms", stats.store_micros / 1000);
    println!("  {}", if stats.net_saved_micros() > 0 { "worth it" } else { "not worth it" });
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let redis = redis()?;
    let larder: Larder = deployed("worth_it", &redis).build()?;
    let database = Database::new();

    // Some products are asked for far more often than others.
    let shop = Shop::new(&larder, &database)?;
    for visit in 0..500_u64 {
        shop.product(visit * visit % 20).await?;
    }
    report(shop.products());

    // No two visitors type the same words.
    let searches: Cache<Product> = larder.cache("searches")?;
    let search = |words: u64| {
        let (searches, database) = (searches.clone(), database.clone());
        async move {
            searches
                .get_or_load(&product_key(words), move || async move { database.product(words).await })
                .await
        }
    };
    for answer in at_once((1000..1020).map(search)).await {
        answer?;
    }
    report(&searches);

    let (worth, not) = (shop.products().stats(), searches.stats());
    assert_eq!((worth.hits, worth.loads), (494, 6));
    assert_eq!((not.hits, not.loads, not.saved_micros), (0, 20, 0));
    assert!(worth.saved_micros >= 494 * 20_000, "{}", worth.saved_micros);
    assert!(worth.net_saved_micros() > 0 && not.net_saved_micros() < 0, "{worth:?} {not:?}");
    Ok(())
}
