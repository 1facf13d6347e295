//! Invalidations that another process sees.

use std::time::Duration;

use larder_core::cache::DEFAULT_INVALIDATION_LAG;

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    probe::Probe,
};

family! { "tags":
    #[needs(Sharing)] another_process_sees_an_invalidation = "An invalidation kills what another process wrote, and that process sees it at once when it asks on every read.";
    #[needs(Sharing)] another_process_sees_an_invalidation_within_the_lag = "A process that remembers versions sees another's invalidation within the time it is allowed to remember.";
    #[needs(Sharing)] two_processes_agree_on_a_new_tag = "When two processes first use a tag, each sees what the other writes under it.";
    #[needs(Sharing)] invalidations_of_two_processes_both_count = "Invalidations by two processes, one after the other, each kill what was written before.";
    #[needs(Sharing)] many_new_tags_are_agreed_on = "Two processes that write under many new tags at once agree on all of them.";
}

fn prompt_peer(t: &Context) -> Probe {
    t.peer(|builder| builder.invalidation_lag(Duration::ZERO))
}

async fn another_process_sees_an_invalidation(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), prompt_peer(t));
    peer.set_tagged("k", "v", &["tag"]).await?;
    same(peer.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    same(peer.get("k").await?, None)
}

async fn another_process_sees_an_invalidation_within_the_lag(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    peer.set_tagged("k", "v", &["tag"]).await?;
    same(peer.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    // The time for which versions are remembered is the process's own, whatever the clock of the entries says.
    tokio::time::sleep(DEFAULT_INVALIDATION_LAG + Duration::from_millis(20)).await;
    same(peer.get("k").await?, None)
}

async fn two_processes_agree_on_a_new_tag(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), prompt_peer(t));
    let (mine, theirs) =
        tokio::join!(cache.set_tagged("mine", "v", &["tag"]), peer.set_tagged("theirs", "w", &["tag"]));
    mine?;
    theirs?;
    for process in [&cache, &peer] {
        same(process.get("mine").await?, Some("v".into()))?;
        same(process.get("theirs").await?, Some("w".into()))?;
    }
    Ok(())
}

async fn invalidations_of_two_processes_both_count(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), prompt_peer(t));
    for round in 0..5_i64 {
        peer.set_tagged("k", round, &["tag"]).await?;
        cache.invalidate_tag("tag").await?;
        same(peer.get("k").await?, None)?;
        cache.set_tagged("k", round, &["tag"]).await?;
        same(peer.get("k").await?, Some(round.into()))?;
        peer.invalidate_tag("tag").await?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn many_new_tags_are_agreed_on(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), prompt_peer(t));
    let tags: Vec<String> = (0..40).map(|number| format!("tag-{number}")).collect();
    let backwards: Vec<&str> = tags.iter().rev().map(String::as_str).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    for round in 0..5 {
        let (mine, theirs) = (format!("mine{round}"), format!("theirs{round}"));
        let (written, also) = tokio::join!(
            cache.set_tagged(mine.as_str(), "v", &tags),
            peer.set_tagged(theirs.as_str(), "w", &backwards)
        );
        written?;
        also?;
        for process in [&cache, &peer] {
            same(process.get(mine.as_str()).await?, Some("v".into()))?;
            same(process.get(theirs.as_str()).await?, Some("w".into()))?;
        }
        cache.invalidate_tag(tags[round]).await?;
        same(peer.get(mine).await?, None)?;
        same(peer.get(theirs).await?, None)?;
    }
    Ok(())
}
