//! Giving a TTL to what is as it was: a touch by somebody who has read an older value lengthens no newer one.

use larder_core::{ErrorKind, Result, Ttl, backend::Condition, clock::Timestamp, entry::Token};

use super::token;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, same},
    probe::Direct,
};

family! { "conditional":
    #[needs(CompareAndSet)] the_current_token_touches = "Touching by the entry's token gives it the TTL, and is `true`.";
    #[needs(CompareAndSet)] a_stale_token_touches_nothing = "Touching by a stale token is `false` and leaves the TTL.";
    #[needs(CompareAndSet)] a_token_of_a_missing_key_touches_nothing = "Touching by a token whose entry was deleted, or made again, is `false`.";
    #[needs(CompareAndSet)] an_expired_entry_is_not_touched_by_its_token = "Touching by the token of an expired entry is `false` and does not bring it back.";
    #[needs(CompareAndSet)] touching_leaves_the_token = "Touching does not change the token.";
    #[needs(CompareAndSet)] each_of_many_touches_has_its_own_condition = "`touch_many` checks each item's own condition.";
    touch_many_tells_for_each = "`touch_many` gives each live entry its own TTL and says, in order, which there were.";
    touch_many_of_nothing_does_nothing = "An empty request to touch is answered with nothing.";
    the_last_of_two_touches_stays = "If a key stands in `touch_many` twice, the later TTL stays.";
    touching_needs_what_it_says = "Touching what is to be present is `true` if a live entry is there; touching what is to be absent touches nothing.";
    a_touch_is_checked_or_refused = "A condition of touching that the store cannot check is `Unsupported`, never ignored.";
}

/// Whether the entry has no end.
async fn is_endless(store: &Direct, key: &str) -> Result<bool, Failure> {
    let found = store.look_up(key).await?.entry();
    let entry = found.ok_or_else(|| Failure::new("a hit", "a miss"))?;
    Ok(entry.meta().lifetime.expires == Timestamp::NEVER)
}

async fn the_current_token_touches(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short() * 1000).await?;
    let token = token(&store, "k").await?;
    same(store.touch_when("k", Ttl::Never, Condition::Unchanged(token)).await?, true)?;
    same(is_endless(&store, "k").await?, true)?;
    same(store.get("k").await?, Some("v".into()))
}

async fn a_stale_token_touches_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", t.short() * 1000).await?;
    let stale = token(&store, "k").await?;
    store.set("k", "second", t.short() * 1000).await?;
    same(store.touch_when("k", Ttl::Never, Condition::Unchanged(stale)).await?, false)?;
    same(is_endless(&store, "k").await?, false)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn a_token_of_a_missing_key_touches_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short() * 1000).await?;
    let gone = Condition::Unchanged(token(&store, "k").await?);
    store.delete("k").await?;
    same(store.touch_when("k", Ttl::Never, gone).await?, false)?;
    same(store.get("k").await?, None)?;
    store.set("k", "v", t.short() * 1000).await?;
    same(store.touch_when("k", Ttl::Never, gone).await?, false)?;
    same(is_endless(&store, "k").await?, false)
}

async fn an_expired_entry_is_not_touched_by_its_token(t: &Context) -> Verdict {
    let store = t.direct();
    let work = || async {
        store.set("k", "v", t.short()).await?;
        token(&store, "k").await
    };
    let token = t.within(t.short(), work).await?;
    t.outlive(t.short()).await;
    same(store.touch_when("k", Ttl::Never, Condition::Unchanged(token)).await?, false)?;
    same(store.get("k").await?, None)
}

async fn touching_leaves_the_token(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let before = token(&store, "k").await?;
    same(store.touch("k", t.short() * 1000).await?, true)?;
    same(token(&store, "k").await?, before)?;
    same(store.touch_many(&[("k", Ttl::Never, Condition::Always)]).await.remove(0)?, true)?;
    same(token(&store, "k").await?, before)?;
    same(store.set_when("k", "w", Ttl::Never, Condition::Unchanged(before)).await?, true)
}

async fn each_of_many_touches_has_its_own_condition(t: &Context) -> Verdict {
    let store = t.direct();
    for key in ["a", "b", "c", "d"] {
        store.set(key, "v", t.short() * 1000).await?;
    }
    let (of_a, of_b) = (token(&store, "a").await?, token(&store, "b").await?);
    let touched = store
        .touch_many(&[
            ("a", Ttl::Never, Condition::Unchanged(of_b)),
            ("b", Ttl::Never, Condition::Unchanged(of_b)),
            ("c", Ttl::Never, Condition::Present),
            ("d", Ttl::Never, Condition::Absent),
            ("missing", Ttl::Never, Condition::Unchanged(of_a)),
        ])
        .await;
    let touched: Vec<bool> = touched.into_iter().collect::<Result<_>>()?;
    same(touched, [false, true, true, false, false])?;
    for (key, endless) in [("a", false), ("b", true), ("c", true), ("d", false)] {
        same((key, is_endless(&store, key).await?), (key, endless))?;
    }
    Ok(())
}

async fn touch_many_tells_for_each(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("a", "1", Ttl::Never).await?;
    store.set("b", "2", t.short() * 1000).await?;
    let items = [
        ("missing", Ttl::Never, Condition::Always),
        ("b", Ttl::Never, Condition::Always),
        ("a", Ttl::After(t.short() * 1000), Condition::Always),
    ];
    let touched: Vec<bool> = store.touch_many(&items).await.into_iter().collect::<Result<_>>()?;
    same(touched, [false, true, true])?;
    same((is_endless(&store, "a").await?, is_endless(&store, "b").await?), (false, true))?;
    same(store.get_many(&["a", "b", "missing"]).await?, [Some("1".into()), Some("2".into()), None])
}

async fn touch_many_of_nothing_does_nothing(t: &Context) -> Verdict {
    same(t.direct().touch_many(&[]).await.len(), 0)
}

async fn the_last_of_two_touches_stays(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short() * 1000).await?;
    let items =
        [("k", Ttl::After(t.short() * 2000), Condition::Always), ("k", Ttl::Never, Condition::Always)];
    let touched: Vec<bool> = store.touch_many(&items).await.into_iter().collect::<Result<_>>()?;
    same(touched, [true, true])?;
    same(is_endless(&store, "k").await?, true)
}

async fn touching_needs_what_it_says(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.touch_when("k", Ttl::Never, Condition::Present).await?, false)?;
    same(store.touch_when("k", Ttl::Never, Condition::Absent).await?, false)?;
    store.set("k", "v", t.short() * 1000).await?;
    same(store.touch_when("k", Ttl::Never, Condition::Absent).await?, false)?;
    same(is_endless(&store, "k").await?, false)?;
    same(store.touch_when("k", Ttl::Never, Condition::Present).await?, true)?;
    same(is_endless(&store, "k").await?, true)
}

async fn a_touch_is_checked_or_refused(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short() * 1000).await?;
    let Token(current) = token(&store, "k").await?;
    let wrong = Condition::Unchanged(Token(current ^ 1));
    let touches = [
        store.touch_when("k", Ttl::Never, wrong).await,
        store.touch_many(&[("k", Ttl::Never, wrong)]).await.remove(0),
    ];
    for touched in touches {
        if t.capabilities().compare_and_set {
            same(touched?, false)?;
        } else {
            fails(touched, ErrorKind::Unsupported)?;
        }
    }
    same(is_endless(&store, "k").await?, false)
}
