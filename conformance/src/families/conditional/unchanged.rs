//! Compare-and-set: writes that need the entry to be as it was when it was read.

use larder_core::{ErrorKind, Ttl, backend::Condition, entry::Token};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    probe::Direct,
};

family! { "conditional":
    #[needs(CompareAndSet)] the_current_token_writes = "Compare-and-set with the entry's token writes.";
    #[needs(CompareAndSet)] a_stale_token_writes_nothing = "Compare-and-set with a stale token is `false` and leaves the value.";
    #[needs(CompareAndSet)] a_token_is_good_for_one_write = "A token that has written once is stale.";
    #[needs(CompareAndSet)] an_equal_value_is_another_state = "A token names a state, not a value: it is stale after the same bytes were written again.";
    #[needs(CompareAndSet)] a_token_of_a_deleted_key_writes_nothing = "Compare-and-set on a missing key writes nothing.";
    #[needs(CompareAndSet)] delete_and_recreate_changes_the_token = "Deleting and writing the same again changes the token.";
    #[needs(CompareAndSet)] an_expired_entry_has_no_token = "Compare-and-set with the token of an expired entry writes nothing.";
    #[needs(CompareAndSet)] reading_leaves_the_token = "Reading does not change the token.";
    #[needs(CompareAndSet)] each_key_has_tokens_of_its_own = "A token of one key does not fit another.";
    #[needs(CompareAndSet)] compare_and_set_replaces_the_life = "Compare-and-set replaces the life as well.";
    #[needs(CompareAndSet, Sharing)] a_token_is_stale_after_another_process_wrote = "On a shared store a write of another process makes a token stale.";
    a_token_is_checked_or_refused = "A condition that the store cannot check is `Unsupported`, never ignored.";
}

async fn the_current_token_writes(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Unchanged(token)).await?, true)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn a_stale_token_writes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    store.set("k", "second", Ttl::Never).await?;
    same(store.set_when("k", "third", Ttl::Never, Condition::Unchanged(token)).await?, false)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn a_token_is_good_for_one_write(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Unchanged(token)).await?, true)?;
    same(store.set_when("k", "third", Ttl::Never, Condition::Unchanged(token)).await?, false)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn an_equal_value_is_another_state(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "same", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    store.set("k", "same", Ttl::Never).await?;
    same(store.set_when("k", "other", Ttl::Never, Condition::Unchanged(token)).await?, false)
}

async fn a_token_of_a_deleted_key_writes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    store.delete("k").await?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Unchanged(token)).await?, false)?;
    same(store.get("k").await?, None)
}

async fn delete_and_recreate_changes_the_token(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let before = token(&store, "k").await?;
    store.delete("k").await?;
    store.set("k", "v", Ttl::Never).await?;
    let after = token(&store, "k").await?;
    holds(before != after, "another token", (before, after))?;
    same(store.set_when("k", "w", Ttl::Never, Condition::Unchanged(before)).await?, false)?;
    same(store.get("k").await?, Some("v".into()))
}

async fn an_expired_entry_has_no_token(t: &Context) -> Verdict {
    let store = t.direct();
    let work = || async {
        store.set("k", "first", t.short()).await?;
        token(&store, "k").await
    };
    let token = t.within(t.short(), work).await?;
    t.outlive(t.short()).await;
    same(store.set_when("k", "second", Ttl::Never, Condition::Unchanged(token)).await?, false)?;
    same(store.get("k").await?, None)
}

async fn reading_leaves_the_token(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let before = token(&store, "k").await?;
    store.get("k").await?;
    store.get_many(&["k", "k"]).await?;
    same(token(&store, "k").await?, before)?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Unchanged(before)).await?, true)
}

async fn each_key_has_tokens_of_its_own(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("a", "first", Ttl::Never).await?;
    store.set("b", "first", Ttl::Never).await?;
    let (of_a, of_b) = (token(&store, "a").await?, token(&store, "b").await?);
    same(store.set_when("b", "second", Ttl::Never, Condition::Unchanged(of_a)).await?, false)?;
    same(store.set_when("b", "third", Ttl::Never, Condition::Unchanged(of_b)).await?, true)?;
    same(store.get_many(&["a", "b"]).await?, vec![Some("first".into()), Some("third".into())])
}

async fn compare_and_set_replaces_the_life(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let token = token(&store, "k").await?;
    same(store.set_when("k", "second", t.short(), Condition::Unchanged(token)).await?, true)?;
    t.outlive(t.short()).await;
    same(store.get("k").await?, None)
}

async fn a_token_is_stale_after_another_process_wrote(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.set("k", "first", Ttl::Never).await?;
    let old = token(&store, "k").await?;
    same(token(&peer, "k").await?, old)?;
    same(peer.set_when("k", "second", Ttl::Never, Condition::Unchanged(old)).await?, true)?;
    same(store.set_when("k", "third", Ttl::Never, Condition::Unchanged(old)).await?, false)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn a_token_is_checked_or_refused(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    let Token(current) = token(&store, "k").await?;
    let wrong = Condition::Unchanged(Token(current ^ 1));
    let written = store.set_when("k", "second", Ttl::Never, wrong).await;
    if t.capabilities().compare_and_set {
        same(written?, false)?;
    } else {
        fails(written, ErrorKind::Unsupported)?;
    }
    same(store.get("k").await?, Some("first".into()))
}

pub(super) async fn token(store: &Direct, key: &str) -> Result<Token, Failure> {
    store.token(key).await?.ok_or_else(|| Failure::new("a hit, with its token", "a miss"))
}
