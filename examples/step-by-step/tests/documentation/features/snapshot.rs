//! `docs/features/snapshot.md`.

use std::{convert::Infallible, time::Duration};

use larder::{
    Cache, Clock, Key, Larder,
    cache::{Policy, Status},
};
use step_by_step::Outcome;

fn start(path: &str, clock: &Clock) -> Result<Larder, larder::Error> {
    Larder::builder()
        .environment([("NOT", "ours")])
        .clock(clock.clone())
        .set("stores.main.backend", "memory")
        .set("stores.main.snapshot", path)
        .build()
}

fn pages(larder: &Larder) -> Result<Cache<String>, larder::Error> {
    larder.cache_with("pages", |cache| {
        cache.policy(
            Policy::new(Duration::from_mins(10))
                // What the last process has left is served within this window, while it is made anew.
                .stale_while_revalidate(Duration::from_hours(1)),
        )
    })
}

#[tokio::test]
async fn what_a_process_leaves_is_served_by_the_next_as_stale() -> Outcome {
    let folder = std::env::temp_dir().join(format!("larder-docs-snapshot-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (path, clock) = (folder.join("pages").display().to_string(), Clock::manual());
    let key = Key::new("home");
    let load = || async { Ok::<_, Infallible>("<html>".to_owned()) };

    let larder = start(&path, &clock)?;
    pages(&larder)?.get_or_load(&key, load).await?;
    larder.close().await?;

    let larder = start(&path, &clock)?;
    assert_eq!(pages(&larder)?.get_or_load(&key, load).await?.status(), Status::Stale);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
