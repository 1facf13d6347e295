//! Clocks that are set back, and those of other machines that are ahead.

use std::{convert::Infallible, time::Duration};

use larder_core::{
    Entry, Key, Ttl,
    backend::Condition,
    cache::Status,
    entry::{Body, Lifetime, Meta},
};

use super::ways::{Alone, How, Many, is_absent, is_there, plain, touch_to, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

matrix! { "clocks":
    #[needs(InjectedClock)] what_lives_outlives_a_clock_that_is_set_back = "What lives is there after the clock was set back, alone and in bulk." => what_lives_stays();
    #[needs(InjectedClock)] a_write_after_a_clock_was_set_back_is_read = "What is written after the clock was set back is read, and ends." => a_write_lands(Alone);
    #[needs(InjectedClock)] a_bulk_write_after_a_clock_was_set_back_is_read = "What is written in bulk after the clock was set back is read, and ends." => a_write_lands(Many);
    #[needs(InjectedClock)] a_touch_after_a_clock_was_set_back_counts = "A touch after the clock was set back is `true`, and its TTL ends." => a_touch_counts(Alone);
    #[needs(InjectedClock)] a_bulk_touch_after_a_clock_was_set_back_counts = "A bulk touch after the clock was set back is `true`, and its TTL ends." => a_touch_counts(Many);
    #[needs(InjectedClock)] what_was_removed_stays_removed_when_the_clock_is_set_back = "What was removed is not brought back by a clock that is set back." => removed_stays_removed();
    #[needs(InjectedClock)] a_load_after_a_clock_was_set_back_is_stored = "After the clock was set back a missing key is loaded once, and stored." => a_load_is_stored();
    #[needs(InjectedClock)] an_invalidation_holds_when_the_clock_is_set_back = "What a tag or a clear killed stays dead when the clock is set back." => invalidations_hold();
    what_another_clock_made_in_the_future_is_read = "An entry that another machine's clock made in the future is read like any other, and has no age." => made_in_the_future();
    #[needs(InjectedClock)] a_leap_forward_ends_what_it_passes = "A clock that leaps forward ends what it passes, and nothing else." => a_leap_ends();
}

const HOUR: Duration = Duration::from_hours(1);

async fn what_lives_stays(t: &Context) -> Verdict {
    let store = t.direct();
    let entry = plain(t, "v", HOUR);
    same(Alone.write(&store, "k", &entry, larder_core::backend::SetOptions::new(HOUR.into())).await?, true)?;
    let endless = plain(t, "endless", Ttl::Never);
    same(Many.write(&store, "e", &endless, when(Condition::Always)).await?, true)?;
    t.clock().step_back(HOUR * 24);
    is_there(&store, "k", &entry, entry.meta().lifetime).await?;
    is_there(&store, "e", &endless, endless.meta().lifetime).await?;
    same(store.delete("k").await?, true)?;
    is_absent(&store, "k").await
}

async fn a_write_lands(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    same(Alone.write(&store, "k", &plain(t, "old", HOUR), when(Condition::Always)).await?, true)?;
    t.clock().step_back(HOUR * 2);
    let entry = plain(t, "new", HOUR);
    let options = larder_core::backend::SetOptions::new(HOUR.into());
    same(how.write(&store, "k", &entry, options).await?, true)?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await?;
    t.pass(HOUR * 4).await;
    is_absent(&store, "k").await
}

async fn a_touch_counts(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = plain(t, "v", Ttl::Never);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    t.clock().step_back(HOUR * 2);
    let options = touch_to(t, HOUR, Condition::Always);
    same(how.touch(&store, "k", options).await?, true)?;
    is_there(&store, "k", &entry, options.lifetime).await?;
    t.pass(HOUR * 4).await;
    is_absent(&store, "k").await
}

async fn removed_stays_removed(t: &Context) -> Verdict {
    let store = t.direct();
    for how in [Alone, Many] {
        same(how.write(&store, "k", &plain(t, "v", HOUR), when(Condition::Always)).await?, true)?;
        same(how.delete(&store, "k", Condition::Always).await?, true)?;
        t.clock().step_back(HOUR * 2);
        is_absent(&store, "k").await?;
        same(how.touch(&store, "k", touch_to(t, HOUR, Condition::Always)).await?, false)?;
    }
    Ok(())
}

async fn a_load_is_stored(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("before", "v").await?;
    t.clock().step_back(HOUR * 48);
    let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
    same(cache.get_or_load("k", load).await?, ("loaded".into(), Status::Loaded))?;
    same(cache.get_or_load("k", load).await?, ("loaded".into(), Status::Hit))?;
    same(cache.get("before").await?, Some("v".into()))
}

async fn invalidations_hold(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    t.clock().step_back(HOUR);
    same(cache.get("k").await?, None)?;
    cache.set_tagged("k", "new", &["tag"]).await?;
    same(cache.get("k").await?, Some("new".into()))?;
    cache.clear().await?;
    t.clock().step_back(HOUR);
    same(cache.get("k").await?, None)?;
    cache.set("k", "newest").await?;
    same(cache.get("k").await?, Some("newest".into()))
}

async fn made_in_the_future(t: &Context) -> Verdict {
    let store = t.direct();
    let now = t.clock().now();
    let ahead = now.plus(HOUR);
    let meta = Meta::new(ahead, Lifetime::new(ahead.plus(HOUR), ahead.plus(HOUR * 2)));
    let entry = Entry::from_body(Body::raw(bytes::Bytes::from_static(b"v"), 0), meta);
    for how in [Alone, Many] {
        let options = larder_core::backend::SetOptions::new((HOUR * 3).into());
        same(how.write(&store, "k", &entry, options).await?, true)?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
        let age = how.read(&store, "k").await?.map(|entry| now.since(entry.meta().created));
        holds(age == Some(Duration::ZERO), "an age of nothing", age)?;
        same(how.delete(&store, "k", Condition::Always).await?, true)?;
    }
    Ok(())
}

async fn a_leap_ends(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("short", "v", HOUR).await?;
    cache.set_for("long", "v", HOUR * 1000).await?;
    cache.set_for("endless", "v", Ttl::Never).await?;
    t.pass(HOUR * 999).await;
    let keys = ["short", "long", "endless"].map(Key::new);
    let seen: Result<Vec<_>, _> = cache.get_many(&keys).await?.into_iter().collect();
    same(seen?, [None, Some("v".into()), Some("v".into())])?;
    t.pass(HOUR * 2).await;
    same(cache.get("long").await?, None)?;
    same(cache.get("endless").await?, Some("v".into()))
}
