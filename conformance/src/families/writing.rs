//! Writing and removing: what an overwrite replaces, what a delete says, and what a failed write leaves.

use bytes::Bytes;
use larder_core::{ErrorKind, Key, Ttl, cache::DEFAULT_TTL};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    probe::Probe,
    value::Value,
};

family! { "writing":
    an_overwrite_replaces_the_value = "Overwriting replaces the value, whatever its kind.";
    the_last_of_many_writes_stays = "Of many writes one after the other the last one stays.";
    user_metadata_travels_with_the_value = "What the program puts beside a value is read back with it, whatever bytes it is.";
    an_overwrite_drops_metadata = "Overwriting replaces the metadata: none of the old is left.";
    as_much_metadata_as_is_allowed = "250 pieces of metadata beside a value are kept.";
    the_default_life_is_visible = "Without a TTL of its own an entry gets the cache's default, which can be asked for.";
    delete_removes = "After a delete the key is absent to every kind of read.";
    delete_tells_whether_there_was_one = "`delete` is `true` if a live entry was removed, `false` if there was none; it is idempotent.";
    the_store_tells_whether_there_was_one = "A store's `delete` is `true` if a live entry was removed, `false` if there was none.";
    delete_of_an_expired_entry_is_false = "`delete` of an expired entry is `false`: it is none.";
    delete_leaves_no_tombstone = "After a delete the key can be set and added again.";
    delete_removes_nothing_else = "`delete` removes its own key and no key whose name begins alike.";
    what_cannot_be_encoded_changes_nothing = "A value that cannot be encoded is a typed error and the existing entry is unchanged.";
    what_cannot_be_encoded_creates_nothing = "A value that cannot be encoded leaves an absent key absent, for an add as well.";
    over_the_caches_limit_nothing_old_stays = "A value larger than the cache allows is `TooLarge` and the old value gone, or it is stored.";
    #[needs(Sharing)] another_process_may_delete = "On a shared store a delete removes what another process wrote.";
}

async fn an_overwrite_replaces_the_value(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", vec![1_u8; 5000]).await?;
    for value in [Value::from("text"), Value::Null, 7.into(), Value::List(vec![true.into()])] {
        cache.set("k", value.clone()).await?;
        same(cache.get("k").await?, Some(value))?;
    }
    Ok(())
}

async fn the_last_of_many_writes_stays(t: &Context) -> Verdict {
    let cache = t.cache();
    for number in 0..100_i64 {
        cache.set("k", number).await?;
    }
    same(cache.get("k").await?, Some(99.into()))
}

async fn user_metadata_travels_with_the_value(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let pieces: [(&str, &[u8]); 5] = [
        ("etag", b"\"33a64\""),
        ("empty", b""),
        ("\u{e9}\r\n", b"\r\nEND\r\n"),
        ("all", &[0, 255, 0x1a]),
        ("", b"a"),
    ];
    let mut at = cache.cache().at(&key);
    for (name, data) in pieces {
        at = at.user_meta(name, Bytes::from_static(data));
    }
    at.set("v".into()).await?;
    t.note("cache.at(&key).user_meta(…).set(\"v\").await;", pieces);
    let seen = metadata(&cache, &key).await?;
    same(seen, pieces.map(|(name, data)| (name.to_owned(), data.to_vec())).to_vec())
}

async fn an_overwrite_drops_metadata(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.cache().at(&key).user_meta("old", "1").user_meta("both", "2").set("v".into()).await?;
    t.note("cache.at(&key).user_meta(\"old\", \"1\").user_meta(\"both\", \"2\").set(\"v\").await;", ());
    cache.cache().at(&key).user_meta("both", "3").set("w".into()).await?;
    t.note("cache.at(&key).user_meta(\"both\", \"3\").set(\"w\").await;", ());
    same(metadata(&cache, &key).await?, vec![("both".to_owned(), b"3".to_vec())])?;
    cache.set("k", "x").await?;
    same(metadata(&cache, &key).await?, vec![])
}

async fn as_much_metadata_as_is_allowed(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let mut at = cache.cache().at(&key);
    for number in 0..250_usize {
        at = at.user_meta(format!("{number:>200}"), vec![0x5a; number % 20]);
    }
    at.set("v".into()).await?;
    t.note("cache.at(&key).user_meta(…).set(\"v\").await;", "250 pieces");
    let seen = metadata(&cache, &key).await?;
    same(seen.len(), 250)?;
    same(seen[249].clone(), (format!("{:>200}", 249), vec![0x5a; 249 % 20]))
}

async fn the_default_life_is_visible(t: &Context) -> Verdict {
    same(t.cache().cache().default_ttl(), DEFAULT_TTL.into())?;
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short() * 100));
    same(cache.cache().default_ttl(), (t.short() * 100).into())?;
    cache.set("k", "v").await?;
    let seen = cache.ttl("k").await?;
    holds(
        matches!(seen, Some(Ttl::After(left)) if left > t.short() * 50 && left <= t.short() * 100),
        "at most the default life, and most of it",
        seen,
    )
}

async fn delete_removes(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.touch("k", t.short()).await?, false)?;
    same(cache.get_many(&["k".into()]).await?.into_iter().flatten().collect::<Vec<_>>(), vec![None])
}

async fn delete_tells_whether_there_was_one(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.delete("k").await?, false)?;
    cache.set("k", Value::Null).await?;
    same(cache.delete("k").await?, true)?;
    same(cache.delete("k").await?, false)
}

async fn the_store_tells_whether_there_was_one(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.delete("k").await?, false)?;
    store.set("k", "v", Ttl::Never).await?;
    same(store.delete("k").await?, true)?;
    same(store.delete("k").await?, false)
}

async fn delete_of_an_expired_entry_is_false(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("k", "v", t.short()).await?;
    t.outlive(t.short()).await;
    same(cache.delete("k").await?, false)
}

async fn delete_leaves_no_tombstone(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    same(cache.add("k", "added").await?, true)?;
    same(cache.get("k").await?, Some("added".into()))?;
    cache.delete("k").await?;
    cache.set("k", "set").await?;
    same(cache.get("k").await?, Some("set".into()))
}

async fn delete_removes_nothing_else(t: &Context) -> Verdict {
    let cache = t.cache();
    let neighbours = [Key::new("kk"), Key::new("K"), Key::new("k").part(1), Key::new("k*"), Key::new("k.")];
    cache.set("k", "v").await?;
    for key in &neighbours {
        cache.set(key.clone(), "neighbour").await?;
    }
    same(cache.delete("k").await?, true)?;
    for key in neighbours {
        same(cache.get(key).await?, Some("neighbour".into()))?;
    }
    Ok(())
}

async fn what_cannot_be_encoded_changes_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "old", &["tag"]).await?;
    match cache.set("k", Value::Unserializable).await {
        // A store in memory holds the value itself, and need not encode it.
        Ok(()) => same(cache.get("k").await?, Some(Value::Unserializable))?,
        refused => {
            fails(refused, ErrorKind::Encode)?;
            same(cache.get("k").await?, Some("old".into()))?;
        }
    }
    cache.set("k", "afterwards").await?;
    same(cache.get("k").await?, Some("afterwards".into()))
}

async fn what_cannot_be_encoded_creates_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    match cache.add("k", Value::Unserializable).await {
        Ok(written) => {
            same(written, true)?;
            same(cache.get("k").await?, Some(Value::Unserializable))
        }
        refused => {
            fails(refused, ErrorKind::Encode)?;
            same(cache.get("k").await?, None)?;
            same(cache.add("k", "afterwards").await?, true)
        }
    }
}

async fn over_the_caches_limit_nothing_old_stays(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.max_value(1000));
    cache.set("k", "old").await?;
    let large = Value::from("x".repeat(2000));
    match cache.set("k", large.clone()).await {
        Ok(()) => same(cache.get("k").await?, Some(large))?,
        refused => {
            fails(refused, ErrorKind::TooLarge)?;
            same(cache.get("k").await?, None)?;
            same(cache.contains("k").await?, false)?;
        }
    }
    cache.set("k", "afterwards").await?;
    same(cache.get("k").await?, Some("afterwards".into()))
}

async fn another_process_may_delete(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.set("k", "v").await?;
    same(peer.delete("k").await?, true)?;
    same(cache.get("k").await?, None)?;
    same(cache.delete("k").await?, false)
}

/// What was put beside the value of this key.
async fn metadata(cache: &Probe, key: &Key) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let Some(found) = cache.cache().get(key).await? else {
        return Err(Failure::new("a hit", "a miss"));
    };
    Ok(found.meta().all_user().iter().map(|(name, data)| (name.to_string(), data.to_vec())).collect())
}
