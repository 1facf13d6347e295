//! Making, using and closing a store.

use std::{convert::Infallible, time::Duration};

use larder_core::{Cache, ErrorKind, Key, Result, Ttl, backend::Condition, cache::Status};

use super::loading::{Gate, ask};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    patience::{patiently, soon},
    task,
    value::Value,
};

family! { "lifecycle" needs []:
    close_succeeds_twice = "Closing is idempotent: a second close succeeds.";
    after_close_every_operation_fails = "After a close every operation of a cache fails with `Closed`.";
    after_close_bulk_operations_fail = "After a close bulk operations fail with `Closed`, each key in its place.";
    after_close_clearing_fails = "After a close a clear and an invalidation fail with `Closed`: they must not be taken for done.";
    after_close_the_store_fails = "After a close every operation of the store itself fails with `Closed`.";
    after_close_loads_still_answer = "After a close `get_or_load` gives the loader's value: a store is never the reason for a failure.";
    after_close_a_refused_key_is_still_refused = "After a close an empty key is refused for what it is.";
    close_is_for_every_cache_on_the_store = "Closing one cache closes every other on the same store.";
    a_cache_can_be_made_on_a_closed_store = "Making a cache asks the store nothing: it succeeds on a store that is closed.";
    close_in_the_middle_of_work_ends_it = "Operations that are in progress while a store is closed end, well or with `Closed`.";
    a_cache_needs_a_namespace = "A cache without a namespace is refused when it is made.";
    a_handle_outlives_the_others = "Dropping one handle of a cache leaves the others working.";
    #[needs(Storing)] nothing_shows_values = "No value appears in what a store, an entry or an error prints.";
    #[needs(Storing, Sharing)] close_removes_nothing = "Closing removes nothing: another process still reads what was written.";
    #[needs(Storing, Sharing)] close_leaves_other_processes_alone = "Closing one process's store leaves another's working.";
    #[needs(Storing)] a_load_outlives_its_cache = "A load that is in progress when its cache is dropped is stored all the same.";
}

async fn close_succeeds_twice(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.close().await?;
    cache.close().await?;
    Ok(t.backend().close().await?)
}

async fn after_close_every_operation_fails(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set("k", "v").await?;
    cache.close().await?;
    fails(cache.get("k").await, ErrorKind::Closed)?;
    fails(cache.look_up("missing").await, ErrorKind::Closed)?;
    fails(cache.contains("k").await, ErrorKind::Closed)?;
    fails(cache.ttl("k").await, ErrorKind::Closed)?;
    fails(cache.cache().get_encoded(&key).await, ErrorKind::Closed)?;
    fails(cache.set("k", "w").await, ErrorKind::Closed)?;
    fails(cache.set_tagged("k", "w", &["tag"]).await, ErrorKind::Closed)?;
    fails(cache.add("k", "w").await, ErrorKind::Closed)?;
    fails(cache.add("free", "w").await, ErrorKind::Closed)?;
    fails(cache.touch("k", t.short()).await, ErrorKind::Closed)?;
    fails(cache.touch("k", Duration::ZERO).await, ErrorKind::Closed)?;
    fails(cache.delete("k").await, ErrorKind::Closed)
}

async fn after_close_bulk_operations_fail(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys = ["a", "b"].map(Key::from);
    cache.set("a", "v").await?;
    cache.close().await?;
    all_closed(cache.get_many(&keys).await)?;
    all_closed(cache.set_many(keys.iter().map(|key| (key.clone(), "w".into())).collect()).await)?;
    all_closed(cache.delete_many(&keys).await)
}

/// Both of two answers, or the whole.
fn all_closed<R: std::fmt::Debug>(answers: Result<Vec<Result<R>>>) -> Verdict {
    match answers {
        Err(refused) => fails(Err::<(), _>(refused), ErrorKind::Closed),
        Ok(each) => {
            same(each.len(), 2)?;
            each.into_iter().try_for_each(|one| fails(one, ErrorKind::Closed))
        }
    }
}

async fn after_close_clearing_fails(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.close().await?;
    fails(cache.clear().await, ErrorKind::Closed)?;
    fails(cache.invalidate_tag("tag").await, ErrorKind::Closed)
}

async fn after_close_the_store_fails(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    t.backend().close().await?;
    fails(store.get("k").await, ErrorKind::Closed)?;
    fails(store.set("k", "w", Ttl::Never).await, ErrorKind::Closed)?;
    fails(store.set_when("k", "w", Ttl::Never, Condition::Absent).await, ErrorKind::Closed)?;
    fails(store.touch("k", Ttl::Never).await, ErrorKind::Closed)?;
    fails(store.delete("k").await, ErrorKind::Closed)?;
    fails(store.get_many(&["k", "l"]).await, ErrorKind::Closed)?;
    store.delete_many(&["k", "l"]).await.into_iter().try_for_each(|one| fails(one, ErrorKind::Closed))
}

async fn after_close_loads_still_answer(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "stored").await?;
    cache.close().await?;
    for key in ["k", "missing"] {
        let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
        same(cache.get_or_load(key, load).await?, ("loaded".into(), Status::LoadedNotStored))?;
    }
    fails(cache.get_or_load("k", || async { Err::<Value, _>("no database") }).await, ErrorKind::Load)
}

async fn after_close_a_refused_key_is_still_refused(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.close().await?;
    fails(cache.get("").await, ErrorKind::InvalidKey)?;
    fails(cache.set_tagged("k", "v", &[""]).await, ErrorKind::InvalidKey)
}

async fn close_is_for_every_cache_on_the_store(t: &Context) -> Verdict {
    let (one, other) = (t.cache_in("one"), t.cache_in("other"));
    other.set("k", "v").await?;
    one.close().await?;
    fails(other.get("k").await, ErrorKind::Closed)?;
    fails(one.get("k").await, ErrorKind::Closed)
}

async fn a_cache_can_be_made_on_a_closed_store(t: &Context) -> Verdict {
    t.backend().close().await?;
    let cache: Cache<Value> =
        Cache::builder(t.backend().clone()).namespace(t.namespace()).name("late").build()?;
    same(cache.name(), "late")?;
    fails(cache.get(&Key::new("k")).await, ErrorKind::Closed)
}

async fn close_in_the_middle_of_work_ends_it(t: &Context) -> Verdict {
    let cache = t.cache();
    let workers: Vec<_> = (0..16_i64)
        .map(|number| {
            let cache = cache.clone();
            task::spawn(async move {
                let key = Key::new("k").part(number);
                for round in 0..50 {
                    cache.set(key.clone(), round).await?;
                    cache.get(key.clone()).await?;
                    cache.get_many(std::slice::from_ref(&key)).await?;
                    cache.delete(key.clone()).await?;
                }
                Ok(())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    cache.close().await?;
    for worker in workers {
        let ended = patiently("the end of a worker", worker).await?;
        match ended.map_err(|panic| Failure::new("an end", panic))? {
            Ok(()) => {}
            refused => fails(refused, ErrorKind::Closed)?,
        }
    }
    fails(cache.get("k").await, ErrorKind::Closed)
}

async fn a_cache_needs_a_namespace(t: &Context) -> Verdict {
    let built: Result<Cache<Value>> = Cache::builder(t.backend().clone()).build();
    fails(built, ErrorKind::Config)
}

async fn a_handle_outlives_the_others(t: &Context) -> Verdict {
    let cache = t.cache();
    let clone = cache.clone();
    cache.set("k", "v").await?;
    drop(cache);
    let another = t.cache_with("another", |builder| builder);
    drop(clone);
    another.set("k", "w").await?;
    same(another.get("k").await?.is_some(), t.capabilities().keeps)
}

async fn nothing_shows_values(t: &Context) -> Verdict {
    const SECRET: &str = "hunter2-in-a-value";
    let cache = t.cache_with("cache", |builder| builder.max_value(500));
    cache.set("k", SECRET).await?;
    t.direct().set("direct", SECRET, Ttl::Never).await?;
    let too_large = cache.set("k", SECRET.repeat(100)).await;
    let unserializable = cache.set("k", Value::List(vec![SECRET.into(), Value::Unserializable])).await;
    cache.set("k", SECRET).await?;
    let encoded = cache.cache().get_encoded(&Key::new("k")).await?;
    for (what, shown) in [
        ("the store", format!("{:?}", t.backend())),
        ("the cache", format!("{:?}", cache.cache())),
        ("an encoded value", format!("{encoded:?}")),
        ("an entry", format!("{:?}", t.direct().look_up("direct").await?)),
        ("an error", format!("{too_large:?} {unserializable:?}")),
        (
            "its message",
            [too_large, unserializable]
                .into_iter()
                .filter_map(Result::err)
                .map(|error| error.to_string())
                .collect(),
        ),
    ] {
        holds(!shown.contains(SECRET), &format!("no value in what {what} prints"), &shown)?;
    }
    Ok(())
}

async fn close_removes_nothing(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.set("k", "v").await?;
    cache.close().await?;
    same(peer.get("k").await?, Some("v".into()))
}

async fn close_leaves_other_processes_alone(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    peer.set("k", "v").await?;
    peer.close().await?;
    fails(peer.get("k").await, ErrorKind::Closed)?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.set("k", "w").await?;
    same(cache.get("k").await?, Some("w".into()))
}

async fn a_load_outlives_its_cache(t: &Context) -> Verdict {
    let (cache, gate) = (t.cache(), Gate::new());
    let caller = ask(&cache, "k", &gate, "loaded");
    // A store may take its time before the load begins: to open a file, or to connect.
    gate.has_begun().await?;
    caller.abort();
    drop(caller.await);
    drop(cache);
    t.note("// the caller has gone away and the cache is dropped, and only now the load ends", ());
    gate.open();
    let later = t.cache_with("later", |builder| builder);
    let is_stored = || async { Ok(later.get("k").await? == Some("loaded".into())) };
    soon("the loaded value in the store", is_stored).await
}
