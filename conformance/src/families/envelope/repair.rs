//! What becomes of bytes that cannot be read: reads leave them, loads and writes replace them.

use std::convert::Infallible;

use larder_core::{Key, Ttl, cache::Status, miss::Miss};

use super::{
    super::{
        conditional::at_once,
        loading::{Gate, have_joined},
        random::Rounds,
    },
    is_stored, put, written,
};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    task,
    value::Value,
};

family! { "envelope":
    #[needs(ForeignBytes)] a_load_replaces_unreadable_bytes = "Bytes that cannot be read are loaded over: the loader runs, and the next read hits.";
    #[needs(ForeignBytes)] a_load_replaces_another_keys_bytes = "The bytes of another key are loaded over.";
    #[needs(ForeignBytes)] many_callers_repair_once = "N callers of a key with unreadable bytes: one load.";
    #[needs(ForeignBytes)] a_set_replaces_unreadable_bytes = "Bytes that cannot be read are overwritten by a set.";
    #[needs(ForeignBytes)] an_add_replaces_unreadable_bytes = "Bytes that cannot be read are no live entry: `add` is `true`.";
    #[needs(ForeignBytes, AtomicAdd)] of_many_adds_over_unreadable_bytes_one_succeeds = "Of N concurrent adds over unreadable bytes exactly one is `true`, and its value is there.";
    #[needs(ForeignBytes)] a_delete_removes_unreadable_bytes = "Bytes that cannot be read are removed by a delete.";
    #[needs(ForeignBytes)] a_bulk_write_replaces_unreadable_bytes = "Bytes that cannot be read are overwritten by a bulk write, and removed by a bulk delete.";
    #[needs(ForeignBytes, SeenBytes)] reads_leave_unreadable_bytes = "A read does not repair or remove what it cannot read: somebody may just have written better.";
    #[needs(ForeignBytes, SeenBytes)] touch_leaves_unreadable_bytes = "`touch` on bytes that cannot be read is `false` and leaves them, in the store as well.";
    #[needs(ForeignBytes)] after_unreadable_bytes_the_store_goes_on = "After bytes that cannot be read the same connection reads and writes on.";
}

async fn a_load_replaces_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    for bytes in [&b""[..], b"of another program", b"LRD\x1a", &[0; 500]] {
        put(t, &key, bytes).await;
        let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
        same(cache.get_or_load("k", load).await?, ("loaded".into(), Status::Loaded))?;
        same(cache.get("k").await?, Some("loaded".into()))?;
    }
    same(cache.cache().stats().undecodable, 4)
}

async fn a_load_replaces_another_keys_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    let (_, bytes) = written(t, &cache, "of k").await?;
    put(t, &Key::new("other"), &bytes).await;
    let load = || async { Ok::<_, Infallible>(Value::from("of other")) };
    same(cache.get_or_load("other", load).await?, ("of other".into(), Status::Loaded))?;
    same(cache.get("other").await?, Some("of other".into()))?;
    same(cache.get("k").await?, Some("of k".into()))
}

async fn many_callers_repair_once(t: &Context) -> Verdict {
    let cache = t.cache();
    put(t, &Key::new("k"), b"of another program").await;
    let gate = Gate::new();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || gate.load(Ok::<_, Infallible>(Value::from("loaded")));
            task::spawn(async move { cache.get_or_load("k", load).await })
        })
        .collect();
    have_joined(&cache, 19).await?;
    gate.open();
    for caller in callers {
        let seen = caller.await.map_err(|panic| Failure::new("an answer", panic))??;
        same(seen.0, "loaded".into())?;
    }
    same(gate.loads(), 1)?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn a_set_replaces_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    put(t, &Key::new("k"), b"of another program").await;
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn an_add_replaces_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    put(t, &Key::new("k"), b"of another program").await;
    same(cache.add("k", "v").await?, true)?;
    same(cache.get("k").await?, Some("v".into()))?;
    same(cache.add("k", "w").await?, false)
}

async fn of_many_adds_over_unreadable_bytes_one_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in Rounds::new(30) {
        put(t, &Key::new("k"), b"of another program").await;
        let winners = at_once(|number| {
            let cache = cache.clone();
            async move { cache.add("k", i64::try_from(number).unwrap_or(-1)).await }
        })
        .await?;
        holds(winners.len() == 1, "exactly one `true`", &winners)?;
        let winner = i64::try_from(winners[0]).unwrap_or(-1);
        same(cache.get("k").await?, Some(winner.into()))?;
    }
    Ok(())
}

async fn a_delete_removes_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    put(t, &Key::new("k"), b"of another program").await;
    cache.delete("k").await?;
    same(cache.look_up("k").await?, Err(Miss::Absent))
}

async fn a_bulk_write_replaces_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = ["a", "b"].map(Key::from);
    for key in &keys {
        put(t, key, b"of another program").await;
    }
    for written in cache.set_many(vec![(keys[0].clone(), "v".into())]).await? {
        written?;
    }
    for removed in cache.delete_many(&keys[1..]).await? {
        removed?;
    }
    same(cache.get("a").await?, Some("v".into()))?;
    same(cache.look_up("b").await?, Err(Miss::Absent))
}

async fn reads_leave_unreadable_bytes(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    put(t, &key, b"of another program").await;
    cache.get("k").await?;
    cache.contains("k").await?;
    cache.ttl("k").await?;
    cache.get_many(std::slice::from_ref(&key)).await?;
    cache.cache().get_encoded(&key).await?;
    t.direct().get("k").await?;
    is_stored(t, &key, b"of another program").await
}

async fn touch_leaves_unreadable_bytes(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    let key = Key::new("k");
    for bytes in [&b"of another program"[..], b"", &[0; 200], b"LRD\x1a\x01"] {
        put(t, &key, bytes).await;
        same(cache.touch("k", Ttl::Never).await?, false)?;
        is_stored(t, &key, bytes).await?;
        same(store.touch("k", Ttl::Never).await?, false)?;
        is_stored(t, &key, bytes).await?;
    }
    Ok(())
}

async fn after_unreadable_bytes_the_store_goes_on(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("good", "v").await?;
    for number in 0..20_usize {
        let key = Key::new("k").part(number);
        put(t, &key, &b"END\r\n$-1\r\nVA 2 f\r\n".repeat(number)).await;
        same(cache.get(key).await?, None)?;
        same(cache.get("good").await?, Some("v".into()))?;
    }
    Ok(())
}
