//! Many conditional writes at once: one wins.

use std::{future::Future, sync::Arc};

use larder_core::{Result, Ttl, backend::Condition};
use tokio::sync::Barrier;

use super::super::random::Rounds;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::{Direct, Probe},
    task,
    value::Value,
};

family! { "conditional":
    #[needs(AtomicAdd)] of_many_adds_one_succeeds = "Of N concurrent adds of one key exactly one is `true`, and its value is the one that is there.";
    #[needs(AtomicAdd)] of_many_adds_after_a_delete_one_succeeds = "Of N concurrent adds of a key that was just deleted exactly one is `true`.";
    #[needs(AtomicAdd)] of_many_adds_after_the_end_of_a_life_one_succeeds = "Of N concurrent adds over an expired entry exactly one is `true`.";
    #[needs(AtomicAdd, CompareAndSet)] of_many_adds_after_a_clear_one_succeeds = "Of N concurrent adds over a cleared entry exactly one is `true`.";
    #[needs(AtomicAdd, CompareAndSet)] of_many_adds_after_a_tag_invalidation_one_succeeds = "Of N concurrent adds over an entry whose tag was invalidated exactly one is `true`.";
    #[needs(AtomicAdd, Sharing)] of_the_adds_of_two_processes_one_succeeds = "Of N concurrent adds of one key by two processes exactly one is `true`.";
    #[needs(CompareAndSet)] of_many_writes_with_one_token_one_succeeds = "Of N concurrent compare-and-sets with one token exactly one is `true`.";
    #[needs(CompareAndSet)] counting_by_compare_and_set_loses_nothing = "Readers who write back what they read, by compare-and-set until it succeeds, lose no update.";
}

const AT_ONCE: usize = 8;

/// Does this so many times at once and says who succeeded.
pub(crate) async fn at_once<F, Fut>(work: F) -> Result<Vec<usize>, Failure>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<bool>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(AT_ONCE));
    let racers: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let (start, work) = (Arc::clone(&start), work(number));
            task::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (number, racer) in racers.into_iter().enumerate() {
        if racer.await.map_err(|panic| Failure::new("an answer", panic))?? {
            winners.push(number);
        }
    }
    Ok(winners)
}

/// Exactly one of these adds, and its value is there.
async fn one_adds(caches: &[Probe]) -> Verdict {
    let winners = at_once(|number| {
        let cache = caches[number % caches.len()].clone();
        async move { cache.add("k", i64::try_from(number).unwrap_or(-1)).await }
    })
    .await?;
    holds(winners.len() == 1, "exactly one `true`", &winners)?;
    let winner = i64::try_from(winners[0]).unwrap_or(-1);
    for cache in caches {
        same(cache.get("k").await?, Some(Value::Signed(winner)))?;
    }
    Ok(())
}

async fn of_many_adds_one_succeeds(t: &Context) -> Verdict {
    for round in Rounds::new(50) {
        let cache = t.cache_in(&format!("round{round}"));
        one_adds(&[cache]).await?;
    }
    Ok(())
}

async fn of_many_adds_after_a_delete_one_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in Rounds::new(50) {
        cache.set("k", "old").await?;
        cache.delete("k").await?;
        one_adds(std::slice::from_ref(&cache)).await?;
    }
    Ok(())
}

async fn of_many_adds_after_the_end_of_a_life_one_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "old", t.short()).await?;
    t.outlive(t.short()).await;
    one_adds(&[cache]).await
}

async fn of_many_adds_after_a_clear_one_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in Rounds::new(50) {
        cache.set("k", "old").await?;
        cache.clear().await?;
        one_adds(std::slice::from_ref(&cache)).await?;
    }
    Ok(())
}

async fn of_many_adds_after_a_tag_invalidation_one_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in Rounds::new(50) {
        cache.set_tagged("k", "old", &["tag"]).await?;
        cache.invalidate_tag("tag").await?;
        one_adds(std::slice::from_ref(&cache)).await?;
    }
    Ok(())
}

async fn of_the_adds_of_two_processes_one_succeeds(t: &Context) -> Verdict {
    let caches = [t.cache(), t.peer(|builder| builder)];
    for _ in Rounds::new(50) {
        caches[0].delete("k").await?;
        one_adds(&caches).await?;
    }
    Ok(())
}

async fn of_many_writes_with_one_token_one_succeeds(t: &Context) -> Verdict {
    let store = t.direct();
    for _ in Rounds::new(50) {
        store.set("k", "old", Ttl::Never).await?;
        let Some(token) = store.token("k").await? else { return Err(Failure::new("a hit", "a miss")) };
        let winners = at_once(|number| {
            let store = store.clone();
            let unchanged = Condition::Unchanged(token);
            async move { store.set_when("k", format!("of {number}"), Ttl::Never, unchanged).await }
        })
        .await?;
        same(winners.len(), 1)?;
        same(store.get("k").await?, Some(format!("of {}", winners[0])))?;
    }
    Ok(())
}

async fn counting_by_compare_and_set_loses_nothing(t: &Context) -> Verdict {
    const EACH: u32 = 10;
    let store = t.direct();
    let all = EACH * u32::try_from(AT_ONCE).unwrap_or(0);
    store.set("k", "0", Ttl::Never).await?;
    let done = at_once(|_| {
        let store = store.clone();
        async move {
            // A try fails only where another succeeds between its read and its write: no more fail than succeed in all.
            let (mut left, mut failed) = (EACH, 0);
            while left > 0 && failed <= all {
                if count_once(&store).await? {
                    left -= 1;
                } else {
                    failed += 1;
                    // Others run meanwhile, even if the store never waits.
                    tokio::task::yield_now().await;
                }
            }
            Ok(left == 0)
        }
    })
    .await?;
    holds(done.len() == AT_ONCE, "everybody's writes to succeed in the end", &done)?;
    same(store.get("k").await?, Some(all.to_string()))
}

async fn count_once(store: &Direct) -> Result<bool> {
    let (Some(token), Some(text)) = (store.token("k").await?, store.get("k").await?) else {
        // Lost: that shows in the count.
        return Ok(true);
    };
    let count = text.parse::<u32>().unwrap_or_default();
    // The token is older than the count, so it fits only if the count is still its own.
    store.set_when("k", (count + 1).to_string(), Ttl::Never, Condition::Unchanged(token)).await
}
