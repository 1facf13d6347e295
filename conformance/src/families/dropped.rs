//! A caller may drop its future at any `await`: what it began has happened whole or not at all, nothing of it lands after
//! a later operation of the same caller has returned, and the store goes on.
//!
//! An operation that was dropped may still take place afterwards, until the next write or removal of the key through the
//! same handle has returned; from then on it may not.

use std::{future::poll_fn, pin::pin, task::Poll};

use larder_core::{
    Key, Result, Ttl,
    backend::{Condition, DeleteItem, DeleteOptions, SetItem, TouchItem},
    clock::Timestamp,
    key::StoreKey,
};

use super::ways::{Alone, How, Many, plain, token_of, touch_to, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::ticks,
    probe::Direct,
};

use Write::{Add, Compare, Replace, Set};

/// The store's operations and those of a cache.
pub(crate) fn cases() -> Vec<crate::case::Case> {
    [CASES, of_a_cache::CASES].concat()
}

matrix! { "dropped":
    a_read_leaves_its_answer_to_nobody = "A read that is dropped at any `await` gives its answer to no later one." => a_read_is_dropped(Alone);
    a_bulk_read_leaves_its_answers_to_nobody = "A bulk read that is dropped at any `await` gives its answers to no later one." => a_read_is_dropped(Many);
    a_write_lands_whole_or_not_at_all = "A write that is dropped at any `await` has happened whole or not at all, and does not land after a later delete." => a_write_is_dropped(Set, Alone);
    a_bulk_write_lands_whole_or_not_at_all = "A bulk write that is dropped at any `await` leaves each key whole, and does not land after a later delete." => a_write_is_dropped(Set, Many);
    an_add_lands_whole_or_not_at_all = "An add that is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Add, Alone);
    a_bulk_add_lands_whole_or_not_at_all = "An add in bulk that is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Add, Many);
    a_replacement_lands_whole_or_not_at_all = "A write that needs a live entry and is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Replace, Alone);
    a_bulk_replacement_lands_whole_or_not_at_all = "A bulk write that needs a live entry and is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Replace, Many);
    #[needs(CompareAndSet)] a_compare_and_set_lands_whole_or_not_at_all = "A compare-and-set that is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Compare, Alone);
    #[needs(CompareAndSet)] a_bulk_compare_and_set_lands_whole_or_not_at_all = "A compare-and-set in bulk that is dropped at any `await` does not land after a later delete." => a_write_is_dropped(Compare, Many);
    a_delete_does_not_reach_a_later_write = "A delete that is dropped at any `await` does not remove what is written later." => a_delete_is_dropped(Alone);
    a_bulk_delete_does_not_reach_a_later_write = "A bulk delete that is dropped at any `await` does not remove what is written later." => a_delete_is_dropped(Many);
    a_touch_does_not_reach_a_later_write = "A touch that is dropped at any `await` does not change the TTL of what is written later." => a_touch_is_dropped(Alone);
    a_bulk_touch_does_not_reach_a_later_write = "A bulk touch that is dropped at any `await` does not change the TTL of what is written later." => a_touch_is_dropped(Many);
    what_is_never_polled_does_nothing = "An operation whose future is never polled does not happen." => nothing_is_polled();
}

#[derive(Debug, Clone, Copy)]
enum Write {
    Set,
    Add,
    Replace,
    Compare,
}

/// No operation waits more often than this.
const MOST: usize = 24;

/// Polls this work until it has waited this often, and drops it then. The result, if it came before.
async fn dropped_after<W: Future>(waits: usize, work: W) -> Option<W::Output> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left <= 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Does this with more and more waits before the drop, until nothing is left to drop. It says whether it came to its end.
async fn at_every_await<F>(work: impl Fn(usize) -> F) -> Verdict
where
    F: Future<Output = Result<bool, Failure>>,
{
    for waits in 1..=MOST {
        if work(waits).await? {
            return Ok(());
        }
    }
    Err(Failure::new("an operation that ends", format_args!("one that waits more than {MOST} times")))
}

/// Looks again and again for as long as something may still be under way.
async fn stays(store: &Direct, key: &str, expected: Option<&str>) -> Verdict {
    for _ in 0..3 {
        same(store.get(key).await?.as_deref(), expected)?;
        ticks(1).await;
    }
    same(store.get(key).await?.as_deref(), expected)
}

async fn a_read_is_dropped(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    store.set("k", "of k", Ttl::Never).await?;
    store.set("other", "of other", Ttl::Never).await?;
    at_every_await(|waits| {
        let store = &store;
        async move {
            let ended = dropped_after(waits, how.read(store, "k")).await.is_some();
            same(store.get("other").await?, Some("of other".into()))?;
            same(store.get_many(&["no", "other"]).await?, [None, Some("of other".into())])?;
            same(store.get("k").await?, Some("of k".into()))?;
            Ok(ended)
        }
    })
    .await
}

async fn a_write_is_dropped(t: &Context, way: Write, how: How) -> Verdict {
    let store = t.direct();
    at_every_await(|waits| {
        let store = &store;
        async move {
            let key = format!("k{waits}");
            let old = if matches!(way, Add) {
                None
            } else {
                store.set(&key, "old", Ttl::Never).await?;
                Some("old")
            };
            let condition = match way {
                Set => Condition::Always,
                Add => Condition::Absent,
                Replace => Condition::Present,
                Compare => Condition::Unchanged(token_of(store, &key).await?),
            };
            let new = plain(t, "new", Ttl::Never);
            let written = dropped_after(waits, how.write(store, &key, &new, when(condition))).await;
            let seen = store.get(&key).await?;
            let is_whole = seen.as_deref() == old || seen.as_deref() == Some("new");
            holds(is_whole, "what was there before, or what was written", &seen)?;
            if let Some(written) = &written {
                same(written.as_ref().ok(), Some(&true))?;
                same(seen.as_deref(), Some("new"))?;
            }
            store.delete(&key).await?;
            stays(store, &key, None).await?;
            Ok(written.is_some())
        }
    })
    .await
}

async fn a_delete_is_dropped(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    at_every_await(|waits| {
        let store = &store;
        async move {
            let key = format!("k{waits}");
            store.set(&key, "old", Ttl::Never).await?;
            let ended = dropped_after(waits, how.delete(store, &key, Condition::Always)).await.is_some();
            store.set(&key, "new", Ttl::Never).await?;
            stays(store, &key, Some("new")).await?;
            Ok(ended)
        }
    })
    .await
}

async fn a_touch_is_dropped(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    at_every_await(|waits| {
        let store = &store;
        async move {
            let key = format!("k{waits}");
            store.set(&key, "old", Ttl::Never).await?;
            let touch = how.touch(store, &key, touch_to(t, t.short() * 1000, Condition::Always));
            let ended = dropped_after(waits, touch).await.is_some();
            store.set(&key, "new", Ttl::Never).await?;
            stays(store, &key, Some("new")).await?;
            let seen = store.entry_of(&key).await?.map(|entry| entry.meta().lifetime.expires);
            same(seen, Some(Timestamp::NEVER))?;
            Ok(ended)
        }
    })
    .await
}

async fn nothing_is_polled(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "old", Ttl::Never).await?;
    let (backend, key, free) = (t.backend(), Key::new("k"), Key::new("free"));
    let [key, free] = [&key, &free].map(|key| StoreKey::new(store.namespace(), key));
    let (new, always) = (plain(t, "new", Ttl::Never), when(Condition::Always));
    let touch = touch_to(t, t.short(), Condition::Always);
    // The futures themselves: an async function around them would not even make them.
    drop(backend.set(&key, &new, &always));
    drop(backend.set(&free, &new, &when(Condition::Absent)));
    drop(backend.touch(&key, &touch));
    drop(backend.delete(&key, &DeleteOptions::new()));
    drop(
        backend.set_many(&[SetItem::new(key, new.clone(), always), SetItem::new(free, new.clone(), always)]),
    );
    drop(backend.touch_many(&[TouchItem::new(key, touch)]));
    drop(backend.delete_many(&[DeleteItem::new(key, DeleteOptions::new())]));
    stays(&store, "k", Some("old")).await?;
    stays(&store, "free", None).await?;
    t.outlive(t.short()).await;
    same(store.get("k").await?, Some("old".into()))
}

/// The same for the operations of a cache.
mod of_a_cache {
    use std::convert::Infallible;

    use larder_core::{Key, Result, Ttl};

    use super::{at_every_await, dropped_after};
    use crate::{
        case::family,
        context::Context,
        failure::{Failure, Verdict, same},
        patience::ticks,
        probe::Probe,
        value::Value,
    };

    family! { "dropped":
        a_caches_set_does_not_land_after_a_delete = "A cache's `set` that is dropped at any `await` does not land after a later delete.";
        a_caches_add_does_not_land_after_a_delete = "A cache's `add` that is dropped at any `await` does not land after a later delete.";
        a_caches_bulk_write_does_not_land_after_a_delete = "A cache's `set_many` that is dropped at any `await` does not land after a later delete.";
        a_caches_load_does_not_land_after_a_delete = "A load whose caller goes away at any `await` does not land after a later delete.";
        a_caches_bulk_load_does_not_land_after_a_delete = "A load of many whose caller goes away at any `await` does not land after a later delete.";
        a_caches_delete_does_not_reach_a_later_set = "A cache's `delete` that is dropped at any `await` does not remove what is set later.";
        a_caches_bulk_delete_does_not_reach_a_later_set = "A cache's `delete_many` that is dropped at any `await` does not remove what is set later.";
        a_caches_touch_gives_no_later_value_an_end = "A cache's `touch` that is dropped at any `await` does not change the TTL of what is set later.";
    }

    /// Drops this at every `await`, deletes, and looks whether the key stays absent.
    async fn lands_not<F>(t: &Context, work: impl Fn(Probe, String) -> F) -> Verdict
    where
        F: Future<Output = Result<()>>,
    {
        let cache = t.cache();
        at_every_await(|waits| {
            let (cache, key) = (cache.clone(), format!("k{waits}"));
            let work = work(cache.clone(), key.clone());
            async move {
                let ended = dropped_after(waits, work).await;
                if let Some(Err(error)) = &ended {
                    return Err(Failure::new("success", error));
                }
                cache.delete(key.as_str()).await?;
                for _ in 0..3 {
                    ticks(1).await;
                    same(cache.get(key.as_str()).await?, None)?;
                }
                Ok(ended.is_some())
            }
        })
        .await
    }

    async fn a_caches_set_does_not_land_after_a_delete(t: &Context) -> Verdict {
        lands_not(t, |cache, key| async move { cache.set(key.as_str(), "new").await }).await
    }

    async fn a_caches_add_does_not_land_after_a_delete(t: &Context) -> Verdict {
        lands_not(t, |cache, key| async move { cache.add(key.as_str(), "new").await.map(drop) }).await
    }

    async fn a_caches_bulk_write_does_not_land_after_a_delete(t: &Context) -> Verdict {
        lands_not(t, |cache, key| async move {
            let items = [key.as_str(), "beside"].map(|key| (Key::new(key), Value::from("new")));
            cache.set_many(items.into()).await?.into_iter().collect()
        })
        .await
    }

    async fn a_caches_load_does_not_land_after_a_delete(t: &Context) -> Verdict {
        let load = || async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Value::from("loaded"))
        };
        lands_not(t, |cache, key| async move { cache.get_or_load(key.as_str(), load).await.map(drop) }).await
    }

    async fn a_caches_bulk_load_does_not_land_after_a_delete(t: &Context) -> Verdict {
        lands_not(t, |cache, key| async move {
            let keys = [key.as_str(), "beside"].map(Key::new);
            let load = |keys: Vec<Key>| async move {
                tokio::task::yield_now().await;
                let made: Vec<_> = keys.into_iter().map(|key| (key, Value::from("loaded"))).collect();
                Ok::<_, Infallible>(made)
            };
            cache.cache().get_or_load_many(&keys, load).await.map(drop)
        })
        .await
    }

    /// Drops this at every `await`, sets the key, and looks whether that stays, for ever.
    async fn reaches_not<F>(t: &Context, work: impl Fn(Probe, String) -> F) -> Verdict
    where
        F: Future<Output = Result<()>>,
    {
        let cache = t.cache();
        at_every_await(|waits| {
            let (cache, key) = (cache.clone(), format!("k{waits}"));
            let work = work(cache.clone(), key.clone());
            async move {
                cache.set_for(key.as_str(), "old", Ttl::Never).await?;
                let ended = dropped_after(waits, work).await.is_some();
                cache.set_for(key.as_str(), "new", Ttl::Never).await?;
                for _ in 0..3 {
                    ticks(1).await;
                    same(cache.get(key.as_str()).await?, Some("new".into()))?;
                    same(cache.ttl(key.as_str()).await?, Some(Ttl::Never))?;
                }
                Ok(ended)
            }
        })
        .await
    }

    async fn a_caches_delete_does_not_reach_a_later_set(t: &Context) -> Verdict {
        reaches_not(t, |cache, key| async move { cache.delete(key.as_str()).await.map(drop) }).await
    }

    async fn a_caches_bulk_delete_does_not_reach_a_later_set(t: &Context) -> Verdict {
        reaches_not(t, |cache, key| async move {
            cache.delete_many(&[key.as_str(), "beside"].map(Key::new)).await.map(drop)
        })
        .await
    }

    async fn a_caches_touch_gives_no_later_value_an_end(t: &Context) -> Verdict {
        let life = t.short() * 1000;
        reaches_not(t, |cache, key| async move { cache.touch(key.as_str(), life).await.map(drop) }).await
    }
}
