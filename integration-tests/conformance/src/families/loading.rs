//! Loading: one load for many callers, and loads that lose against writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_core::{ErrorKind, Key, cache::Status};
use tokio::sync::Notify;

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    value::Value,
};

family! { "loading":
    a_miss_loads_once_and_stores = "On a miss the loader is called once, its value is returned and stored.";
    a_hit_does_not_load = "On a hit the loader is not called and nothing is written.";
    a_stored_null_is_not_loaded_again = "A stored `None` is a hit: the loader is not called again.";
    a_failing_loader_stores_nothing = "A loader's error reaches the caller, nothing is stored, the next call tries again.";
    a_panicking_loader_is_an_error = "A loader that panics is an error for those who wait; nothing hangs.";
    many_callers_one_load = "One key, N callers: one load in the process, one result.";
    many_keys_load_side_by_side = "N keys: N loads, side by side.";
    the_first_caller_may_go_away = "The first caller goes away: the load goes on, nobody else notices.";
    a_delete_during_a_load_wins = "A delete during a load wins: the loaded value is not stored.";
    a_set_during_a_load_wins = "A set during a load wins: the loaded value is not stored.";
    a_clear_during_a_load_wins = "A clear during a load wins: the loaded value is not stored.";
    a_tag_invalidation_during_a_load_wins = "A tag's invalidation during a load wins: the loaded value is not stored.";
    after_a_delete_a_new_load_begins = "A caller who arrives after the invalidation starts a new load.";
    nested_loads_of_other_keys_work = "A loader may load another key of the same cache.";
    an_empty_key_is_refused_before_loading = "Only an empty key is refused, before any I/O.";
}

type Never = std::convert::Infallible;

/// A loader that says when it has begun and waits until it may end.
#[derive(Clone, Default)]
struct Gate {
    begun: Arc<Notify>,
    end: Arc<Notify>,
    loads: Arc<AtomicUsize>,
}

impl Gate {
    async fn load(self, value: &'static str) -> Result<Value, Never> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        self.end.notified().await;
        Ok(value.into())
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

async fn value(value: impl Into<Value>) -> Result<Value, Never> {
    Ok(value.into())
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
    same(seen, ("set".into(), Status::Hit))
}

async fn a_stored_null_is_not_loaded_again(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.get_or_load("k", || value(Value::Null)).await?;
    same(cache.get_or_load("k", || value("loaded again")).await?, (Value::Null, Status::Hit))
}

async fn a_failing_loader_stores_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let failed =
        cache.get_or_load("k", || async { Err::<Value, _>(std::io::Error::other("no database")) }).await;
    let told =
        failed.as_ref().err().and_then(|error| error.load_error::<std::io::Error>().map(ToString::to_string));
    same(told.as_deref(), Some("no database"))?;
    fails(failed, ErrorKind::Load)?;
    same(cache.get("k").await?, None)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn a_panicking_loader_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    #[allow(clippy::panic, reason = "it is what the case is about")]
    let failed = cache
        .get_or_load("k", || async {
            if true {
                panic!("a loader that panics, as the suite has it do");
            }
            value("never").await
        })
        .await;
    fails(failed, ErrorKind::Panicked)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn many_callers_one_load(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::default();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            tokio::spawn(async move { cache.get_or_load("k", || gate.load("loaded")).await })
        })
        .collect();
    gate.begun.notified().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.end.notify_waiters();
    for caller in callers {
        let seen = caller.await.map_err(|panic| Failure::new("an answer", panic))??;
        same(seen.0, "loaded".into())?;
        gate.end.notify_waiters();
    }
    same(gate.loads(), 1)
}

async fn many_keys_load_side_by_side(t: &Context) -> Verdict {
    let cache = t.cache();
    let everybody = Arc::new(tokio::sync::Barrier::new(20));
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let (cache, everybody) = (cache.clone(), Arc::clone(&everybody));
            let key = Key::new("k").part(number);
            tokio::spawn(async move {
                let load = move || async move {
                    // Nobody passes before all have begun.
                    everybody.wait().await;
                    value(i64::from(number)).await
                };
                cache.get_or_load(key, load).await
            })
        })
        .collect();
    for (number, caller) in callers.into_iter().enumerate() {
        let seen = tokio::time::timeout(Duration::from_secs(10), caller)
            .await
            .map_err(|_| Failure::new("20 loads at once", "they waited for each other"))?
            .map_err(|panic| Failure::new("an answer", panic))??;
        same(seen.0, Value::Signed(i64::try_from(number).unwrap_or(-1)))?;
    }
    Ok(())
}

async fn the_first_caller_may_go_away(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::default();
    let first = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move { cache.get_or_load("k", || gate.load("loaded")).await }
    });
    gate.begun.notified().await;
    let second = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move { cache.get_or_load("k", || gate.load("loaded by the second")).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    first.abort();
    let _ = first.await;
    t.note("// the first caller is dropped", ());
    gate.end.notify_one();
    let seen = second.await.map_err(|panic| Failure::new("an answer", panic))??;
    same(seen.0, "loaded".into())?;
    same(gate.loads(), 1)
}

/// Begins a load, does something else to the key, ends the load: what is the key then?
async fn meanwhile<F>(
    t: &Context,
    act: impl FnOnce(crate::probe::Probe) -> F,
) -> Result<Option<Value>, Failure>
where
    F: Future<Output = larder_core::Result<()>>,
{
    let cache = t.cache();
    let gate = Gate::default();
    let key = Key::new("k");
    let caller = tokio::spawn({
        let (cache, gate, key) = (cache.cache().clone(), gate.clone(), key.clone());
        async move { cache.at(&key).tag("tag").get_or_load(|| gate.load("old")).await.map(|_| ()) }
    });
    gate.begun.notified().await;
    t.note("// a load of \"k\" under the tag \"tag\" has begun", ());
    act(cache.clone()).await?;
    gate.end.notify_one();
    caller.await.map_err(|panic| Failure::new("an answer", panic))??;
    t.note("// the load has ended with \"old\"", ());
    Ok(cache.get(key).await?)
}

async fn a_delete_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, |cache| async move { cache.delete("k").await.map(drop) }).await?, None)
}

async fn a_set_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, |cache| async move { cache.set("k", "new").await }).await?, Some("new".into()))
}

async fn a_clear_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, |cache| async move { cache.clear().await }).await?, None)
}

async fn a_tag_invalidation_during_a_load_wins(t: &Context) -> Verdict {
    same(meanwhile(t, |cache| async move { cache.invalidate_tag("tag").await }).await?, None)
}

async fn after_a_delete_a_new_load_begins(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::default();
    let first = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move { cache.get_or_load("k", || gate.load("old")).await }
    });
    gate.begun.notified().await;
    cache.delete("k").await?;
    same(cache.get_or_load("k", || value("new")).await?.0, "new".into())?;
    gate.end.notify_one();
    let old = first.await.map_err(|panic| Failure::new("an answer", panic))??;
    holds(old.0 == "old".into(), "callers who came before may get the old value", old)?;
    same(cache.get("k").await?, Some("new".into()))
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

async fn an_empty_key_is_refused_before_loading(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(cache.get_or_load("", || value("loaded")).await, ErrorKind::InvalidKey)
}
