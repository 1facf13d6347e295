//! The process in which calls are made. It tells what it measures on its output, in lines, and hears on its input when
//! the fault begins and when it is over: `ready`, `begin`, `done`, `over`, and the report.

mod calls;
mod control;
mod descriptors;
mod kinds;
mod log;
mod process;

use std::{env, sync::Arc, time::Duration};

use larder_core::{
    Backend, Cache, Chain, Clock, Key,
    cache::Policy,
    layer::{Breaker, BreakerSettings, Deadline},
};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::kinds::Kinds;
use self::{calls::Calls, control::Control, log::Lines, process::Counts};
use crate::{
    Outcome,
    fault::Work,
    report::{DEADLINE, Left, Task},
    row::Row,
    store::Store,
};

/// The variable in which a worker finds its [`Task`].
pub(crate) const TASK: &str = "LARDER_FAULT_TRIAL";

/// How the store is called in errors.
const NAME: &str = "tried";
/// How long near copies live, where there are some.
const NEAR_TTL: Duration = Duration::from_secs(1);
/// How long a breaker is open: shorter than it may take until the store is in use again.
const OPEN_FOR: Duration = Duration::from_millis(500);
/// Longer than a trial takes: nothing expires meanwhile.
const TTL: Duration = Duration::from_hours(1);
/// How long a store that nothing is wrong with may take until all known keys are hits.
const WARM_LIMIT: Duration = Duration::from_secs(20);
/// How long it is looked whether the store is in use again. Much longer than it may take, to say by how much.
const BACK_LIMIT: Duration = Duration::from_secs(6);
/// How long tasks and descriptors may take to be as many as before.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
/// How many keys have to be hits again: each server has some of them.
const PROBES: u64 = 24;

/// This process's task, if it is a worker.
pub(crate) fn task() -> Outcome<Option<Task>> {
    let Ok(text) = env::var(TASK) else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text)?))
}

/// Makes the calls of one trial.
pub(crate) fn run(task: Task) -> Outcome {
    let lines = Lines::count();
    let control = Control::new();
    let runtime = loading_trials::runtime(2)?;
    let end = runtime.block_on(work(task, control, lines));
    runtime.shutdown_background();
    end
}

async fn work(task: Task, mut control: Control, lines: Arc<Lines>) -> Outcome {
    let at_first = Counts::now();
    let kinds = Arc::new(Kinds::default());
    let cache = open(&task, &kinds)?;
    let task = Arc::new(task);
    let mut calls = Calls::new(Arc::clone(&task), cache.clone());
    let mut before = None;
    if !task.from_start {
        warm(&mut calls, &task).await?;
        // Until what the last call had begun is done.
        sleep(Duration::from_millis(150)).await;
        before = Some(Counts::now());
    }
    Control::tell("ready");

    control.expect("begin").await?;
    let limit = (task.work == Work::NoDescriptors).then(descriptors::forbid).transpose()?;
    kinds.forget();
    lines.forget();
    let invalidation = (task.work == Work::Invalidates).then(|| calls.invalidate_soon());
    calls.make().await;
    if let Some(invalidation) = invalidation {
        invalidation.await?;
    }
    let failures = kinds.failures();
    Control::tell("done");

    control.expect("over").await?;
    if let Some(limit) = limit {
        descriptors::allow(limit)?;
    }
    calls.promise_what_was_invalidated();
    let back = if task.ends { return_of(&calls).await } else { None };
    if task.work == Work::Invalidates {
        calls.read_all_known().await;
    }
    let in_use = settle(before).await;

    let mut report = calls.report();
    drop(calls);
    // What closing waits for has its own limits; one that hangs must not keep the report.
    let _ = timeout(SETTLE_LIMIT, cache.close()).await;
    drop(cache);
    let at_last = settle(Some(at_first)).await;

    let left = |of: fn(&Counts) -> u64| Left {
        at_first: of(&at_first),
        before: before.as_ref().map(of),
        after: of(&in_use),
        at_last: of(&at_last),
    };
    (report.tasks, report.descriptors) = (left(|counts| counts.tasks), left(|counts| counts.descriptors));
    report.back = back;
    report.failures = failures;
    report.foreign = kinds.foreign();
    (report.lines, report.log) = lines.seen();
    Control::tell(&serde_json::to_string(&report)?);
    Ok(())
}

fn open(task: &Task, kinds: &Arc<Kinds>) -> Outcome<Cache<Row>> {
    let store = Store::named(&task.store).ok_or("there is no such store")?;
    let mut client = task.client.clone();
    if task.work == Work::UnknownNames {
        // RFC 6761, 6.4: names that nobody knows.
        let unknown = |(n, _): (usize, &String)| format!("no-such-host-{n}.invalid:11211");
        client.addresses = client.addresses.iter().enumerate().map(unknown).collect();
    }
    let far = (store.open)(&client)?;
    let tried: Arc<dyn Backend> =
        if store.is_chain { Arc::new(chain(far)?) } else { Arc::new(Deadline::new(far, NAME, DEADLINE)) };
    let cache = Cache::builder(tried).namespace("faults").policy(Policy::new(TTL));
    Ok(cache.listener(Arc::clone(kinds)).build()?)
}

/// Memory before this store, which has a breaker.
fn chain(far: Arc<dyn Backend>) -> Outcome<Chain<Breaker<Arc<dyn Backend>>>> {
    let (clock, settings) = (Clock::system(), BreakerSettings::new().with_open_for(OPEN_FOR));
    let far = Breaker::new(far, NAME, settings, &clock)?.with_deadline(DEADLINE)?;
    let near = QuickCacheBackend::new(QuickCacheConfig::default(), clock.clone())?;
    Ok(Chain::new(far, &clock).near(near)?.near_ttl(NEAR_TTL)?)
}

/// Reads known keys until all of them are hits.
async fn warm(calls: &mut Calls, task: &Task) -> Outcome {
    let begun = Instant::now();
    while calls.misses_of(0..task.keys).await > 0 {
        if begun.elapsed() > WARM_LIMIT {
            let example = calls.report().examples.join("; ");
            return Err(format!("nothing is wrong yet, and the store does not work: {example}").into());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// How long it takes from now until the store answers with what it was given.
async fn return_of(calls: &Calls) -> Option<Duration> {
    let begun = Instant::now();
    let mut missing: Vec<u64> = (0..PROBES).collect();
    while begun.elapsed() < BACK_LIMIT {
        missing = calls.missing_of(missing).await;
        if missing.is_empty() {
            return Some(begun.elapsed());
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Waits until there is no more of anything than there was, where that is known, and gives what there is then.
async fn settle(before: Option<Counts>) -> Counts {
    let begun = Instant::now();
    loop {
        let now = Counts::now();
        if before.is_none_or(|before| now.is_within(before)) || begun.elapsed() > SETTLE_LIMIT {
            return now;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The tag of all known keys.
pub(crate) const TAG: &str = "all";

/// The keys, made once.
fn keys(count: u64) -> Vec<Key> {
    (0..count).map(Row::key).collect()
}
