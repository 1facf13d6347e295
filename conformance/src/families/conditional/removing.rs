//! Removing what is as it was: a lease is released in this way, and nothing that came after it.

use larder_core::{
    ErrorKind, Result, Ttl,
    backend::{Condition, SetOptions},
    entry::Token,
};

use super::{at_once, token};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
};

family! { "conditional":
    #[needs(CompareAndSet)] the_current_token_removes = "Removing by the entry's token removes it, and is `true`.";
    #[needs(CompareAndSet)] a_stale_token_removes_nothing = "Removing by a stale token is `false` and leaves the entry.";
    #[needs(CompareAndSet)] a_token_removes_once = "A token removes once: the key is missing afterwards, and what is written then stays.";
    #[needs(CompareAndSet)] an_expired_entry_is_not_removed_by_its_token = "Removing by the token of an expired entry is `false`: it is none.";
    #[needs(CompareAndSet)] a_touched_entry_is_removed_by_its_token = "An entry that was touched is the same one, and is removed by its token.";
    #[needs(CompareAndSet)] of_many_removals_by_one_token_one_succeeds = "Of many concurrent removals by one token exactly one is `true`.";
    #[needs(CompareAndSet)] each_of_many_removals_has_its_own_condition = "`delete_many` checks each item's own condition.";
    #[needs(CompareAndSet, Sharing)] a_token_removes_nothing_that_another_process_wrote = "On a shared store a token removes nothing that another process has written since.";
    removing_needs_what_it_says = "Removing what is to be present is `true` if a live entry was there; removing what is to be absent removes nothing.";
    a_removal_is_checked_or_refused = "A condition of removing that the store cannot check is `Unsupported`, never ignored.";
}

async fn the_current_token_removes(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    store.set("other", "v", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    same(store.delete_when("k", Condition::Unchanged(token)).await?, true)?;
    same(store.get_many(&["k", "other"]).await?, [None, Some("v".into())])
}

async fn a_stale_token_removes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let stale = token(&store, "k").await?;
    store.set("k", "second", Ttl::Never).await?;
    same(store.delete_when("k", Condition::Unchanged(stale)).await?, false)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn a_token_removes_once(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let once = Condition::Unchanged(token(&store, "k").await?);
    same(store.delete_when("k", once).await?, true)?;
    same(store.delete_when("k", once).await?, false)?;
    store.set("k", "v", Ttl::Never).await?;
    same(store.delete_when("k", once).await?, false)?;
    same(store.get("k").await?, Some("v".into()))
}

async fn an_expired_entry_is_not_removed_by_its_token(t: &Context) -> Verdict {
    let store = t.direct();
    let work = || async {
        store.set("k", "v", t.short()).await?;
        token(&store, "k").await
    };
    let token = t.within(t.short(), work).await?;
    t.outlive(t.short()).await;
    same(store.delete_when("k", Condition::Unchanged(token)).await?, false)
}

async fn a_touched_entry_is_removed_by_its_token(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    same(store.touch("k", t.short() * 1000).await?, true)?;
    same(store.delete_when("k", Condition::Unchanged(token)).await?, true)?;
    same(store.get("k").await?, None)
}

async fn of_many_removals_by_one_token_one_succeeds(t: &Context) -> Verdict {
    let store = t.direct();
    for _ in 0..8 {
        store.set("k", "v", Ttl::Never).await?;
        let token = token(&store, "k").await?;
        let removed = at_once(|_| {
            let store = store.clone();
            async move { store.delete_when("k", Condition::Unchanged(token)).await }
        });
        same(removed.await?.len(), 1)?;
    }
    Ok(())
}

async fn each_of_many_removals_has_its_own_condition(t: &Context) -> Verdict {
    let store = t.direct();
    for key in ["a", "b", "c", "d"] {
        store.set(key, "v", Ttl::Never).await?;
    }
    let (of_a, of_b) = (token(&store, "a").await?, token(&store, "b").await?);
    let removed = store
        .delete_many_when(&[
            ("a", Condition::Unchanged(of_b)),
            ("b", Condition::Unchanged(of_b)),
            ("c", Condition::Present),
            ("d", Condition::Absent),
            ("missing", Condition::Unchanged(of_a)),
            ("a", Condition::Unchanged(of_a)),
            ("a", Condition::Always),
        ])
        .await;
    let removed: Vec<bool> = removed.into_iter().collect::<Result<_>>()?;
    same(removed, [false, true, true, false, false, true, false])?;
    same(store.get_many(&["a", "b", "c", "d"]).await?, [None, None, None, Some("v".into())])
}

async fn a_token_removes_nothing_that_another_process_wrote(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    let written = store.write("k", "mine", SetOptions::new(Ttl::Never)).await?;
    same(peer.set("k", "theirs", Ttl::Never).await?, true)?;
    let mine = written.map_or(Condition::Absent, Condition::Unchanged);
    same(store.delete_when("k", mine).await?, false)?;
    same(peer.get("k").await?, Some("theirs".into()))
}

async fn removing_needs_what_it_says(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.delete_when("k", Condition::Present).await?, false)?;
    same(store.delete_when("k", Condition::Absent).await?, false)?;
    store.set("k", "v", Ttl::Never).await?;
    same(store.delete_when("k", Condition::Absent).await?, false)?;
    same(store.get("k").await?, Some("v".into()))?;
    same(store.delete_when("k", Condition::Present).await?, true)?;
    same(store.get("k").await?, None)
}

async fn a_removal_is_checked_or_refused(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let Token(current) = token(&store, "k").await?;
    let wrong = Condition::Unchanged(Token(current ^ 1));
    for removed in
        [store.delete_when("k", wrong).await, store.delete_many_when(&[("k", wrong)]).await.remove(0)]
    {
        if t.capabilities().compare_and_set {
            same(removed?, false)?;
        } else {
            fails(removed, ErrorKind::Unsupported)?;
        }
    }
    same(store.get("k").await?, Some("v".into()))
}
