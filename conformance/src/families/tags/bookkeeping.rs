//! What is kept about tags, and what happens when it is lost.

use std::time::Duration;

use larder_core::{Key, Ttl};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
};

family! { "tags":
    #[needs(InProcess)] bookkeeping_is_bounded_and_revives_nothing = "Bookkeeping is bounded, and what is forgotten brings no dead entry back.";
    #[needs(ForeignBytes)] a_damaged_tag_record_kills = "When what is kept about a tag is damaged, entries under it miss; none comes back, nothing fails, and new ones live.";
    #[needs(ForeignBytes)] a_damaged_namespace_record_kills = "When what is kept about a namespace is damaged, its entries miss; nothing fails, and new ones live.";
    #[needs(ForeignBytes, Sharing)] a_damaged_record_is_repaired_for_everybody = "After a damaged record was repaired every process sees what each of them writes.";
    #[needs(InjectedClock)] a_tag_outlives_its_entries = "An entry that lives long does not die because its tag was not used for weeks.";
    #[needs(InjectedClock)] a_longer_life_lengthens_the_memory = "A tag that was first used by a short-lived entry is remembered for a long-lived one.";
    #[needs(InjectedClock)] an_old_invalidation_is_not_forgotten = "What an invalidation killed stays dead, however much time passes.";
}

const DAY: Duration = Duration::from_hours(24);

async fn bookkeeping_is_bounded_and_revives_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("dead", "v", &["dead"]).await?;
    cache.invalidate_tag("dead").await?;
    cache.set("untagged", "v").await?;
    for number in 0..140_000_u32 {
        cache.cache().invalidate_tag(&number.to_string()).await?;
        // A store in memory never waits, and what else this thread has to do would wait for all of them.
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    t.note("// 140 000 other tags are invalidated", ());
    same(cache.get("dead").await?, None)?;
    same(cache.get("untagged").await?, Some("v".into()))?;
    cache.set_tagged("dead", "new", &["dead"]).await?;
    same(cache.get("dead").await?, Some("new".into()))?;
    cache.invalidate_tag("dead").await?;
    same(cache.get("dead").await?, None)
}

/// Where the version of a tag, or of the namespace itself, is kept in a shared store.
fn record(t: &Context, key: &Key) -> String {
    format!("{}!v:{key}", t.namespace())
}

async fn a_damaged_tag_record_kills(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    cache.set_tagged("dead", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.set_tagged("other", "v", &["other"]).await?;
    same(cache.get("k").await?, Some("v".into()))?;
    t.vandalize(&record(t, &Key::new("tag").part("tag")), b"damaged").await;
    same(cache.get("k").await?, None)?;
    same(cache.get("dead").await?, None)?;
    same(cache.get("other").await?, Some("v".into()))?;
    cache.set_tagged("k", "w", &["tag"]).await?;
    same(cache.get("k").await?, Some("w".into()))?;
    same(cache.get("dead").await?, None)?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn a_damaged_namespace_record_kills(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    cache.set("dead", "v").await?;
    cache.clear().await?;
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))?;
    t.vandalize(&record(t, &Key::new("generation")), &[0xff; 40]).await;
    same(cache.get("k").await?, None)?;
    same(cache.get("dead").await?, None)?;
    cache.set("k", "w").await?;
    same(cache.get("k").await?, Some("w".into()))?;
    same(cache.get("dead").await?, None)?;
    cache.clear().await?;
    same(cache.get("k").await?, None)
}

async fn a_damaged_record_is_repaired_for_everybody(t: &Context) -> Verdict {
    let (cache, peer) = (t.prompt("cache"), t.peer(|builder| builder.invalidation_lag(Duration::ZERO)));
    cache.set_tagged("k", "v", &["tag"]).await?;
    same(peer.get("k").await?, Some("v".into()))?;
    t.vandalize(&record(t, &Key::new("tag").part("tag")), b"").await;
    t.vandalize(&record(t, &Key::new("generation")), b"x").await;
    same(peer.get("k").await?, None)?;
    cache.set_tagged("mine", "v", &["tag"]).await?;
    peer.set_tagged("theirs", "w", &["tag"]).await?;
    for process in [&cache, &peer] {
        same(process.get("mine").await?, Some("v".into()))?;
        same(process.get("theirs").await?, Some("w".into()))?;
    }
    peer.invalidate_tag("tag").await?;
    same(cache.get("mine").await?, None)?;
    same(peer.get("theirs").await?, None)
}

async fn a_tag_outlives_its_entries(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    let key = Key::new("k");
    cache.cache().at(&key).ttl(90 * DAY).tag("tag").set("v".into()).await?;
    t.note("cache.at(\"k\").ttl(90 days).tag(\"tag\").set(\"v\").await;", ());
    for _ in 0..8 {
        t.pass(11 * DAY).await;
        same(cache.get("k").await?, Some("v".into()))?;
    }
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn a_longer_life_lengthens_the_memory(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    cache.set_tagged("short", "v", &["tag"]).await?;
    for (name, life) in
        [("long", Ttl::After(30 * DAY)), ("longer", (200 * DAY).into()), ("never", Ttl::Never)]
    {
        cache.cache().at(&Key::new(name)).ttl(life).tag("tag").set("v".into()).await?;
        t.note(&format!("cache.at({name:?}).ttl({life:?}).tag(\"tag\").set(\"v\").await;"), ());
    }
    t.pass(29 * DAY).await;
    same(cache.get("long").await?, Some("v".into()))?;
    t.pass(170 * DAY).await;
    same(cache.get("longer").await?, Some("v".into()))?;
    t.pass(10_000 * DAY).await;
    same(cache.get("never").await?, Some("v".into()))?;
    let gone = (cache.get("long").await?, cache.get("longer").await?);
    holds(gone == (None, None), "the limited lives are over", gone)
}

async fn an_old_invalidation_is_not_forgotten(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    let key = Key::new("k");
    cache.cache().at(&key).ttl(Ttl::Never).tag("tag").set("v".into()).await?;
    cache.invalidate_tag("tag").await?;
    for round in 0..40_i64 {
        t.pass(3 * DAY).await;
        same(cache.get("k").await?, None)?;
        cache.set_tagged("other", round, &["tag"]).await?;
        same(cache.get("other").await?, Some(round.into()))?;
    }
    Ok(())
}
