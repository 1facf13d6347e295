//! `docs/features/failover.md`.

use std::time::Duration;

use larder::{
    Backend, Cache, Clock, Larder,
    layer::{Breaker, BreakerSettings, Failover},
};

/// Two servers that need not be there: making a store connects to nothing.
fn servers() -> Larder {
    let mut builder = Larder::builder().environment([("NOT", "ours")]).set("defaults.store", "redis");
    for name in ["redis", "standby"] {
        builder = builder
            .set(format!("stores.{name}.backend"), "redis")
            .set(format!("stores.{name}.url"), format!("redis://{name}.invalid"))
            .set(format!("stores.{name}.breaker"), "none");
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn a_second_store_stands_in_for_the_first() -> Result<(), larder::Error> {
    let clock = Clock::system();
    let servers = servers();
    let (redis, standby) = (servers.store("redis").unwrap(), servers.store("standby").unwrap());
    let first = Breaker::new(redis, "shared", BreakerSettings::new(), &clock)?
        .with_deadline(Duration::from_millis(50))?;
    let store = Failover::new(first, standby, &clock)?;
    assert_eq!(store.circuits().len(), 1);
    let _: Cache<String> = Cache::builder(store).namespace("pages").build()?;
    Ok(())
}
