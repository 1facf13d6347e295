//! `docs/features/chains.md`.

use std::convert::Infallible;

use larder::{Cache, Key, Larder};
use step_by_step::Outcome;

fn larder(url: &str) -> Result<Larder, larder::Error> {
    Larder::builder()
        .environment([("NOT", "ours")])
        .set("stores.near.backend", "memory")
        .set("stores.near.max_bytes", "64 MiB")
        .set("stores.shared.backend", "redis")
        .set("stores.shared.url", url)
        // However busy the machine is.
        .set("stores.shared.deadline", "none")
        .set("defaults.store", "near,shared")
        .set("defaults.near.ttl", "10m")
        // What is read before the channel is open would be asked for again.
        .set("defaults.near.bus", false)
        .set("defaults.invalidation_lag", "10m")
        .build()
}

#[tokio::test]
async fn what_was_read_is_near() -> Outcome {
    let server = larder_test_servers::RedisServer::start();
    let (here, elsewhere) = (larder(server.url())?, larder(server.url())?);
    let products: Cache<String> = here.cache("products")?;
    let load = || async { Ok::<_, Infallible>("kettle".to_owned()) };
    let key = Key::new("product").part(7);
    elsewhere.cache::<String>("products")?.get_or_load(&key, load).await?;

    let product = products.get_or_load(&key, load).await?;
    assert_eq!(*product, "kettle");
    let again = products.get_or_load(&key, load).await?;
    assert_eq!(*again, "kettle");
    let stats = products.stats();
    assert_eq!((stats.hits, stats.near_hits, stats.loads), (2, 1, 0));
    Ok(())
}
