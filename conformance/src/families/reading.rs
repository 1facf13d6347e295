//! Reading: hits, misses and their reasons.

use larder_core::{Key, miss::Miss};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "reading":
    set_then_get = "A value that was set is read back equal.";
    never_written_is_a_miss = "A key that was never written is a miss: not an error, not a default value.";
    a_stored_null_is_a_hit = "A stored `None` is a hit, distinct from a miss.";
    falsy_values_are_hits = "A stored `false`, `0`, `\"\"` and `[]` are hits, distinct from a miss.";
    a_deleted_key_is_absent = "A miss has a reason: what was deleted is absent.";
    an_expired_key_is_expired_or_absent = "A miss has a reason: expired, or absent where the store removes expired entries.";
    contains_tells_live_from_missing = "`contains` is true for a live entry, false for a missing and a deleted one.";
    contains_is_true_for_null_and_empty = "`contains` is true for a stored `None` and an empty value.";
    every_read_agrees = "`get`, `look_up`, `contains`, `ttl`, `get_many` and `get_encoded` agree on what is there.";
    a_miss_leaves_nothing_behind = "Asking for a key that is not there changes nothing: an add still succeeds.";
    keys_do_not_mix = "Each key has its own value, however many there are.";
    a_handle_made_later_reads_the_same = "Two caches with one namespace on one store share entries.";
    what_was_read_stays_as_it_was = "What was read cannot change afterwards, whatever becomes of the key.";
    #[needs(Sharing)] another_process_reads_the_same = "On a shared store another process reads what this one wrote.";
    #[needs(Sharing)] another_process_sees_an_overwrite = "On a shared store another process sees an overwrite and a delete at once.";
}

async fn set_then_get(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn never_written_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.look_up("k").await?, Err(Miss::Absent))
}

async fn a_stored_null_is_a_hit(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", Value::Null).await?;
    same(cache.get("k").await?, Some(Value::Null))
}

async fn falsy_values_are_hits(t: &Context) -> Verdict {
    let cache = t.cache();
    for (number, value) in
        [Value::Bool(false), Value::Signed(0), "".into(), Value::List(vec![])].into_iter().enumerate()
    {
        let key = Key::new("k").part(number);
        cache.set(key.clone(), value.clone()).await?;
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}

async fn a_deleted_key_is_absent(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    same(cache.look_up("k").await?, Err(Miss::Absent))
}

async fn an_expired_key_is_expired_or_absent(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", t.short()).await?;
    t.outlive(t.short()).await;
    let seen = cache.look_up("k").await?;
    holds(
        matches!(seen, Err(Miss::Expired | Miss::Absent)),
        "a miss because the entry is expired or absent",
        seen,
    )
}

async fn contains_tells_live_from_missing(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.contains("k").await?, false)?;
    cache.set("k", "v").await?;
    same(cache.contains("k").await?, true)?;
    cache.delete("k").await?;
    same(cache.contains("k").await?, false)
}

async fn contains_is_true_for_null_and_empty(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("null", Value::Null).await?;
    cache.set("empty", "").await?;
    same(cache.contains("null").await?, true)?;
    same(cache.contains("empty").await?, true)
}

async fn every_read_agrees(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = [Key::new("there"), Key::new("not-there")];
    cache.set("there", "v").await?;
    for (key, there) in keys.iter().zip([true, false]) {
        let agrees = |read: &str, finds: bool| {
            let expected = if there { "finds what was set" } else { "finds nothing" };
            holds(finds == there, &format!("`{read}` {expected}"), finds)
        };
        agrees("get", cache.get(key.clone()).await?.is_some())?;
        agrees("look_up", cache.look_up(key.clone()).await?.is_ok())?;
        agrees("contains", cache.contains(key.clone()).await?)?;
        agrees("ttl", cache.ttl(key.clone()).await?.is_some())?;
        agrees("get_encoded", cache.cache().get_encoded(key).await?.is_some())?;
        let of_many = cache.get_many(&keys).await?;
        agrees("get_many", of_many[usize::from(!there)].as_ref().is_ok_and(Option::is_some))?;
    }
    Ok(())
}

async fn a_miss_leaves_nothing_behind(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.cache().get_encoded(&key).await?.is_none(), true)?;
    cache.get_many(&[key]).await?;
    same(cache.touch("k", t.short()).await?, false)?;
    same(cache.delete("k").await?, false)?;
    same(cache.add("k", "v").await?, true)?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn keys_do_not_mix(t: &Context) -> Verdict {
    let cache = t.cache();
    for number in 0..50_i64 {
        cache.set(Key::new("k").part(number), number).await?;
    }
    for number in 0..50_i64 {
        same(cache.get(Key::new("k").part(number)).await?, Some(number.into()))?;
    }
    same(cache.get(Key::new("k").part(50)).await?, None)
}

async fn a_handle_made_later_reads_the_same(t: &Context) -> Verdict {
    t.cache_with("early", |builder| builder).set("k", "v").await?;
    let late = t.cache_with("late", |builder| builder);
    same(late.get("k").await?, Some("v".into()))?;
    same(late.delete("k").await?, true)?;
    same(t.cache_with("early", |builder| builder).get("k").await?, None)
}

async fn what_was_read_stays_as_it_was(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set_for("k", "first", t.short() * 100).await?;
    let (held, encoded) = (cache.cache().get(&key).await?, cache.cache().get_encoded(&key).await?);
    let (Some(held), Some(encoded)) = (held, encoded) else {
        return same(cache.get("k").await?, Some("first".into()));
    };
    let (life, bytes) = (held.remaining(), encoded.body().bytes.to_vec());
    cache.set_for("k", "other", t.short() * 20).await?;
    cache.touch("k", t.short() * 30).await?;
    same(held == Value::from("first"), true)?;
    same(held.remaining(), life)?;
    same(encoded.body().bytes.to_vec(), bytes.clone())?;
    cache.delete("k").await?;
    same(held == Value::from("first"), true)?;
    same(encoded.body().bytes.to_vec(), bytes)
}

async fn another_process_reads_the_same(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.set("k", "v").await?;
    same(peer.get("k").await?, Some("v".into()))?;
    same(peer.contains("k").await?, true)?;
    peer.set("back", "w").await?;
    same(cache.get("back").await?, Some("w".into()))
}

async fn another_process_sees_an_overwrite(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.set("k", "v").await?;
    same(peer.get("k").await?, Some("v".into()))?;
    cache.set("k", "w").await?;
    same(peer.get("k").await?, Some("w".into()))?;
    same(peer.delete("k").await?, true)?;
    same(cache.get("k").await?, None)
}
