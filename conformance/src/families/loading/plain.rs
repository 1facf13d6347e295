//! One caller and one key.

use larder_core::{ErrorKind, Key, cache::Status};

use super::{Gate, answer, ask, value};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, same},
    patience::patiently,
    task,
    value::Value,
};

family! { "loading":
    a_miss_loads_once_and_stores = "On a miss the loader is called once, its value is returned and stored.";
    a_hit_does_not_load = "On a hit the loader is not called and nothing is written.";
    a_stored_null_is_not_loaded_again = "A stored `None` is a hit: the loader is not called again.";
    what_was_deleted_is_loaded_again = "A key that was deleted is loaded again.";
    what_was_set_is_not_loaded = "A key that was set or added is not loaded.";
    nested_loads_of_other_keys_work = "A loader may load another key of the same cache.";
    a_loader_may_use_the_cache = "A loader may read, write and delete other keys of the same cache.";
    a_nested_load_of_the_same_key_ends = "A loader that loads its own key does not wait for itself: it is given an error.";
    a_load_holds_up_no_other_key = "While a key is loaded, every operation on other keys goes on.";
    a_plain_read_does_not_wait_for_a_load = "While a key is loaded, plain reads of it miss at once.";
    an_empty_key_is_refused_before_loading = "Only an empty key is refused, before any I/O.";
    #[needs(Sharing)] another_process_hits_what_was_loaded = "On a shared store another process hits what this one has loaded.";
}

async fn a_miss_loads_once_and_stores(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.get_or_load("k", || value("loaded")).await?, ("loaded".into(), Status::Loaded))?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn a_hit_does_not_load(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "set").await?;
    let seen = cache.get_or_load("k", || async { Err::<Value, _>("the loader was called") }).await?;
    same(seen, ("set".into(), Status::Hit))?;
    same(cache.cache().stats().writes, 1)
}

async fn a_stored_null_is_not_loaded_again(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.get_or_load("k", || value(Value::Null)).await?;
    same(cache.get_or_load("k", || value("loaded again")).await?, (Value::Null, Status::Hit))
}

async fn what_was_deleted_is_loaded_again(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.get_or_load("k", || value("first")).await?.0, "first".into())?;
    same(cache.delete("k").await?, true)?;
    same(cache.get_or_load("k", || value("second")).await?, ("second".into(), Status::Loaded))
}

async fn what_was_set_is_not_loaded(t: &Context) -> Verdict {
    let cache = t.cache();
    let never = || async { Err::<Value, _>("the loader was called") };
    cache.add("added", "v").await?;
    same(cache.get_or_load("added", never).await?, ("v".into(), Status::Hit))?;
    cache.set_many(vec![("of many".into(), "w".into())]).await?;
    same(cache.get_or_load("of many", never).await?, ("w".into(), Status::Hit))
}

async fn nested_loads_of_other_keys_work(t: &Context) -> Verdict {
    let cache = t.cache();
    let inner = cache.clone();
    let seen = cache
        .get_or_load("outer", || async move {
            let (value, _) = inner.get_or_load("inner", || value("inner")).await?;
            Ok::<_, larder_core::Error>(Value::List(vec![value]))
        })
        .await?;
    same(seen.0, Value::List(vec!["inner".into()]))?;
    same(cache.get("inner").await?, Some("inner".into()))
}

async fn a_loader_may_use_the_cache(t: &Context) -> Verdict {
    let cache = t.cache();
    let inner = cache.clone();
    cache.set("gone", "v").await?;
    let seen = cache
        .get_or_load("k", || async move {
            inner.set("written", "by the loader").await?;
            inner.delete("gone").await?;
            inner.add("added", "by the loader").await?;
            Ok::<_, larder_core::Error>(inner.get("written").await?.unwrap_or(Value::Null))
        })
        .await?;
    same(seen.0, "by the loader".into())?;
    same(cache.get("gone").await?, None)?;
    same(cache.get("added").await?, Some("by the loader".into()))?;
    same(cache.get("k").await?, Some("by the loader".into()))
}

async fn a_nested_load_of_the_same_key_ends(t: &Context) -> Verdict {
    let cache = t.cache();
    let inner = cache.clone();
    let nested = task::spawn(async move {
        cache
            .get_or_load("k", || async move {
                Ok::<_, larder_core::Error>(inner.get_or_load("k", || value("inner")).await?.0)
            })
            .await
    });
    let seen = patiently("an error, where a load would wait for itself", nested).await?;
    fails(seen.map_err(|panic| Failure::new("an answer", panic))?, ErrorKind::Load)
}

async fn a_load_holds_up_no_other_key(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let slow = ask(&cache, "slow", &gate, "slow");
    gate.has_begun().await?;
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))?;
    same(cache.touch("k", t.short() * 100).await?, true)?;
    same(cache.delete("k").await?, true)?;
    same(cache.get_or_load("k", || value("loaded")).await?.0, "loaded".into())?;
    same(cache.get_many(&["k", "slow"].map(Key::from)).await?.len(), 2)?;
    gate.open();
    same(answer(slow).await?.0, "slow".into())
}

async fn a_plain_read_does_not_wait_for_a_load(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let caller = ask(&cache, "k", &gate, "loaded");
    gate.has_begun().await?;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    gate.open();
    same(answer(caller).await?.0, "loaded".into())?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn an_empty_key_is_refused_before_loading(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(cache.get_or_load("", || value("loaded")).await, ErrorKind::InvalidKey)?;
    same(cache.cache().stats().loads, 0)
}

async fn another_process_hits_what_was_loaded(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    cache.get_or_load("k", || value("loaded")).await?;
    let never = || async { Err::<Value, _>("the loader was called") };
    same(peer.get_or_load("k", never).await?, ("loaded".into(), Status::Hit))
}
