//! `docs/features/bus.md`.

use std::time::{Duration, Instant};

use larder::{Cache, Key, Larder};
use step_by_step::Outcome;

fn larder(url: &str) -> Result<Larder, larder::Error> {
    Larder::builder()
        .environment([("NOT", "ours")])
        .set("stores.near.backend", "memory")
        .set("stores.shared.backend", "redis")
        .set("stores.shared.url", url)
        // However busy the machine is.
        .set("stores.shared.deadline", "none")
        .set("defaults.store", "near,shared")
        .build()
}

#[tokio::test]
async fn what_others_write_is_heard() -> Outcome {
    let server = larder_test_servers::RedisServer::start();
    let (here, elsewhere) = (larder(server.url())?, larder(server.url())?);
    let products: Cache<String> = here.cache("products")?;
    let elsewhere: Cache<String> = elsewhere.cache("products")?;
    let key = Key::new("product").part(7);

    elsewhere.set(&key, "kettle".to_owned()).await?;
    // After a moment it is near, and stays there.
    near(&products, &key, "kettle").await?;

    elsewhere.set(&key, "teapot".to_owned()).await?;
    // No copy would have ended in this hour: the notice of the write has removed it.
    near(&products, &key, "teapot").await?;
    Ok(())
}

/// Waits until this is read out of a near copy.
async fn near(products: &Cache<String>, key: &Key, expected: &str) -> Outcome {
    let begun = Instant::now();
    while !products.get(key).await?.is_some_and(|read| *read == expected && read.is_near()) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{expected} is not near");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
