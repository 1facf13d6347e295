//! `docs/features/sliding.md`.

use std::time::Duration;

use larder::{Cache, Clock, Key, cache::Policy};
use step_by_step::Outcome;

use super::larder_at;

const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const TWELVE_HOURS: Duration = Duration::from_hours(12);

#[tokio::test]
async fn a_session_lives_while_it_is_used_and_not_for_ever() -> Outcome {
    let clock = Clock::manual();
    let larder = larder_at(&clock);
    let sessions: Cache<String> = larder
        .cache_with("sessions", |cache| cache.policy(Policy::new(HALF_AN_HOUR).sliding(TWELVE_HOURS)))?;
    let key = Key::new("session").part(7);
    sessions.set(&key, "Ada".to_owned()).await?;
    let mut quarters = 0;
    while sessions.get(&key).await?.is_some() {
        clock.advance(HALF_AN_HOUR / 2);
        quarters += 1;
    }
    assert_eq!(quarters, 12 * 4);

    sessions.set(&key, "Grace".to_owned()).await?;
    clock.advance(HALF_AN_HOUR);
    assert!(sessions.get(&key).await?.is_none());
    Ok(())
}
