//! Lives that are nothing, next to nothing, and beyond counting.

use std::time::Duration;

use larder_core::Ttl;

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    value::Value,
};

family! { "ttl":
    no_life_stores_nothing = "A life of zero is already over: the key is absent afterwards.";
    no_life_removes_what_is_there = "A write with a life of zero removes what is there.";
    a_load_with_no_life_is_returned_only = "What is loaded with a life of zero is returned and not stored.";
    a_default_of_no_life_stores_nothing = "A cache whose default life is zero stores nothing that has no life of its own.";
    next_to_nothing_is_not_for_ever = "A life below the store's resolution is rounded up, never to \"for ever\".";
    less_than_a_second_is_not_nothing = "A life below a second is not rounded down to nothing.";
    fractions_of_a_second_count = "A life of one and a half seconds is not cut to one.";
    thirty_days_and_more_are_relative = "Lives around and above thirty days are relative on every store.";
    years_are_relative = "Lives of years are relative on every store.";
    the_longest_lives_saturate = "Lives at the edges of integers, up to `Duration::MAX`, saturate and do not overflow.";
    the_longest_lives_saturate_in_the_store = "A store takes every life: what its protocol cannot express saturates.";
    a_long_life_is_still_there_a_second_later = "No life above thirty days is taken for a date in the past.";
}

const DAY: Duration = Duration::from_hours(24);

async fn no_life_stores_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Duration::ZERO).await?;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.delete("k").await?, false)
}

async fn no_life_removes_what_is_there(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "old", Ttl::Never).await?;
    cache.set_for("k", "new", Duration::ZERO).await?;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.add("k", "added").await?, true)
}

async fn a_load_with_no_life_is_returned_only(t: &Context) -> Verdict {
    let cache = t.cache();
    let load =
        |text: &'static str| move || async move { Ok::<_, std::convert::Infallible>(Value::from(text)) };
    same(cache.load_as("k", Duration::ZERO, &[], load("first")).await?.0, "first".into())?;
    same(cache.get("k").await?, None)?;
    same(cache.load_as("k", Duration::ZERO, &[], load("second")).await?.0, "second".into())
}

async fn a_default_of_no_life_stores_nothing(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(Duration::ZERO));
    cache.set("k", "v").await?;
    same(cache.get("k").await?, None)?;
    same(cache.add("k", "v").await?, true)?;
    same(cache.get("k").await?, None)?;
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn next_to_nothing_is_not_for_ever(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    let lives = [Duration::from_nanos(1), Duration::from_micros(1), Duration::from_millis(1)];
    for (number, life) in lives.into_iter().enumerate() {
        cache.set_for(format!("cache{number}"), "v", life).await?;
        store.set(&format!("store{number}"), "v", life).await?;
    }
    t.outlive(Duration::from_millis(1)).await;
    for number in 0..lives.len() {
        same(cache.get(format!("cache{number}")).await?, None)?;
        same(store.get(&format!("store{number}")).await?, None)?;
    }
    Ok(())
}

async fn less_than_a_second_is_not_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let life = Duration::from_millis(999);
    let work = || async {
        cache.set_for("k", "v", life).await?;
        t.pass(Duration::from_millis(250)).await;
        Ok(cache.get("k").await?)
    };
    same(t.within(life, work).await?, Some("v".into()))
}

async fn fractions_of_a_second_count(t: &Context) -> Verdict {
    let cache = t.cache();
    let life = Duration::from_millis(1500);
    let work = || async {
        cache.set_for("k", "v", life).await?;
        t.pass(Duration::from_millis(1150)).await;
        Ok(cache.get("k").await?)
    };
    same(t.within(life, work).await?, Some("v".into()))
}

/// Written for so long, an entry is there, and has most of that life left.
async fn lives_long(t: &Context, lives: &[Duration]) -> Verdict {
    let cache = t.cache();
    for life in lives {
        cache.set_for("k", "v", *life).await?;
        same(cache.get("k").await?, Some("v".into()))?;
        let left = cache.ttl("k").await?;
        let most = life.saturating_sub(Duration::from_mins(1));
        holds(
            matches!(left, Some(Ttl::After(left)) if left <= *life && left >= most),
            &format!("between {most:?} and {life:?}"),
            left,
        )?;
    }
    Ok(())
}

async fn thirty_days_and_more_are_relative(t: &Context) -> Verdict {
    let second = Duration::from_secs(1);
    let almost = (30 * DAY).saturating_sub(second);
    lives_long(t, &[almost, 30 * DAY, 30 * DAY + second, 31 * DAY, 60 * DAY]).await
}

async fn years_are_relative(t: &Context) -> Verdict {
    lives_long(t, &[365 * DAY, 10 * 365 * DAY, 50 * 365 * DAY, 68 * 365 * DAY]).await
}

fn edges() -> [Duration; 8] {
    [
        Duration::from_secs(u64::from(u32::MAX >> 1)),
        Duration::from_secs(u64::from(u32::MAX >> 1) + 1),
        Duration::from_secs(u64::from(u32::MAX)),
        Duration::from_secs(u64::from(u32::MAX) + 1),
        Duration::from_millis(u64::MAX >> 1),
        Duration::from_millis(u64::MAX),
        Duration::from_secs(u64::MAX >> 1),
        Duration::MAX,
    ]
}

async fn the_longest_lives_saturate(t: &Context) -> Verdict {
    let cache = t.cache();
    for life in edges() {
        cache.set_for("k", "v", life).await?;
        same(cache.get("k").await?, Some("v".into()))?;
        let left = cache.ttl("k").await?;
        let long = match left {
            Some(Ttl::Never) => true,
            Some(Ttl::After(left)) => left <= life && left > 365 * DAY,
            None => false,
        };
        holds(long, "a life of many years", left)?;
        same(cache.touch("k", life).await?, true)?;
        same(cache.get("k").await?, Some("v".into()))?;
    }
    Ok(())
}

async fn the_longest_lives_saturate_in_the_store(t: &Context) -> Verdict {
    let store = t.direct();
    for life in edges() {
        store.set("k", "v", life).await?;
        same(store.get("k").await?, Some("v".into()))?;
        same(store.touch("k", life).await?, true)?;
        same(store.get("k").await?, Some("v".into()))?;
    }
    Ok(())
}

async fn a_long_life_is_still_there_a_second_later(t: &Context) -> Verdict {
    let store = t.direct();
    let lives = [30 * DAY, 30 * DAY + Duration::from_secs(1), 400 * DAY].into_iter().chain(edges());
    let lives: Vec<Duration> = lives.collect();
    for (number, life) in lives.iter().enumerate() {
        store.set(&format!("k{number}"), "v", *life).await?;
    }
    t.pass(Duration::from_millis(1200)).await;
    for (number, life) in lives.iter().enumerate() {
        if store.get(&format!("k{number}")).await?.is_none() {
            return Err(Failure::new(format_args!("an entry written for {life:?}"), "a miss after 1.2 s"));
        }
    }
    Ok(())
}
