//! Giving a live entry another life.

use std::time::Duration;

use bytes::Bytes;
use larder_core::{Key, Ttl};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "ttl":
    touch_lengthens_a_life = "`touch` gives a live entry a longer life and is `true`; the value is unchanged.";
    touch_shortens_a_life = "`touch` gives a live entry a shorter life.";
    touch_makes_a_life_endless = "`touch` with `Never` takes the end away; another such touch changes nothing.";
    touch_limits_an_endless_life = "`touch` gives an entry that lives for ever an end.";
    touch_on_a_missing_key_is_false = "`touch` on a missing key is `false` and stores nothing.";
    touch_on_an_expired_key_is_false = "`touch` on an expired entry is `false` and does not bring it back.";
    touch_on_an_invalidated_key_is_false = "`touch` on an entry that a clear or its tag has killed is `false` and does not bring it back.";
    touch_with_no_life_removes = "`touch` with a life of zero removes the entry, and is `true` if there was one.";
    #[needs(LargeValues)] touch_keeps_the_value = "`touch` leaves a large value and its metadata unchanged.";
    touch_keeps_the_tags = "An entry that was touched still dies with its tag.";
    touch_takes_every_life = "`touch` takes lives above thirty days and below a second.";
    touch_counts_from_now = "`touch` begins the new life now, not when the entry was written.";
    the_store_touches_live_entries_only = "A store's `touch` is `false` for a key that was never written or was deleted, and stores nothing.";
    the_store_keeps_a_touched_entry = "A store keeps a touched entry for its new life, longer or shorter.";
    #[needs(Sharing)] another_process_sees_a_touch = "On a shared store another process sees the new life.";
}

async fn touch_lengthens_a_life(t: &Context) -> Verdict {
    let cache = t.cache();
    let work = || async {
        cache.set_for("k", "v", t.short()).await?;
        Ok(cache.touch("k", t.short() * 100).await?)
    };
    same(t.within(t.short(), work).await?, true)?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("v".into()))
}

async fn touch_shortens_a_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.touch("k", t.short()).await?, true)?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn touch_makes_a_life_endless(t: &Context) -> Verdict {
    let cache = t.cache();
    let work = || async {
        cache.set_for("k", "v", t.short()).await?;
        Ok(cache.touch("k", Ttl::Never).await?)
    };
    same(t.within(t.short(), work).await?, true)?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    same(cache.touch("k", Ttl::Never).await?, true)?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, Some("v".into()))
}

async fn touch_limits_an_endless_life(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", Ttl::Never).await?;
    same(cache.touch("k", t.short() * 100).await?, true)?;
    let left = cache.ttl("k").await?;
    holds(
        matches!(left, Some(Ttl::After(left)) if !left.is_zero() && left <= t.short() * 100),
        "a life of at most what was given",
        left,
    )
}

async fn touch_on_a_missing_key_is_false(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.get("k").await?, None)?;
    same(cache.touch("k", Duration::ZERO).await?, false)?;
    same(cache.add("k", "v").await?, true)
}

async fn touch_on_an_expired_key_is_false(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.get("k").await?, None)
}

async fn touch_on_an_invalidated_key_is_false(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("tagged", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    same(cache.touch("tagged", Ttl::Never).await?, false)?;
    same(cache.get("tagged").await?, None)?;
    cache.set("cleared", "v").await?;
    cache.clear().await?;
    same(cache.touch("cleared", Ttl::Never).await?, false)?;
    same(cache.get("cleared").await?, None)
}

async fn touch_with_no_life_removes(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    same(cache.touch("k", Duration::ZERO).await?, true)?;
    same(cache.get("k").await?, None)?;
    same(cache.touch("k", Duration::ZERO).await?, false)
}

async fn touch_keeps_the_value(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let large = Value::from("0123456789".repeat(10_000));
    let data = Bytes::from_static(b"\0\x01\r\n");
    cache.cache().at(&key).user_meta("etag", data.clone()).set(large.clone()).await?;
    same(cache.touch("k", t.short() * 100).await?, true)?;
    let Some(seen) = cache.cache().get(&key).await? else { return same(cache.get("k").await?, Some(large)) };
    same(&*seen, &large)?;
    same(seen.meta().user("etag").cloned(), Some(data))
}

async fn touch_keeps_the_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    same(cache.touch("k", t.short() * 100).await?, true)?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn touch_takes_every_life(t: &Context) -> Verdict {
    const DAY: Duration = Duration::from_hours(24);
    let cache = t.cache();
    for life in [30 * DAY, 31 * DAY, 3650 * DAY, Duration::from_millis(1500)] {
        let spent = Duration::from_millis(1400);
        let touch = || async {
            cache.set("k", "v").await?;
            same(cache.touch("k", life).await?, true)?;
            Ok(cache.ttl("k").await?)
        };
        let (left, least) = (t.within(spent, touch).await?, life.saturating_sub(spent));
        holds(
            matches!(left, Some(Ttl::After(left)) if left <= life && left >= least),
            &format!("between {least:?} and {life:?}"),
            left,
        )?;
    }
    Ok(())
}

async fn touch_counts_from_now(t: &Context) -> Verdict {
    let work = |life: Duration| async move {
        let cache = t.cache();
        cache.set_for("k", "v", life).await?;
        t.pass(life * 7 / 10).await;
        same(cache.touch("k", life).await?, true)?;
        t.pass(life * 7 / 10).await;
        same(cache.get("k").await?, Some("v".into()))
    };
    t.undisturbed(t.short() * 2, work).await
}

async fn the_store_touches_live_entries_only(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.touch("missing", Ttl::Never).await?, false)?;
    same(store.get("missing").await?, None)?;
    store.set("deleted", "v", Ttl::Never).await?;
    store.delete("deleted").await?;
    same(store.touch("deleted", t.short() * 100).await?, false)?;
    same(store.get("deleted").await?, None)
}

async fn the_store_keeps_a_touched_entry(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("shorter", "v", Ttl::Never).await?;
    same(store.touch("shorter", t.short()).await?, true)?;
    let work = || async {
        store.set("longer", "v", t.short()).await?;
        Ok(store.touch("longer", t.short() * 100).await?)
    };
    same(t.within(t.short(), work).await?, true)?;
    t.outlive(t.short()).await;
    same(store.get("shorter").await?, None)?;
    same(store.get("longer").await?, Some("v".into()))
}

async fn another_process_sees_a_touch(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    let touch = || async {
        cache.set_for("k", "v", Ttl::Never).await?;
        same(peer.touch("k", t.short()).await?, true)?;
        Ok(cache.ttl("k").await?)
    };
    let left = t.within(t.short(), touch).await?;
    holds(matches!(left, Some(Ttl::After(left)) if left <= t.short()), "the new life", left)?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}
