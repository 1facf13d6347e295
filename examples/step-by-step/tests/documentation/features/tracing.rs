//! `docs/features/tracing.md`.

use std::time::Duration;

use larder::{
    Cache, Key,
    backend::NullBackend,
    layer::{Deadline, Trace},
};

#[tokio::test]
async fn each_call_of_a_store_has_a_span() -> Result<(), larder::Error> {
    let server = NullBackend::new();
    let store = Trace::new(Deadline::new(server, "shared", Duration::from_millis(50)), "shared");
    let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
    users.get(&Key::new("ada")).await?; // store{store="shared" operation="get" keys=1 outcome="miss"}
    Ok(())
}
