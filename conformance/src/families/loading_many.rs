//! Loading several keys: one call of the loader for what is missing.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use larder_core::{ErrorKind, Key, cache::Status};
use tokio::sync::Notify;

use super::loading::have_joined;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    probe::Probe,
    task,
    value::Value,
};

family! { "loading_many":
    only_what_is_missing_is_loaded = "Only what is missing is loaded, in one call of the loader.";
    answers_come_in_the_order_of_the_keys = "One answer per key, in the order of the keys, duplicates alike.";
    what_the_loader_leaves_out_is_no_value = "A loader that returns too few keys: those have no value, nothing panics.";
    what_the_loader_adds_is_ignored = "A loader that returns too many keys: the others are ignored.";
    all_hits_do_not_load = "When nothing is missing the loader is not called.";
    no_keys_do_not_load = "No keys: no I/O, no load.";
    a_failing_loader_fails_only_what_it_was_asked_for = "A failing loader is an error in the places of its keys only.";
    a_panicking_loader_is_an_error_in_its_places = "A loader that panics is an error for those who wait; nothing hangs.";
    overlapping_calls_never_load_a_key_twice = "Two overlapping requests never load a key twice.";
    a_single_caller_joins_a_load_of_many = "A key that a load of many is making is not loaded again by a single call.";
    a_single_caller_loads_what_many_left_out = "A single caller whose key a load of many left out loads it itself.";
    a_delete_during_a_load_of_many_wins = "A delete during a load of many wins, for its key alone.";
    an_empty_key_is_refused_before_any_is_loaded = "Every key is validated before anything is done.";
}

fn keys(numbers: impl IntoIterator<Item = i64>) -> Vec<Key> {
    numbers.into_iter().map(|number| Key::new("k").part(number)).collect()
}

type Answers = Result<Vec<Result<Option<(Value, Status)>, larder_core::Error>>, larder_core::Error>;

/// Loads with a loader that answers what this makes of the missing keys, and tells which they were.
async fn load(
    cache: &Probe,
    keys: &[Key],
    answer: impl FnOnce(Vec<Key>) -> Result<Vec<(Key, Value)>, std::io::Error> + Clone + Send + 'static,
) -> (Answers, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = {
        let asked = Arc::clone(&asked);
        let loader = |missing: Vec<Key>| async move {
            let texts = missing.iter().map(ToString::to_string);
            asked.lock().unwrap_or_else(PoisonError::into_inner).extend(texts);
            answer(missing)
        };
        cache.cache().get_or_load_many(keys, loader).await
    };
    let seen = seen.map(|all| {
        let tell = |fetched: larder_core::Fetched<Value>| (Value::clone(&fetched), fetched.status());
        all.into_iter().map(|one| one.map(|found| found.map(tell))).collect()
    });
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
    cache.note(format_args!("get_or_load_many({texts:?}, loader /* asked for {asked:?} */)"), &seen);
    (seen, asked)
}

/// Every key as its own value.
#[allow(clippy::unnecessary_wraps, reason = "what a loader of many gives")]
fn itself(missing: Vec<Key>) -> Result<Vec<(Key, Value)>, std::io::Error> {
    Ok(missing.into_iter().map(|key| (key.clone(), key.to_string().into())).collect())
}

fn values(answers: Answers) -> Result<Vec<Option<Value>>, larder_core::Error> {
    answers?.into_iter().map(|one| one.map(|found| found.map(|(value, _)| value))).collect()
}

fn texts(numbers: impl IntoIterator<Item = i64>) -> Vec<Option<Value>> {
    numbers.into_iter().map(|number| Some(format!("k:#{number}").into())).collect()
}

async fn only_what_is_missing_is_loaded(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set(Key::new("k").part(2), "k:#2").await?;
    let (seen, asked) = load(&cache, &keys([1, 2, 3]), itself).await;
    same(values(seen)?, texts([1, 2, 3]))?;
    same(asked, vec!["k:#1".to_owned(), "k:#3".to_owned()])?;
    same(cache.get(Key::new("k").part(3)).await?, Some("k:#3".into()))
}

async fn answers_come_in_the_order_of_the_keys(t: &Context) -> Verdict {
    let cache = t.cache();
    let order = [5, 1, 5, 3, 1];
    let (seen, asked) = load(&cache, &keys(order), |mut missing| {
        missing.reverse();
        itself(missing)
    })
    .await;
    same(values(seen)?, texts(order))?;
    same(asked.len(), 3)
}

async fn what_the_loader_leaves_out_is_no_value(t: &Context) -> Verdict {
    let cache = t.cache();
    let (seen, _) = load(&cache, &keys([1, 2]), |missing| itself(missing[..1].to_vec())).await;
    same(values(seen)?, vec![Some("k:#1".into()), None])?;
    let (seen, asked) = load(&cache, &keys([1, 2]), itself).await;
    same(values(seen)?, texts([1, 2]))?;
    same(asked, vec!["k:#2".to_owned()])
}

async fn what_the_loader_adds_is_ignored(t: &Context) -> Verdict {
    let cache = t.cache();
    let (seen, _) = load(&cache, &keys([1]), |mut missing| {
        missing.extend(keys([2]));
        itself(missing)
    })
    .await;
    same(values(seen)?, texts([1]))?;
    same(cache.get(Key::new("k").part(2)).await?, None)
}

async fn all_hits_do_not_load(t: &Context) -> Verdict {
    let cache = t.cache();
    load(&cache, &keys([1, 2]), itself).await.0?;
    let (seen, asked) = load(&cache, &keys([1, 2]), itself).await;
    same(values(seen)?, texts([1, 2]))?;
    holds(asked.is_empty(), "a loader that is asked for nothing", asked)
}

async fn no_keys_do_not_load(t: &Context) -> Verdict {
    let (seen, asked) = load(&t.cache(), &[], itself).await;
    same(values(seen)?, vec![])?;
    same(asked.len(), 0)
}

async fn a_failing_loader_fails_only_what_it_was_asked_for(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set(Key::new("k").part(2), "k:#2").await?;
    let (seen, _) = load(&cache, &keys([1, 2]), |_| Err(std::io::Error::other("no database"))).await;
    let mut seen = seen?.into_iter();
    fails(seen.next().unwrap_or(Ok(None)), ErrorKind::Load)?;
    same(seen.next().map(|one| one.ok().flatten()), Some(Some(("k:#2".into(), Status::Hit))))
}

async fn a_panicking_loader_is_an_error_in_its_places(t: &Context) -> Verdict {
    let cache = t.cache();
    // A panic that prints nothing: it is meant.
    let panicking = |_| std::panic::resume_unwind(Box::new("a loader that panics"));
    let (seen, _) = load(&cache, &keys([1]), panicking).await;
    fails(seen?.remove(0), ErrorKind::Panicked)?;
    same(values(load(&cache, &keys([1]), itself).await.0)?, texts([1]))
}

async fn overlapping_calls_never_load_a_key_twice(t: &Context) -> Verdict {
    let cache = t.cache();
    let loads = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..10)
        .map(|first| {
            let (cache, loads) = (cache.cache().clone(), Arc::clone(&loads));
            task::spawn(async move {
                let loader = |missing: Vec<Key>| async move {
                    loads.fetch_add(missing.len(), Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    itself(missing)
                };
                cache.get_or_load_many(&keys(first..first + 10), loader).await.map(|all| all.len())
            })
        })
        .collect();
    for call in calls {
        same(call.await.map_err(|panic| Failure::new("an answer", panic))??, 10)?;
    }
    same(loads.load(Ordering::SeqCst), 19)
}

/// Begins a load of k1 and k2 that leaves k2 out, acts meanwhile, and lets the load end.
async fn meanwhile<R>(t: &Context, act: impl AsyncFnOnce(Probe, Arc<Notify>) -> R) -> Result<R, Failure> {
    let cache = t.cache();
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let many = task::spawn({
        let (cache, begun, end) = (cache.cache().clone(), Arc::clone(&begun), Arc::clone(&end));
        async move {
            let loader = |missing: Vec<Key>| async move {
                begun.notify_one();
                end.notified().await;
                itself(missing[..1].to_vec())
            };
            cache.get_or_load_many(&keys([1, 2]), loader).await.map(|all| all.len())
        }
    });
    begun.notified().await;
    let seen = act(cache, end).await;
    many.await.map_err(|panic| Failure::new("an answer", panic))??;
    Ok(seen)
}

async fn single(cache: &Probe, number: i64) -> larder_core::Result<(Value, Status)> {
    let own = || async { Ok::<_, std::convert::Infallible>("loaded alone".into()) };
    cache.get_or_load(Key::new("k").part(number), own).await
}

async fn a_single_caller_joins_a_load_of_many(t: &Context) -> Verdict {
    let joined = async |cache: Probe, end: Arc<Notify>| {
        let ending = async {
            let joined = have_joined(&cache, 1).await;
            end.notify_one();
            joined
        };
        let (ended, seen) = tokio::join!(ending, single(&cache, 1));
        ended.map(|()| seen)
    };
    same(meanwhile(t, joined).await???, ("k:#1".into(), Status::Joined))
}

async fn a_single_caller_loads_what_many_left_out(t: &Context) -> Verdict {
    let left_out = async |cache: Probe, end: Arc<Notify>| {
        let ((), seen) = tokio::join!(
            async {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                end.notify_one();
            },
            single(&cache, 2)
        );
        seen
    };
    same(meanwhile(t, left_out).await??, ("loaded alone".into(), Status::Loaded))
}

async fn a_delete_during_a_load_of_many_wins(t: &Context) -> Verdict {
    let cache = t.cache();
    let deleting = async |cache: Probe, end: Arc<Notify>| {
        let deleted = cache.delete(Key::new("k").part(1)).await;
        end.notify_one();
        deleted
    };
    meanwhile(t, deleting).await??;
    same(cache.get(Key::new("k").part(1)).await?, None)
}

async fn an_empty_key_is_refused_before_any_is_loaded(t: &Context) -> Verdict {
    let cache = t.cache();
    let (seen, asked) = load(&cache, &[Key::new("k"), Key::new("")], itself).await;
    fails(seen.map(|all| all.len()), ErrorKind::InvalidKey)?;
    same(asked.len(), 0)
}
