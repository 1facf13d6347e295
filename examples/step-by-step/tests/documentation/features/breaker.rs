//! `docs/features/breaker.md`.

use std::time::Duration;

use larder::{
    Backend, Cache, Clock, ErrorKind, Key,
    backend::{CircuitState, NullBackend},
    layer::{Breaker, BreakerSettings, Fault, Faults, Mishap},
};

#[tokio::test]
async fn a_store_that_fails_is_not_asked_for_a_while() -> Result<(), larder::Error> {
    let clock = Clock::manual();
    let faults = Faults::new(&clock);
    let server = Fault::new(NullBackend::new(), faults.clone());
    let settings = BreakerSettings::new().with_open_for(Duration::from_millis(500));
    let store = Breaker::new(server, "shared", settings, &clock)?
        .with_deadline(Duration::from_millis(50))?
        .on_change(|store, circuit| println!("{store}: {}", circuit.state));
    let store = std::sync::Arc::new(store);
    let cache: Cache<String> = Cache::builder(store.clone()).namespace("pages").build()?;
    let key = Key::new("k");
    faults.always(Mishap::Fails(ErrorKind::Unavailable));
    for _ in 0..16 {
        cache.get(&key).await.unwrap_err();
    }
    faults.none();
    for circuit in store.circuits() {
        println!("{:?} is {}: {:?}", circuit.server, circuit.state, circuit.failure);
    }
    assert_eq!(store.state(), CircuitState::Open);
    assert!(cache.get(&key).await.unwrap_err().message().starts_with("not sent"));
    clock.advance(Duration::from_millis(500));
    assert!(cache.get(&key).await?.is_none());
    assert_eq!(store.state(), CircuitState::Closed);
    Ok(())
}
