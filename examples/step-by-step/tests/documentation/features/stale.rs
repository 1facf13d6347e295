//! `docs/features/stale.md`.

use std::{io, time::Duration};

use larder::{
    Cache, Clock, Key,
    cache::{Policy, Status},
};
use step_by_step::Outcome;

use super::larder_at;

#[tokio::test]
async fn two_windows() -> Outcome {
    let clock = Clock::manual();
    let larder = larder_at(&clock);
    let searches: Cache<String> = larder.cache_with("searches", |cache| {
        cache.policy(
            Policy::new(Duration::from_mins(1))
                // Up to here, it is served at once and one load begins behind it;
                .stale_while_revalidate(Duration::from_secs(30))
                // up to here, it is served if the loader fails,
                .stale_if_error(Duration::from_hours(1))
                // or is slower than this.
                .soft_deadline(Duration::from_millis(50)),
        )
    })?;
    let key = Key::new("plums");
    searches.set(&key, "3 plums".to_owned()).await?;
    let ask = || searches.get_or_load(&key, || async { Err::<String, _>(io::Error::other("down")) });

    for (second, status) in [(59, Ok(Status::Hit)), (30, Ok(Status::Stale)), (3500, Ok(Status::Stale))] {
        clock.advance(Duration::from_secs(second));
        assert_eq!(ask().await.map(|found| found.status()).map_err(|_| ()), status);
    }
    assert!(searches.get(&key).await?.is_none());
    clock.advance(Duration::from_secs(100));
    assert!(ask().await.is_err());
    Ok(())
}
