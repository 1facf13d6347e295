//! `docs/features/loader.md`.

use std::{io, time::Duration};

use bytes::Bytes;
use larder::{
    Cache, Clock, Fetched, Key,
    cache::{Loaded, Policy, Status},
};
use step_by_step::Outcome;
use tokio::task::yield_now;

use super::larder_at;

enum Answer {
    NotModified,
    NotFound,
    Found { profile: String, etag: &'static str, max_age: Duration },
}

async fn fetch(id: u64, etag: Option<Bytes>) -> io::Result<Answer> {
    yield_now().await;
    Ok(match (id, etag) {
        (7, Some(etag)) if etag == "v1" => Answer::NotModified,
        (7, _) => Answer::Found { profile: "Ada".into(), etag: "v1", max_age: Duration::from_secs(20) },
        _ => Answer::NotFound,
    })
}

async fn profile(
    profiles: &Cache<Option<String>>,
    id: u64,
) -> Result<Fetched<Option<String>>, larder::Error> {
    profiles
        .at(&Key::new("profile").part(id))
        .get_or_load_with(move |context| async move {
            let etag = context.old().and_then(|old| old.meta().user("etag").cloned());
            Ok::<_, io::Error>(match fetch(id, etag).await? {
                Answer::NotModified => Loaded::unchanged(),
                Answer::NotFound => Loaded::negative(None),
                Answer::Found { profile, etag, max_age } => {
                    Loaded::new(Some(profile)).ttl(max_age).user_meta("etag", etag)
                }
            })
        })
        .await
}

#[tokio::test]
async fn what_has_not_changed_is_not_fetched_again() -> Outcome {
    let clock = Clock::manual();
    let larder = larder_at(&clock);
    let policy = Policy::new(Duration::from_mins(1)).stale_if_error(Duration::from_mins(10));
    let profiles: Cache<Option<String>> = larder.cache_with("profiles", |cache| cache.policy(policy))?;
    assert_eq!(profile(&profiles, 7).await?.as_deref(), Some("Ada"));
    assert_eq!(profile(&profiles, 8).await?.as_deref(), None);

    clock.advance(Duration::from_secs(21));
    let renewed = profile(&profiles, 7).await?;
    assert_eq!((renewed.as_deref(), renewed.status()), (Some("Ada"), Status::Loaded));
    assert_eq!((profiles.stats().loads, profiles.stats().writes), (3, 2));
    // The answer said nothing of a life, so this one is the policy's.
    clock.advance(Duration::from_secs(59));
    assert_eq!(profile(&profiles, 7).await?.status(), Status::Hit);
    Ok(())
}
