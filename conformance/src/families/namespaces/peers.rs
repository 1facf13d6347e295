//! Clears that another process sees.

use std::time::Duration;

use larder_core::cache::DEFAULT_INVALIDATION_LAG;

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    probe::Probe,
};

family! { "namespaces":
    #[needs(Sharing)] another_process_sees_a_clear = "A clear kills what another process wrote, and that process sees it at once when it asks on every read.";
    #[needs(Sharing)] another_process_sees_a_clear_within_the_lag = "A process that remembers versions sees another's clear within the time it is allowed to remember.";
    #[needs(Sharing)] a_process_sees_its_own_clear_at_once = "What a process clears it sees at once, however long it is allowed to remember.";
    #[needs(Sharing)] two_processes_write_after_a_clear = "After a clear both processes write entries that both see.";
    #[needs(Sharing)] clears_of_two_processes_both_count = "Clears by two processes, one after the other, each kill what was written before.";
    #[needs(Sharing)] a_parents_clear_reaches_another_process = "A clear of the parent namespace reaches the children in another process.";
}

fn prompt_peer(t: &Context) -> Probe {
    t.peer(|builder| builder.invalidation_lag(Duration::ZERO))
}

async fn another_process_sees_a_clear(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), prompt_peer(t));
    peer.set("k", "v").await?;
    same(peer.get("k").await?, Some("v".into()))?;
    cache.clear().await?;
    same(peer.get("k").await?, None)?;
    same(peer.contains("k").await?, false)
}

async fn another_process_sees_a_clear_within_the_lag(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    peer.set("k", "v").await?;
    same(peer.get("k").await?, Some("v".into()))?;
    cache.clear().await?;
    // The time for which versions are remembered is the process's own, whatever the clock of the entries says.
    tokio::time::sleep(DEFAULT_INVALIDATION_LAG + Duration::from_millis(20)).await;
    same(peer.get("k").await?, None)
}

async fn a_process_sees_its_own_clear_at_once(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.invalidation_lag(Duration::from_hours(1)));
    for round in 0..10_i64 {
        cache.set_tagged("k", round, &["tag"]).await?;
        same(cache.get("k").await?, Some(round.into()))?;
        cache.clear().await?;
        same(cache.get("k").await?, None)?;
        cache.set_tagged("k", round, &["tag"]).await?;
        cache.invalidate_tag("tag").await?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn two_processes_write_after_a_clear(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), prompt_peer(t));
    cache.set("k", "old").await?;
    cache.clear().await?;
    cache.set("mine", "v").await?;
    peer.set("theirs", "w").await?;
    for process in [&cache, &peer] {
        same(process.get("k").await?, None)?;
        same(process.get("mine").await?, Some("v".into()))?;
        same(process.get("theirs").await?, Some("w".into()))?;
    }
    Ok(())
}

async fn clears_of_two_processes_both_count(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), prompt_peer(t));
    for round in 0..5_i64 {
        peer.set("k", round).await?;
        cache.clear().await?;
        same(peer.get("k").await?, None)?;
        cache.set("k", round).await?;
        peer.clear().await?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn a_parents_clear_reaches_another_process(t: &Context) -> Verdict {
    let (parent, child) = (t.namespace_of("shop"), t.namespace_of("shop/users"));
    let shop = t.cache_with("shop", |builder| builder.namespace(parent));
    let users = t.peer(|builder| builder.namespace(child).invalidation_lag(Duration::ZERO));
    users.set("k", "v").await?;
    shop.clear().await?;
    same(users.get("k").await?, None)?;
    users.set("k", "w").await?;
    same(users.get("k").await?, Some("w".into()))
}
