//! Reading many keys at once.

use larder_core::{ErrorKind, Key, Ttl};

use super::{found, keys};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    value::Value,
};

family! { "bulk":
    get_many_answers_in_order = "`get_many` has one answer per key, in the order requested.";
    get_many_tells_misses_apart = "In `get_many` a missing key is a miss in its own place, not an error and not left out.";
    get_many_answers_duplicates_alike = "In `get_many` a key that is given twice gets the same answer in both places.";
    get_many_of_nothing_is_empty = "An empty request is answered with nothing.";
    get_many_keeps_nulls_apart = "`get_many` keeps a stored `None` distinct from a miss.";
    get_many_leaves_expired_members_out = "In `get_many` an expired entry is a miss, its neighbours are hits.";
    get_many_leaves_invalidated_members_out = "In `get_many` an entry whose tag was invalidated is a miss, its neighbours are hits.";
    get_many_after_a_clear_finds_nothing = "In `get_many` everything that a clear killed is a miss, what was written afterwards a hit.";
    get_many_refuses_an_empty_key = "An empty key is refused for the whole request before anything is asked.";
    get_many_agrees_with_get = "`get_many` gives for each key what `get` gives for it.";
    numbers_and_their_texts_are_two_keys = "Keys that look alike as text are answered each with its own value.";
    the_store_answers_every_place = "A store has one answer per place, in order, duplicates and misses included.";
    the_store_answers_nothing_with_nothing = "A store answers an empty request with nothing: to read, to write and to remove.";
    #[needs(Sharing)] another_process_reads_many = "On a shared store another process reads in one request what this one wrote.";
}

async fn get_many_answers_in_order(t: &Context) -> Verdict {
    let cache = t.cache();
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        cache.set(name, i64::try_from(number).unwrap_or(-1)).await?;
    }
    let expected = [2, 0, 3, 1].map(|number| Some(Value::Signed(number)));
    same(found(&cache, &keys(["c", "a", "d", "b"])).await?, expected)
}

async fn get_many_tells_misses_apart(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("b", "v").await?;
    cache.set("gone", "v").await?;
    cache.delete("gone").await?;
    same(found(&cache, &keys(["a", "b", "c", "gone"])).await?, [None, Some("v".into()), None, None])
}

async fn get_many_answers_duplicates_alike(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    let seen = found(&cache, &keys(["a", "no", "a", "no", "a"])).await?;
    same(seen, [Some("v".into()), None, Some("v".into()), None, Some("v".into())])
}

async fn get_many_of_nothing_is_empty(t: &Context) -> Verdict {
    let cache = t.cache();
    same(found(&cache, &[]).await?, vec![])
}

async fn get_many_keeps_nulls_apart(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("null", Value::Null).await?;
    cache.set("empty", "").await?;
    let seen = found(&cache, &keys(["null", "missing", "empty"])).await?;
    same(seen, [Some(Value::Null), None, Some("".into())])
}

async fn get_many_leaves_expired_members_out(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("before", "v", Ttl::Never).await?;
    cache.set_for("short", "v", t.short()).await?;
    cache.set_for("after", "v", t.short() * 100).await?;
    t.outlive(t.short()).await;
    let seen = found(&cache, &keys(["before", "short", "after"])).await?;
    same(seen, [Some("v".into()), None, Some("v".into())])
}

async fn get_many_leaves_invalidated_members_out(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("a", "v", &["kept"]).await?;
    cache.set_tagged("b", "v", &["kept", "dropped"]).await?;
    cache.set("c", "v").await?;
    cache.invalidate_tag("dropped").await?;
    same(found(&cache, &keys(["a", "b", "c"])).await?, [Some("v".into()), None, Some("v".into())])
}

async fn get_many_after_a_clear_finds_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = keys(["a", "b", "c"]);
    for key in &keys {
        cache.set(key.clone(), "v").await?;
    }
    cache.clear().await?;
    same(found(&cache, &keys).await?, [None, None, None])?;
    cache.set("b", "w").await?;
    same(found(&cache, &keys).await?, [None, Some("w".into()), None])
}

async fn get_many_refuses_an_empty_key(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("a", "v").await?;
    fails(cache.get_many(&keys(["a", "", "b"])).await, ErrorKind::InvalidKey)?;
    same(found(&cache, &keys(["a"])).await?, [Some("v".into())])
}

async fn get_many_agrees_with_get(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..30_u32).map(|number| Key::new("k").part(number)).collect();
    for (number, key) in keys.iter().enumerate() {
        match number % 5 {
            0 => {}
            1 => cache.set(key.clone(), Value::Null).await?,
            2 => cache.set_tagged(key.clone(), "tagged", &["dropped"]).await?,
            3 => cache.set(key.clone(), vec![0x5a; number * 100]).await?,
            _ => cache.set(key.clone(), format!("value of {number}")).await?,
        }
    }
    cache.invalidate_tag("dropped").await?;
    let of_many = found(&cache, &keys).await?;
    for (key, seen) in keys.into_iter().zip(of_many) {
        same(seen, cache.get(key).await?)?;
    }
    Ok(())
}

async fn numbers_and_their_texts_are_two_keys(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = [
        Key::new("10"),
        Key::new(10),
        Key::new("#10"),
        Key::new(10.0),
        Key::new("1").part("0"),
        Key::new("010"),
    ];
    for (number, key) in keys.iter().enumerate() {
        cache.set(key.clone(), i64::try_from(number).unwrap_or(-1)).await?;
    }
    same(found(&cache, &keys).await?, [0, 1, 2, 3, 4, 5].map(|number| Some(Value::Signed(number))))
}

async fn the_store_answers_every_place(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("a", "of a", Ttl::Never).await?;
    store.set("b", "of b", Ttl::Never).await?;
    let (a, b) = (Some("of a".to_owned()), Some("of b".to_owned()));
    let seen = store.get_many(&["b", "no", "a", "b", "no", "a", "a"]).await?;
    same(seen, [b.clone(), None, a.clone(), b, None, a.clone(), a])
}

async fn the_store_answers_nothing_with_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.get_many(&[]).await?, Vec::<Option<String>>::new())?;
    same(store.set_many(&[]).await.len(), 0)?;
    same(store.delete_many(&[]).await.len(), 0)
}

async fn another_process_reads_many(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.set("a", "v").await?;
    peer.set("b", "w").await?;
    let keys = keys(["a", "b", "c"]);
    let expected = [Some("v".into()), Some("w".into()), None];
    same(found(&peer, &keys).await?, expected.clone())?;
    same(found(&cache, &keys).await?, expected)
}
