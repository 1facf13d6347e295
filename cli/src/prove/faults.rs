//! `larder faults`: what a program notices when this store fails, as it is configured. The faults are made by a layer in this
//! program; the server is asked less than usual, and never disturbed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use larder::{
    Cache, Clock, ErrorKind, Key,
    layer::{Calls, FaultRule, Faults as Handle, Mishap},
};
use serde_json::{Value, json};

use super::traces::{Traced, Traces};
use crate::{
    exit::{Failure, Outcome},
    look::{key::pretty, place_of, wait},
    open::Source,
    progress::Progress,
    screen::{count, say, table},
};

/// So many keys are asked for, in turns.
const KEYS: u64 = 20;
/// What is written ends after this time, should it not be removed.
const TTL: Duration = Duration::from_mins(1);
/// A call may take this much longer than the store's deadline: a busy machine is slow.
const SLACK: Duration = Duration::from_millis(250);
/// No call is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the store may take to be used again when the fault is over: a breaker looks again after a while.
const RECOVERY: Duration = Duration::from_secs(40);

/// What may be said to `larder faults`.
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// The store.
    #[arg(long, value_name = "NAME")]
    store: String,
    /// Calls while each fault lasts.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    calls: u32,
    #[command(flatten)]
    source: Source,
}

/// What was seen during a fault.
#[derive(Debug, Default)]
struct Seen {
    wrong: u32,
    late: u32,
    longest: Duration,
    lies: u32,
    recovered: Option<Duration>,
}

/// The faults, by name.
fn faults() -> Vec<(&'static str, Vec<FaultRule>)> {
    let fails = |kind| FaultRule::new(Mishap::Fails(kind));
    vec![
        ("the server is gone", vec![fails(ErrorKind::Unavailable)]),
        ("it hangs", vec![FaultRule::new(Mishap::Hangs)]),
        ("it is slow by 20 ms", vec![FaultRule::new(Mishap::Delays(Duration::from_millis(20)))]),
        ("every tenth call fails", vec![fails(ErrorKind::Unavailable).with_probability(0.1)]),
        ("reads fail", vec![fails(ErrorKind::Timeout).on(Calls::Reads)]),
        (
            "it is read-only",
            vec![fails(ErrorKind::ReadOnly).on(Calls::Writes), fails(ErrorKind::ReadOnly).on(Calls::Deletes)],
        ),
        ("it is full", vec![fails(ErrorKind::Full).on(Calls::Writes)]),
        (
            "replies to writes are lost",
            vec![FaultRule::new(Mishap::LosesReply(ErrorKind::Timeout)).on(Calls::Writes)],
        ),
        ("removals fail", vec![fails(ErrorKind::Unavailable).on(Calls::Deletes)]),
    ]
}

/// Makes the store fail, and looks.
pub(crate) fn run(arguments: &Faults, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let name = &arguments.store;
        let handle = Handle::new(&Clock::system());
        handle.seed(7);
        let larder = arguments.source.builder()?.faults(name, handle.clone()).build()?;
        let store = larder
            .store(name)
            .ok_or_else(|| Failure::new(format!("there is no store {name:?} in the configuration")))?;
        let (place, deadline) = (place_of(&larder, name), store.capabilities().deadline);
        let traces = Traces::default();
        let cache = Cache::<String>::builder(Traced::new(Arc::clone(&store), &traces))
            .namespace(format!("larder-faults/{}", std::process::id()))
            .ttl(TTL)
            .build()?;
        let down = |why: larder::Error| {
            Failure::new(format!(
                "the store {name:?} ({place}) has to work before it can be made to fail: {}",
                why.chain()
            ))
        };
        cache.set(&key(0), value(0)).await.map_err(down)?;
        let rows = tokio::select! {
            rows = all(arguments, &handle, &cache, deadline) => Ok(rows),
            _ = tokio::signal::ctrl_c() => Err(Failure::new("stopped; what was written was removed")),
        };
        handle.none();
        let (_, left) = traces.remove(&*store).await;
        let rows = rows?;
        let held = rows.iter().all(|row| row["held"] == true);
        if as_json {
            let deadline = deadline.map(|deadline| deadline.as_secs_f64());
            say(&pretty(
                &json!({ "store": name, "place": place, "deadline_seconds": deadline, "faults": rows, "held": held }),
            ));
        } else {
            show(name, &place, deadline, &rows);
        }
        if left > 0 {
            return Err(Failure::new(format!("{left} keys could not be removed; they end within a minute")));
        }
        Ok(if held { Outcome::Done } else { Outcome::No })
    })
}

async fn all(
    arguments: &Faults,
    handle: &Handle,
    cache: &Cache<String>,
    deadline: Option<Duration>,
) -> Vec<Value> {
    let mut progress = Progress::new();
    let mut rows = Vec::new();
    let faults = faults();
    let number = faults.len();
    for (at, (name, rules)) in faults.into_iter().enumerate() {
        progress.at(|| format!("{} of {number} faults", at + 1));
        let before = handle.happened();
        handle.set(rules);
        let mut seen = Seen::default();
        for call in 0..arguments.calls {
            one(cache, call, deadline, handle, &mut seen).await;
        }
        let happened = handle.happened() - before;
        handle.none();
        seen.recovered = recover(cache).await;
        let held = seen.wrong == 0 && seen.late == 0 && seen.lies == 0 && seen.recovered.is_some();
        rows.push(json!({
            "fault": name,
            "calls": arguments.calls,
            "happened": happened,
            "without_the_right_value": seen.wrong,
            "longer_than_the_deadline": seen.late,
            "longest_millis": u64::try_from(seen.longest.as_millis()).unwrap_or(u64::MAX),
            "removals_that_lied": seen.lies,
            "used_again_after_millis": seen.recovered.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            "held": held,
        }));
    }
    rows
}

/// One request as a program makes it, and now and then a removal.
async fn one(cache: &Cache<String>, call: u32, deadline: Option<Duration>, handle: &Handle, seen: &mut Seen) {
    let number = u64::from(call) % KEYS;
    let (key, begin) = (key(number), Instant::now());
    let load = move || async move { Ok::<_, std::convert::Infallible>(value(number)) };
    let got = tokio::time::timeout(PATIENCE, cache.get_or_load(&key, load)).await;
    let took = begin.elapsed();
    seen.longest = seen.longest.max(took);
    seen.late += u32::from(deadline.is_none_or(|deadline| took > deadline + SLACK) && took > SLACK);
    seen.wrong += u32::from(!matches!(got, Ok(Ok(got)) if *got == value(number)));
    if call % 10 == 9 {
        // A removal that is said to be done, and was refused, would be a lie.
        let before = handle.happened();
        let removed = tokio::time::timeout(PATIENCE, cache.delete(&key)).await;
        let is_done = matches!(removed, Ok(Ok(_)));
        seen.lies += u32::from(is_done && handle.happened() > before && !survived(cache, &key).await);
    }
}

/// Whether a removal that was said to be done really was: the key is not there, or nobody can tell.
async fn survived(cache: &Cache<String>, key: &Key) -> bool {
    match tokio::time::timeout(PATIENCE, cache.get(key)).await {
        Ok(Ok(Some(_))) => false,
        Ok(Ok(None) | Err(_)) | Err(_) => true,
    }
}

/// How long it takes until the store answers again.
async fn recover(cache: &Cache<String>) -> Option<Duration> {
    let begin = Instant::now();
    while begin.elapsed() < RECOVERY {
        let (key, text) = (key(KEYS), value(KEYS));
        let works = cache.set(&key, text.clone()).await.is_ok()
            && matches!(cache.get(&key).await, Ok(Some(got)) if *got == text);
        if works {
            return Some(begin.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

fn key(number: u64) -> Key {
    Key::new("faults").part(number)
}

fn value(number: u64) -> String {
    format!("value {number}")
}

fn show(name: &str, place: &str, deadline: Option<Duration>, rows: &[Value]) {
    let deadline =
        deadline.map_or_else(|| "without a deadline".to_owned(), |deadline| format!("deadline {deadline:?}"));
    say(&format!("{name} ({place}), {deadline}"));
    let figure = |row: &Value, name: &str| row[name].as_u64().map_or_else(|| "never".to_owned(), count);
    let lines = rows.iter().map(|row| {
        vec![
            if row["held"] == true { "yes".to_owned() } else { "no".to_owned() },
            figure(row, "happened"),
            figure(row, "without_the_right_value"),
            figure(row, "longer_than_the_deadline"),
            figure(row, "longest_millis"),
            figure(row, "removals_that_lied"),
            figure(row, "used_again_after_millis"),
            row["fault"].as_str().unwrap_or_default().to_owned(),
        ]
    });
    let heads = ["held", "faults", "wrong", "late", "longest ms", "lies", "again after ms", "what"];
    say(table(&heads, lines).trim_end());
}
