//! `docs/features/faults-in-tests.md`.

use std::{io, time::Duration};

use larder::{
    Cache, Clock, ErrorKind, Key, Larder,
    backend::NullBackend,
    layer::{Calls, Deadline, Fault, FaultRule, Faults, Mishap},
};

async fn page(cache: &Cache<String>) -> String {
    let load = || async { Ok::<_, io::Error>("from the database".to_owned()) };
    cache.get_or_load(&Key::new("page"), load).await.unwrap().to_string()
}

#[tokio::test]
async fn the_page_is_shown_whatever_the_store_does() -> Result<(), larder::Error> {
    let (clock, server) = (Clock::manual(), NullBackend::new());
    let faults = Faults::new(&clock);
    let store = Deadline::new(Fault::new(server, faults.clone()), "shared", Duration::from_millis(50));
    let cache: Cache<String> = Cache::builder(store).namespace("pages").build()?;
    faults.always(Mishap::Hangs);
    let shown = page(&cache).await;
    assert_eq!(shown, "from the database");
    faults.none();

    faults.seed(7);
    faults.set([
        FaultRule::new(Mishap::Delays(Duration::from_millis(30))).on(Calls::Reads).with_probability(0.1),
        FaultRule::new(Mishap::Fails(ErrorKind::ReadOnly))
            .on(Calls::Writes)
            .between(Duration::from_secs(5), Duration::from_secs(10)),
    ]);
    cache.set(&Key::new("k"), String::new()).await?;
    clock.advance(Duration::from_secs(5));
    let refused = cache.set(&Key::new("k"), String::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    assert_eq!(page(&cache).await, "from the database");
    Ok(())
}

#[tokio::test]
async fn a_configured_store_fails_where_the_program_says_so() -> Result<(), larder::Error> {
    let faults = Faults::new(&Clock::system());
    let larder =
        Larder::builder().set("stores.shared.backend", "null").faults("shared", faults.clone()).build()?;
    let cache: Cache<String> = larder.cache("pages")?;
    faults.always(Mishap::Fails(ErrorKind::Unavailable));
    assert_eq!(page(&cache).await, "from the database");
    assert_eq!(cache.get(&Key::new("page")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    Ok(())
}
