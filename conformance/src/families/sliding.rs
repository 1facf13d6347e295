//! Lives that begin anew when their value is read, where the policy says so.

use std::time::Duration;

use larder_core::{Ttl, cache::Policy};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::soon,
    probe::Probe,
};

family! { "freshness":
    a_sliding_life_begins_anew_with_a_read = "Sliding: a value that is read again and again outlives its life.";
    a_sliding_life_ends_when_nobody_reads = "Sliding: a value that nobody reads is gone after its life.";
    a_sliding_life_ends_at_its_greatest_age = "Sliding: no value gets older than the policy allows.";
    looking_without_reading_slides_nothing = "Sliding: `contains` and `ttl` do not extend a life.";
    a_life_of_its_own_slides_by_itself = "Sliding: an entry that was given another life slides by that one.";
    a_life_does_not_slide_elsewhere = "Reading never extends a life in a cache whose lives do not slide.";
    reads_of_many_slide = "Sliding: a bulk read extends the lives of what it finds, and a load that finds a value does.";
}

/// A life of which three quarters are enough for a few operations.
fn life(t: &Context) -> Duration {
    t.short() * 3
}

fn sliding(t: &Context, life: Duration, oldest: impl Into<Ttl>) -> Probe {
    t.cache_with("cache", |builder| builder.policy(Policy::new(life).sliding(oldest)))
}

fn is_within(left: Option<Ttl>, most: Duration) -> bool {
    left.is_none_or(|left| matches!(left, Ttl::After(left) if left <= most))
}

/// Reads "k" every quarter of its life, for one and a half.
async fn keep_reading(t: &Context, cache: &Probe, life: Duration) -> Result<bool, Failure> {
    for _ in 0..6 {
        t.pass(life / 4).await;
        if cache.get("k").await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the lives of all these keys have begun anew.
async fn have_slid(cache: &Probe, keys: &[&str], life: Duration) -> Result<bool, Failure> {
    for key in keys {
        match cache.ttl(*key).await? {
            Some(Ttl::After(left)) if left > life * 7 / 8 => {}
            Some(Ttl::After(_)) => return Ok(false),
            other => return Err(Failure::new("a TTL that was reset", format_args!("{other:?}"))),
        }
    }
    Ok(true)
}

/// Reads these keys in this way every quarter of their life, for one and a half. A read need not wait until the life has
/// begun anew, so it is repeated until that is seen.
async fn slides_with<F>(
    t: &Context,
    cache: &Probe,
    keys: &[&str],
    life: Duration,
    read: impl Fn() -> F,
) -> Verdict
where
    F: Future<Output = Verdict>,
{
    for _ in 0..6 {
        t.pass(life / 4).await;
        let slides = || async {
            read().await?;
            have_slid(cache, keys, life).await
        };
        soon("TTLs that are reset by a read", slides).await?;
    }
    Ok(())
}

async fn a_sliding_life_begins_anew_with_a_read(t: &Context) -> Verdict {
    let slides = |life| async move {
        let cache = sliding(t, life, Ttl::Never);
        cache.set("k", "v").await?;
        slides_with(t, &cache, &["k"], life, || async { same(cache.get("k").await?, Some("v".into())) }).await
    };
    t.undisturbed(life(t), slides).await
}

async fn a_sliding_life_ends_when_nobody_reads(t: &Context) -> Verdict {
    let life = t.short();
    let cache = sliding(t, life, Ttl::Never);
    cache.set("k", "v").await?;
    cache.get("k").await?;
    t.outlive(life).await;
    same(cache.get("k").await?, None)
}

async fn a_sliding_life_ends_at_its_greatest_age(t: &Context) -> Verdict {
    let life = life(t);
    let cache = sliding(t, life, life * 5 / 4);
    cache.set("k", "v").await?;
    same(keep_reading(t, &cache, life).await?, false)
}

async fn looking_without_reading_slides_nothing(t: &Context) -> Verdict {
    let life = t.short();
    let cache = sliding(t, life, Ttl::Never);
    cache.set("k", "v").await?;
    t.pass(life / 2).await;
    cache.contains("k").await?;
    let left = cache.ttl("k").await?;
    // Less what a clock may lag behind; if it had slid, all of it would be left.
    holds(is_within(left, life * 2 / 3), "about half a life", left)?;
    t.outlive(life / 2).await;
    same(cache.get("k").await?, None)
}

async fn a_life_of_its_own_slides_by_itself(t: &Context) -> Verdict {
    let slides = |own| async move {
        let cache = sliding(t, own * 100, Ttl::Never);
        cache.set_for("k", "v", own).await?;
        slides_with(t, &cache, &["k"], own, || async { same(cache.get("k").await?, Some("v".into())) })
            .await?;
        // By the cache's, it would have a hundred times as much now.
        let left = cache.ttl("k").await?;
        holds(is_within(left, own), "at most the entry's own life", left)
    };
    t.undisturbed(life(t), slides).await
}

async fn a_life_does_not_slide_elsewhere(t: &Context) -> Verdict {
    let life = life(t);
    let cache = t.cache_with("cache", |builder| builder.policy(Policy::new(life)));
    cache.set("k", "v").await?;
    same(keep_reading(t, &cache, life).await?, false)
}

async fn reads_of_many_slide(t: &Context) -> Verdict {
    let slide = |life| async move {
        let cache = sliding(t, life, Ttl::Never);
        cache.set("k", "v").await?;
        cache.set("l", "v").await?;
        let read = || async {
            let many = cache.get_many(&["k".into()]).await?;
            same(many.into_iter().next().transpose()?, Some(Some("v".into())))?;
            let load = async || Err::<crate::value::Value, _>("there is a value");
            same(cache.get_or_load("l", load).await?.0, "v".into())
        };
        slides_with(t, &cache, &["k", "l"], life, read).await
    };
    t.undisturbed(life(t), slide).await
}
