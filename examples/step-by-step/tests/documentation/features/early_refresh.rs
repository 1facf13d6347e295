//! `docs/features/early-refresh.md`.

use std::time::Duration;

use larder::{
    Cache, Clock, Key,
    cache::{Policy, Status},
};
use step_by_step::{Outcome, until};

use super::larder_at;

#[tokio::test]
async fn a_read_late_in_a_life_begins_a_load_behind() -> Outcome {
    let clock = Clock::manual();
    let larder = larder_at(&clock);
    let rates: Cache<u64> = larder.cache_with("rates", |cache| {
        cache.policy(
            Policy::new(Duration::from_mins(1)).jitter(Duration::from_secs(6)).early_refresh(0.8).xfetch(1.0),
        )
    })?;
    let key = Key::new("EUR");
    let ask = || rates.get_or_load(&key, || async { Ok::<_, std::io::Error>(1) });
    ask().await?;

    // 0.8 of at most 66 s.
    clock.advance(Duration::from_secs(53));
    assert_eq!(ask().await?.status(), Status::Hit);
    until("the load behind", || rates.stats().writes == 2).await?;
    let renewed = ask().await?;
    assert_eq!((renewed.status(), renewed.age()), (Status::Hit, Duration::ZERO));
    assert_eq!(rates.stats().misses, 1);
    Ok(())
}
