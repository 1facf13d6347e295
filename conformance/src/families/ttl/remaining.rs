//! What is said about a life: how much is left, how old an entry is.

use std::time::Duration;

use larder_core::{Fetched, Key, Ttl};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Probe,
    value::Value,
};

family! { "ttl":
    what_is_left_is_at_most_what_was_given = "What is left of a life is more than nothing and at most what was given.";
    what_is_left_gets_less = "What is left of a life gets less as time passes.";
    nothing_is_left_of_what_is_not_there = "A missing key has no life.";
    what_is_left_after_a_touch_is_new = "What is left after a touch is at most what the touch gave.";
    a_hit_knows_what_is_left = "A hit knows how long its value still has to live.";
    a_hit_knows_its_age = "A hit knows how old its value is; a touch does not make it younger.";
    asking_for_the_life_changes_nothing = "Asking what is left of a life changes neither life nor value.";
}

/// How far behind a clock may be that is read coarsely, rounded up.
const TICK: Duration = Duration::from_millis(15);

async fn what_is_left_is_at_most_what_was_given(t: &Context) -> Verdict {
    let cache = t.cache();
    let life = t.short() * 100;
    cache.set_for("k", "v", life).await?;
    left_is_within(cache.ttl("k").await?, life / 2, life)
}

async fn what_is_left_gets_less(t: &Context) -> Verdict {
    let cache = t.cache();
    let (life, passing) = (t.short() * 100, t.short() / 2);
    cache.set_for("k", "v", life).await?;
    t.pass(passing).await;
    left_is_within(cache.ttl("k").await?, life / 2, (life + TICK).saturating_sub(passing))
}

async fn nothing_is_left_of_what_is_not_there(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.ttl("k").await?, None)?;
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    same(cache.ttl("k").await?, None)
}

async fn what_is_left_after_a_touch_is_new(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    cache.touch("k", t.short() * 50).await?;
    left_is_within(cache.ttl("k").await?, t.short() * 25, t.short() * 50)?;
    cache.touch("k", t.short() * 200).await?;
    left_is_within(cache.ttl("k").await?, t.short() * 100, t.short() * 200)
}

async fn a_hit_knows_what_is_left(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("limited", "v", t.short() * 100).await?;
    cache.set_for("endless", "v", Ttl::Never).await?;
    left_is_within(Some(hit(&cache, "limited").await?.remaining()), t.short() * 50, t.short() * 100)?;
    same(hit(&cache, "endless").await?.remaining(), Ttl::Never)
}

async fn a_hit_knows_its_age(t: &Context) -> Verdict {
    let cache = t.cache();
    let passing = Duration::from_millis(300);
    cache.set("k", "v").await?;
    let young = hit(&cache, "k").await?.age();
    t.pass(passing).await;
    cache.touch("k", t.short() * 100).await?;
    let old = hit(&cache, "k").await?.age();
    holds(old + TICK >= young + passing, "an age that grows as time passes", (young, old))?;
    holds(old < Duration::from_mins(1), "an age of less than a minute", old)
}

async fn asking_for_the_life_changes_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", t.short()).await?;
    for _ in 0..4 {
        cache.ttl("k").await?;
        t.pass(t.short() / 8).await;
    }
    t.outlive(t.short() / 2).await;
    same(cache.ttl("k").await?, None)?;
    same(cache.get("k").await?, None)
}

fn left_is_within(left: Option<Ttl>, least: Duration, most: Duration) -> Verdict {
    let is_within = matches!(left, Some(Ttl::After(left)) if left >= least && left <= most);
    holds(is_within, &format!("between {least:?} and {most:?}"), left)
}

async fn hit(cache: &Probe, key: &str) -> Result<Fetched<Value>, Failure> {
    cache.cache().get(&Key::new(key)).await?.ok_or_else(|| Failure::new("a hit", "a miss"))
}
