//! The tokens that writes answer with: they are the store's, whatever they are made of.

use bytes::Bytes;
use larder_core::{
    Key, Result, Ttl,
    backend::{Condition, SetOptions},
    entry::Token,
};

use super::token;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
};

family! { "conditional":
    a_write_answers_with_its_token = "A write answers with the token that a read of the entry then has.";
    #[needs(CompareAndSet)] the_token_of_a_write_is_good_for_the_next = "The token that a write answers with is good for the next write, for touching and for removing.";
    a_write_under_a_condition_answers_with_its_token = "A write under a condition answers with its token as well, and with none if it does not take place.";
    another_stores_token_is_not_taken_over = "An entry that another store gave out is known here by this store's own token.";
    a_write_of_the_same_entry_answers_for_what_is_there = "Writing one entry under two keys, or twice, answers each time with what a read then has.";
}

async fn a_write_answers_with_its_token(t: &Context) -> Verdict {
    let store = t.direct();
    for value in ["first", "second", "second"] {
        let written = store.write("k", value, SetOptions::new(Ttl::Never)).await?;
        same(written, store.token("k").await?)?;
    }
    Ok(())
}

async fn the_token_of_a_write_is_good_for_the_next(t: &Context) -> Verdict {
    let store = t.direct();
    let write = |value: &'static str, condition| {
        let (store, options) = (store.clone(), SetOptions::new(Ttl::Never).when(condition));
        async move {
            let written = store.write("k", value, options).await?;
            written.ok_or_else(|| Failure::new("a write that takes place", "none"))
        }
    };
    let first = write("first", Condition::Absent).await?;
    let second = write("second", Condition::Unchanged(first)).await?;
    holds(first != second, "another token", (first, second))?;
    same(store.touch_when("k", t.short() * 1000, Condition::Unchanged(second)).await?, true)?;
    let third = write("third", Condition::Unchanged(second)).await?;
    same(store.delete_when("k", Condition::Unchanged(second)).await?, false)?;
    same(store.delete_when("k", Condition::Unchanged(third)).await?, true)
}

async fn a_write_under_a_condition_answers_with_its_token(t: &Context) -> Verdict {
    let store = t.direct();
    let options = |condition| SetOptions::new(Ttl::Never).when(condition);
    same(store.write("k", "no", options(Condition::Present)).await?, None)?;
    let added = store.write("k", "added", options(Condition::Absent)).await?;
    same(Some(token(&store, "k").await?), added)?;
    same(store.write("k", "no", options(Condition::Absent)).await?, None)?;
    let replaced = store.write("k", "replaced", options(Condition::Present)).await?;
    same(Some(token(&store, "k").await?), replaced)
}

async fn another_stores_token_is_not_taken_over(t: &Context) -> Verdict {
    let store = t.direct();
    let foreign = Token(7);
    let copied = store.entry(Bytes::from_static(b"copied"), Ttl::Never).with_token(foreign);
    same(store.put(&Key::new("k"), &copied, SetOptions::new(Ttl::Never)).await?, true)?;
    let own = token(&store, "k").await?;
    let condition =
        if t.capabilities().compare_and_set { Condition::Unchanged(own) } else { Condition::Always };
    // In bulk as well.
    same(store.set_many(&[("l", "v", SetOptions::new(Ttl::Never))]).await.remove(0)?, true)?;
    same(store.delete_when("k", condition).await?, true)
}

async fn a_write_of_the_same_entry_answers_for_what_is_there(t: &Context) -> Verdict {
    let store = t.direct();
    let entry = store.entry(Bytes::from_static(b"one"), Ttl::Never).with_token(Token(7));
    let mut tokens = Vec::new();
    for key in ["k", "l", "k"] {
        let written = store.put_all(&[(key, &entry)]).await.into_iter().collect::<Result<Vec<_>>>()?;
        tokens.push((written, store.token(key).await?));
    }
    for (written, found) in tokens {
        same(written, [found])?;
    }
    Ok(())
}
