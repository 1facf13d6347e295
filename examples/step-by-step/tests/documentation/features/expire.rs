//! `docs/features/expire.md`.

use std::{convert::Infallible, time::Duration};

use larder::{
    Cache, Clock, Key,
    cache::{Policy, Status},
};
use step_by_step::Outcome;

use super::larder_at;

async fn new_list() -> Result<String, Infallible> {
    Ok("new list".to_owned())
}

#[tokio::test]
async fn old_and_not_wrong() -> Outcome {
    let larder = larder_at(&Clock::manual());
    let prices: Cache<String> = larder.cache_with("prices", |cache| {
        cache.policy(Policy::new(Duration::from_mins(1)).stale_while_revalidate(Duration::from_secs(30)))
    })?;
    let key = Key::new("prices").part(7);
    prices.at(&key).tag("supplier-7").set("old list".to_owned()).await?;

    prices.expire(&key).await?; // true if there was a fresh entry
    prices.expire_tag("supplier-7").await?; // the same for all of a tag

    let list = prices.get_or_load(&key, new_list).await?;
    assert_eq!((list.as_str(), list.status()), ("old list", Status::Stale));
    Ok(())
}

#[tokio::test]
async fn nothing_that_is_there() -> Outcome {
    let larder = larder_at(&Clock::manual());
    let prices: Cache<String> = larder.cache("prices")?;
    let key = Key::new("prices").part(7);
    prices.set(&key, "old list".to_owned()).await?;

    let list = prices.at(&key).fresh().get_or_load(new_list).await?;
    assert_eq!((list.as_str(), list.status()), ("new list", Status::Loaded));
    assert_eq!(prices.get(&key).await?.as_deref().map(String::as_str), Some("new list"));
    Ok(())
}
