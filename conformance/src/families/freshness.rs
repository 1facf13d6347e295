//! Freshness: stale values, early refresh, deadlines, and loaders that say more than a value.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_core::{
    ErrorKind, Key, Miss, Ttl,
    cache::{Abandon, Cache, Loaded, Policy, Status},
};
use tokio::sync::Notify;

use super::loading::Gate;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    patience::{patiently, soon, ticks},
    probe::Probe,
    task,
    value::Value,
};

family! { "freshness":
    a_stale_value_is_served_while_another_is_made =
        "Within stale-while-revalidate a stale value is served at once, and one load starts in the background.";
    a_stale_value_is_no_hit_for_a_plain_get = "A plain `get` does not return a stale value.";
    a_stale_value_does_not_stand_in_the_way_of_an_add = "`add` on a key whose entry is stale succeeds.";
    a_failing_loader_is_excused_by_a_stale_value =
        "With a stale copy and stale-if-error, the copy is served, flagged, when the loader fails.";
    after_a_failure_the_loader_is_left_alone =
        "After a failure that a stale copy excused, the loader is left alone for the back-off.";
    the_loader_is_left_alone_by_encoded_reads_too = "The back-off after a failure holds for encoded reads as well.";
    #[needs(InjectedClock)] early_refreshes_of_what_does_not_change_stay_few = "A value that its loader finds unchanged again and again is refreshed once in each fraction of its life.";
    after_its_windows_a_stale_value_is_gone = "Stale copies are served only within their windows.";
    no_window_no_stale_value = "Stale copies are served only where the policy says so.";
    a_deleted_value_is_never_served_stale = "A stale copy of a key that was deleted is never served.";
    a_cleared_value_is_never_served_stale = "A stale copy of a namespace that was cleared is never served.";
    an_invalidated_value_is_never_served_stale = "A stale copy whose tag was invalidated is never served.";
    a_slow_loader_is_outrun_by_a_stale_value =
        "Soft deadline: the stale copy if there is one, and the load continues in the background.";
    without_a_stale_value_the_soft_deadline_waits = "Soft deadline without a stale copy: the caller waits.";
    the_hard_deadline_is_an_error = "Hard deadline: an error, and the load continues in the background.";
    a_refresh_behind_loses_against_a_delete = "An invalidation during a background refresh wins.";
    an_early_refresh_begins_once_and_nobody_waits =
        "Early refresh: one background load after a fraction of the life; nobody waits.";
    before_its_fraction_nothing_is_refreshed = "Early refresh: no load before its fraction of the life.";
    an_endless_life_is_not_refreshed_early = "Early refresh with an endless life does nothing.";
    a_negative_answer_has_a_life_of_its_own = "A loader may return a negative answer with a TTL, which is kept for that long.";
    a_negative_answer_is_never_stale = "A negative answer is not served stale: it is gone after its life.";
    a_stale_value_says_so_over_http = "The `Cache-Status` of a stale value is a hit with a negative life.";
    a_loader_may_decide_the_life = "A loader may set the time to live.";
    a_loader_may_refuse_to_store = "A loader may say \"do not store\": returned, not stored.";
    unchanged_begins_a_new_life = "A loader that is given the old value may say that it is unchanged.";
    unchanged_without_an_old_value_is_an_error = "\"Unchanged\" without an old value is an error, not a value.";
    the_same_key_nested_is_detected = "A loader that waits for its own key is an error, not a deadlock.";
    loads_at_once_are_limited = "No more loads run at once than the cache's limit.";
    nested_loads_do_not_wait_for_a_turn = "Nested loads of other keys do not deadlock at the limit.";
    an_abandoned_load_goes_on = "When all callers go away the load goes on and is stored.";
    an_abandoned_load_is_dropped_where_the_policy_says_so = "When all callers go away policy decides: cancel.";
}

type Never = std::convert::Infallible;

const LONG: Duration = Duration::from_hours(1);

fn with(t: &Context, policy: Policy) -> Probe {
    t.cache_with("cache", |builder| builder.policy(policy))
}

fn value(value: impl Into<Value>) -> Ready<Result<Value, Never>> {
    ready(Ok(value.into()))
}

async fn failure() -> Result<Value, std::io::Error> {
    Err(std::io::Error::other("no database"))
}

/// The value under "k" is "old", and stale. What is stored afterwards lives for as long as the policy says.
async fn stale(t: &Context, policy: Policy) -> Result<Probe, Failure> {
    let cache = with(t, policy);
    let key = Key::new("k");
    let written = cache.cache().at(&key).tag("tag").ttl(t.short()).set("old".into()).await;
    cache.note(format_args!("at(&key).tag(\"tag\").ttl({:?}).set(\"old\")", t.short()), &written);
    written?;
    t.outlive(t.short()).await;
    Ok(cache)
}

fn revalidating() -> Policy {
    Policy::new(LONG).stale_while_revalidate(LONG)
}

fn excusing() -> Policy {
    Policy::new(LONG).stale_if_error(LONG)
}

async fn a_stale_value_is_served_while_another_is_made(t: &Context) -> Verdict {
    let cache = stale(t, revalidating()).await?;
    let (seen, status) = cache.get_or_load("k", || value("new")).await?;
    same((seen, status), ("old".into(), Status::Stale))?;
    soon("the new value", || async { Ok(cache.get("k").await? == Some("new".into())) }).await
}

async fn a_stale_value_is_no_hit_for_a_plain_get(t: &Context) -> Verdict {
    let cache = stale(t, revalidating()).await?;
    same(cache.look_up("k").await?, Err(Miss::Stale))?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.touch("k", LONG).await?, false)?;
    let seen: Vec<_> = cache.get_many(&[Key::new("k")]).await?.into_iter().map(Result::ok).collect();
    same(seen, vec![Some(None)])
}

async fn a_stale_value_does_not_stand_in_the_way_of_an_add(t: &Context) -> Verdict {
    let cache = stale(t, revalidating()).await?;
    same(cache.add("k", "added").await?, true)?;
    same(cache.add("k", "added again").await?, false)?;
    same(cache.get("k").await?, Some("added".into()))
}

async fn a_failing_loader_is_excused_by_a_stale_value(t: &Context) -> Verdict {
    let cache = stale(t, excusing()).await?;
    same(cache.get_or_load("k", failure).await?, ("old".into(), Status::Stale))
}

async fn after_a_failure_the_loader_is_left_alone(t: &Context) -> Verdict {
    let cache = stale(t, excusing().error_backoff(LONG)).await?;
    cache.get_or_load("k", failure).await?;
    same(cache.get_or_load("k", || value("too early")).await?, ("old".into(), Status::Stale))?;
    let pause = t.short();
    let cache = t.cache_with("sooner", |builder| builder.policy(excusing().error_backoff(pause)));
    same(cache.get_or_load("k", failure).await?, ("old".into(), Status::Stale))?;
    t.outlive(pause).await;
    same(cache.get_or_load("k", || value("new")).await?, ("new".into(), Status::Loaded))
}

async fn the_loader_is_left_alone_by_encoded_reads_too(t: &Context) -> Verdict {
    let cache = stale(t, excusing().error_backoff(LONG)).await?;
    let (key, loads) = (Key::new("k"), Arc::new(AtomicUsize::new(0)));
    for _ in 0..3 {
        let loads = Arc::clone(&loads);
        let load = || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            failure().await
        };
        same(cache.cache().at(&key).get_or_load_encoded(load).await?.status(), Status::Stale)?;
    }
    same(loads.load(Ordering::SeqCst), 1)
}

async fn early_refreshes_of_what_does_not_change_stay_few(t: &Context) -> Verdict {
    let (life, due) = (Duration::from_secs(100), Duration::from_secs(20));
    // No age is exactly the one at which a refresh is due.
    let step = Duration::from_millis(700);
    let cache = with(t, Policy::new(life).early_refresh(0.8));
    let (key, loads) = (Key::new("k"), Arc::new(AtomicUsize::new(0)));
    for _ in 0..860 {
        let counted = Arc::clone(&loads);
        let load = move |context: larder_core::cache::LoadContext<Value>| async move {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Never>(if context.old().is_some() {
                Loaded::unchanged()
            } else {
                Loaded::new("v".into())
            })
        };
        // The clock stands still until what is due has been refreshed. It is asked for again and again: the refresh before may
        // have renewed the life and not ended yet, and while one goes on, no other begins.
        let is_refreshed = || async {
            cache.cache().at(&key).get_or_load_with(load.clone()).await?;
            Ok(matches!(cache.cache().ttl(&key).await?, Some(Ttl::After(left)) if left >= due))
        };
        soon("a refresh of what is due", is_refreshed).await?;
        t.clock().advance(step);
    }
    // The first one, and one after each 80.5 s.
    holds((8..=10).contains(&loads.load(Ordering::SeqCst)), "eight loads in 602 s", &loads)
}

async fn after_its_windows_a_stale_value_is_gone(t: &Context) -> Verdict {
    let cache = stale(t, Policy::new(LONG).stale_if_error(t.short())).await?;
    t.outlive(t.short()).await;
    fails(cache.get_or_load("k", failure).await, ErrorKind::Load)
}

async fn no_window_no_stale_value(t: &Context) -> Verdict {
    let cache = stale(t, Policy::new(LONG)).await?;
    fails(cache.get_or_load("k", failure).await, ErrorKind::Load)?;
    same(cache.get_or_load("k", || value("new")).await?, ("new".into(), Status::Loaded))
}

async fn a_deleted_value_is_never_served_stale(t: &Context) -> Verdict {
    let cache = stale(t, excusing()).await?;
    cache.delete("k").await?;
    fails(cache.get_or_load("k", failure).await, ErrorKind::Load)
}

async fn a_cleared_value_is_never_served_stale(t: &Context) -> Verdict {
    let cache = stale(t, excusing()).await?;
    cache.clear().await?;
    fails(cache.get_or_load("k", failure).await, ErrorKind::Load)
}

async fn an_invalidated_value_is_never_served_stale(t: &Context) -> Verdict {
    let cache = stale(t, excusing()).await?;
    cache.invalidate_tag("tag").await?;
    fails(cache.get_or_load("k", failure).await, ErrorKind::Load)
}

async fn a_slow_loader_is_outrun_by_a_stale_value(t: &Context) -> Verdict {
    let cache = stale(t, excusing().soft_deadline(Duration::from_millis(20))).await?;
    let end = Arc::new(Notify::new());
    let load = {
        let end = Arc::clone(&end);
        || async move {
            end.notified().await;
            value("new").await
        }
    };
    same(cache.get_or_load("k", load).await?, ("old".into(), Status::Stale))?;
    end.notify_one();
    soon("the new value", || async { Ok(cache.get("k").await? == Some("new".into())) }).await
}

async fn without_a_stale_value_the_soft_deadline_waits(t: &Context) -> Verdict {
    let cache = with(t, excusing().soft_deadline(Duration::from_millis(5)));
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        value("new").await
    };
    same(cache.get_or_load("k", slow).await?.0, "new".into())
}

async fn the_hard_deadline_is_an_error(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG).hard_deadline(Duration::from_millis(20)));
    let end = Arc::new(Notify::new());
    let load = {
        let end = Arc::clone(&end);
        || async move {
            end.notified().await;
            value("late").await
        }
    };
    fails(cache.get_or_load("k", load).await, ErrorKind::Timeout)?;
    end.notify_one();
    soon("the late value", || async { Ok(cache.get("k").await? == Some("late".into())) }).await
}

async fn a_refresh_behind_loses_against_a_delete(t: &Context) -> Verdict {
    let cache = stale(t, revalidating()).await?;
    let (begun, end, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let load = {
        let (begun, end, ended) = (Arc::clone(&begun), Arc::clone(&end), Arc::clone(&ended));
        || async move {
            begun.notify_one();
            end.notified().await;
            ended.notify_one();
            value("from before the delete").await
        }
    };
    same(cache.get_or_load("k", load).await?.1, Status::Stale)?;
    begun.notified().await;
    cache.delete("k").await?;
    end.notify_one();
    ended.notified().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    same(cache.get("k").await?, None)
}

async fn an_early_refresh_begins_once_and_nobody_waits(t: &Context) -> Verdict {
    // Due after 360 ms, and over after an hour.
    let cache = with(t, Policy::new(LONG).early_refresh(0.0001));
    cache.get_or_load("k", || value("old")).await?;
    t.pass(t.short()).await;
    let gate = Gate::new();
    for _ in 0..5 {
        let gate = gate.clone();
        let load = || gate.load(Ok::<_, Never>("new".into()));
        same(cache.get_or_load("k", load).await?, ("old".into(), Status::Hit))?;
    }
    gate.open();
    soon("the new value", || async { Ok(cache.get("k").await? == Some("new".into())) }).await?;
    same(gate.loads(), 1)
}

async fn before_its_fraction_nothing_is_refreshed(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG).early_refresh(0.5));
    cache.get_or_load("k", || value("old")).await?;
    cache.get_or_load("k", || value("too early")).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    same(cache.get("k").await?, Some("old".into()))
}

async fn an_endless_life_is_not_refreshed_early(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(Ttl::Never).early_refresh(0.01));
    cache.get_or_load("k", || value("old")).await?;
    t.pass(t.short()).await;
    cache.get_or_load("k", || value("needless")).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    same(cache.get("k").await?, Some("old".into()))
}

/// Loads "k" with a loader that answers this.
async fn load_with(
    cache: &Cache<Value>,
    answer: impl FnOnce() -> Loaded<Value> + Send + 'static,
) -> larder_core::Result<(Value, Status)> {
    let key = Key::new("k");
    let fetched = cache.at(&key).get_or_load_with(|_| async { Ok::<_, Never>(answer()) }).await?;
    Ok((Value::clone(&fetched), fetched.status()))
}

async fn a_negative_answer_has_a_life_of_its_own(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG).negative_ttl(t.short()));
    let load = || async {
        cache.delete("k").await?;
        load_with(cache.cache(), || Loaded::negative(Value::Null)).await?;
        Ok(cache.get("k").await?)
    };
    same(t.within(t.short(), load).await?, Some(Value::Null))?;
    t.outlive(t.short()).await;
    same(cache.get("k").await?, None)
}

async fn a_negative_answer_is_never_stale(t: &Context) -> Verdict {
    let policy = Policy::new(LONG).stale_while_revalidate(LONG).stale_if_error(LONG);
    let cache = with(t, policy.negative_ttl(t.short()));
    load_with(cache.cache(), || Loaded::negative(Value::Null)).await?;
    t.outlive(t.short()).await;
    same(cache.get_or_load("k", || value("there")).await?, ("there".into(), Status::Loaded))
}

async fn a_stale_value_says_so_over_http(t: &Context) -> Verdict {
    let life = t.short();
    let cache = with(t, revalidating());
    cache.set("k", "v").await?;
    let key = Key::from("k");
    let fresh = cache.cache().get_or_load(&key, || value("new")).await?.cache_status();
    holds(fresh.starts_with("larder; hit; ttl=") && !fresh.contains("=-"), "a hit with its life", &fresh)?;
    cache.set_for("k", "v", life).await?;
    t.outlive(life).await;
    let stale = cache.cache().get_or_load(&key, || value("new")).await?.cache_status();
    holds(stale.starts_with("larder; hit; ttl=-"), "larder; hit; ttl=-1 or less", &stale)
}

async fn a_loader_may_decide_the_life(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG));
    let short = t.short();
    let load = || async {
        cache.delete("k").await?;
        load_with(cache.cache(), move || Loaded::new("v".into()).ttl(short)).await?;
        Ok(cache.get("k").await?)
    };
    same(t.within(short, load).await?, Some("v".into()))?;
    t.outlive(short).await;
    same(cache.get("k").await?, None)
}

async fn a_loader_may_refuse_to_store(t: &Context) -> Verdict {
    let cache = t.cache();
    let seen = load_with(cache.cache(), || Loaded::not_stored("for you".into())).await?;
    same(seen, ("for you".into(), Status::LoadedNotStored))?;
    same(cache.get("k").await?, None)
}

async fn unchanged_begins_a_new_life(t: &Context) -> Verdict {
    let cache = stale(t, excusing()).await?;
    let key = Key::new("k");
    let seen = cache
        .cache()
        .at(&key)
        .get_or_load_with(|context| async move {
            let told = context.old().map(|old| Value::clone(old));
            if told == Some("old".into()) { Ok(Loaded::unchanged()) } else { Err(format!("told {told:?}")) }
        })
        .await?;
    same(Value::clone(&seen), "old".into())?;
    same(cache.get("k").await?, Some("old".into()))
}

async fn unchanged_without_an_old_value_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(load_with(cache.cache(), Loaded::unchanged).await, ErrorKind::Load)
}

async fn the_same_key_nested_is_detected(t: &Context) -> Verdict {
    let cache = t.cache();
    let (inner, innermost) = (cache.clone(), cache.clone());
    let load = || async move {
        let by_way_of_another =
            || async move { innermost.get_or_load("k", || value("?")).await.map(|(v, _)| v) };
        inner.get_or_load("other", by_way_of_another).await.map(|(value, _)| value)
    };
    let seen =
        patiently("an error, where a load would wait for itself", cache.get_or_load("k", load)).await?;
    fails(seen, ErrorKind::Load)
}

/// Runs ten loads at once and tells how many there were at the same time.
async fn most_at_once(cache: &Probe) -> Result<usize, Failure> {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..10_i64)
        .map(|number| {
            let (cache, now, most) = (cache.clone(), Arc::clone(&now), Arc::clone(&most));
            task::spawn(async move {
                let load = move || async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    value(number).await
                };
                cache.get_or_load(Key::new("k").part(number), load).await
            })
        })
        .collect();
    for caller in callers {
        caller.await.map_err(|panic| Failure::new("an answer", panic))??;
    }
    Ok(most.load(Ordering::SeqCst))
}

async fn loads_at_once_are_limited(t: &Context) -> Verdict {
    let most = most_at_once(&with(t, Policy::new(LONG).max_loads(3))).await?;
    holds((1..=3).contains(&most), "at most 3 loads at once", most)
}

async fn nested_loads_do_not_wait_for_a_turn(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG).max_loads(1));
    let inner = cache.clone();
    let load = || async move { inner.get_or_load("inner", || value("inner")).await.map(|(value, _)| value) };
    let outer = cache.get_or_load("outer", load);
    let seen = patiently("an answer, where a load would wait for its own turn", outer).await?;
    same(seen?.0, "inner".into())
}

/// Tells when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A load whose only caller is gone.
struct Abandoned {
    /// Lets the load end.
    end: Arc<Notify>,
    /// The load has ended, or was dropped.
    gone: Arc<Notify>,
}

/// Begins a load, and drops its only caller.
async fn abandon(t: &Context, cache: &Probe) -> Abandoned {
    let [begun, end, gone] = [(); 3].map(|()| Arc::new(Notify::new()));
    let caller = task::spawn({
        let (cache, begun, end, gone) =
            (cache.clone(), Arc::clone(&begun), Arc::clone(&end), Dropped(Arc::clone(&gone)));
        async move {
            let load = || async move {
                let _gone = gone;
                begun.notify_one();
                end.notified().await;
                value("loaded").await
            };
            cache.get_or_load("k", load).await
        }
    });
    begun.notified().await;
    caller.abort();
    let _ = caller.await;
    t.note("// the only caller is dropped", ());
    Abandoned { end, gone }
}

async fn an_abandoned_load_goes_on(t: &Context) -> Verdict {
    let cache = t.cache();
    let Abandoned { end, .. } = abandon(t, &cache).await;
    // Time in which a load that is wrongly dropped would be.
    ticks(2).await;
    end.notify_one();
    soon("the loaded value", || async { Ok(cache.get("k").await? == Some("loaded".into())) }).await
}

async fn an_abandoned_load_is_dropped_where_the_policy_says_so(t: &Context) -> Verdict {
    let cache = with(t, Policy::new(LONG).abandon(Abandon::Cancel));
    let Abandoned { gone, .. } = abandon(t, &cache).await;
    patiently("the load to be dropped, which nothing else lets end", gone.notified()).await?;
    same(cache.get("k").await?, None)?;
    same(cache.get_or_load("k", || value("anew")).await?.0, "anew".into())
}
