//! `docs/features/negative.md`.

use std::{collections::HashMap, io, time::Duration};

use larder::{
    Cache, Clock, ErrorKind, Fetched, Key,
    cache::{Loaded, Policy},
};
use step_by_step::Outcome;
use tokio::task::yield_now;

use super::larder_at;

async fn find(id: u64) -> io::Result<Option<String>> {
    yield_now().await;
    Ok(HashMap::from([(7, "Ada".to_owned())]).remove(&id))
}

async fn user(users: &Cache<Option<String>>, id: u64) -> Result<Fetched<Option<String>>, larder::Error> {
    users
        .at(&Key::new("user").part(id))
        .get_or_load_with(move |_| async move {
            match find(id).await? {
                Some(user) => Ok(Loaded::new(Some(user))),
                None => Ok::<_, io::Error>(Loaded::negative(None)),
            }
        })
        .await
}

#[tokio::test]
async fn not_there_has_a_life_of_its_own() -> Outcome {
    let clock = Clock::manual();
    let users: Cache<Option<String>> = larder_at(&clock).cache("users")?;
    assert_eq!((user(&users, 7).await?.as_deref(), user(&users, 8).await?.as_deref()), (Some("Ada"), None));
    assert_eq!((user(&users, 8).await?.as_deref(), users.stats().loads), (None, 2));

    clock.advance(Duration::from_secs(10));
    user(&users, 8).await?;
    assert_eq!(users.stats().loads, 3);
    user(&users, 7).await?;
    assert_eq!(users.stats().loads, 3);

    let key = Key::new("user").part(8);
    users.delete(&key).await?;
    assert!(!users.contains(&key).await?);
    Ok(())
}

/// "is never served stale"
#[tokio::test]
async fn the_windows_do_not_follow_a_negative_life() -> Outcome {
    let clock = Clock::manual();
    let policy = Policy::new(Duration::from_mins(1)).stale_if_error(Duration::from_hours(1));
    let users: Cache<Option<String>> = larder_at(&clock).cache_with("users", |cache| cache.policy(policy))?;
    user(&users, 8).await?;
    clock.advance(Duration::from_mins(10));
    let key = Key::new("user").part(8);
    let found =
        users.get_or_load(&key, || async { Err::<Option<String>, _>(io::Error::other("down")) }).await;
    assert_eq!(found.unwrap_err().kind(), ErrorKind::Load);
    Ok(())
}

/// "`get_or_load` stores a `None` for the whole life, like any value"
#[tokio::test]
async fn a_plain_loader_cannot_say_that_nothing_is_there() -> Outcome {
    let clock = Clock::manual();
    let users: Cache<Option<String>> = larder_at(&clock).cache("users")?;
    let key = Key::new("user").part(8);
    users.get_or_load(&key, || find(8)).await?;
    clock.advance(Duration::from_mins(1));
    users.get_or_load(&key, || find(8)).await?;
    assert_eq!(users.stats().loads, 1);
    Ok(())
}
