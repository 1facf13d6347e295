//! `larder bench`: how fast a store answers, through a cache and straight, from this machine.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use larder::{Backend, Cache, Key, backend::GetOptions, key::StoreKey};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    plots,
    traces::{Traced, Traces},
};
use crate::{
    exit::{Failure, Outcome},
    files::write_whole,
    look::{key::pretty, place_of},
    open::Source,
    progress::Progress,
    screen::{count, say, table},
};

/// So many keys are written and read.
const KEYS: u64 = 1000;
/// What is written ends after this time, should it not be removed.
const TTL: Duration = Duration::from_mins(5);

/// What may be said to `larder bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The store.
    #[arg(long, value_name = "NAME")]
    store: String,
    /// Bytes of a value.
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1 << 20))]
    bytes: u32,
    /// Operations of each row.
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    operations: u32,
    /// How many wait for the store at once, for each row.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,64", value_parser = clap::value_parser!(u32).range(1..=1024))]
    tasks: Vec<u32>,
    /// Writes a page with plots, which needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `Cache::get`: a hit, decoded.
    Get,
    /// `Cache::set`.
    Set,
    /// `Backend::get`: the bytes alone.
    Raw,
}

/// Measures a store.
pub(crate) fn run(arguments: &Bench, as_json: bool) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
    runtime.block_on(async {
        let larder = arguments.source.open()?;
        let name = &arguments.store;
        let store = larder
            .store(name)
            .ok_or_else(|| Failure::new(format!("there is no store {name:?} in the configuration")))?;
        let place = place_of(&larder, name);
        let traces = Traces::default();
        let cache = Cache::<String>::builder(Traced::new(Arc::clone(&store), &traces))
            .namespace(format!("larder-bench/{}", std::process::id()))
            .ttl(TTL)
            .build()?;
        let rows = tokio::select! {
            rows = rows(arguments, &store, &cache) => rows,
            _ = tokio::signal::ctrl_c() => Err(Failure::new("stopped; what was written was removed")),
        };
        let (_, left) = traces.remove(&*store).await;
        let rows = rows.map_err(|why| Failure::new(format!("the store {name:?} ({place}): {why}")))?;
        let about = format!(
            "{name} ({place}), values of {} bytes, {} operations a row",
            arguments.bytes, arguments.operations
        );
        let lines = lines(&rows);
        if let Some(path) = &arguments.html {
            write_whole(path, plots::page(&about, &rows, &HEADS, lines.clone()).as_bytes())?;
        }
        if as_json {
            say(&pretty(&json!({ "store": name, "place": place, "bytes": arguments.bytes, "rows": rows })));
        } else {
            say(&about);
            say(table(&HEADS, lines.into_iter()).trim_end());
        }
        if left > 0 {
            return Err(Failure::new(format!(
                "{left} keys could not be removed; they end within five minutes"
            )));
        }
        Ok(Outcome::Done)
    })
}

const HEADS: [&str; 6] = ["tasks", "a second", "median µs", "p99 µs", "most µs", "what"];

/// The rows as people read them.
fn lines(rows: &[Value]) -> Vec<Vec<String>> {
    let figure = |row: &Value, name: &str| count(row[name].as_u64().unwrap_or_default());
    let line = |row: &Value| {
        let figures = ["tasks", "per_second", "median_micros", "p99_micros", "most_micros"];
        let what = row["what"].as_str().unwrap_or_default().to_owned();
        figures.iter().map(|name| figure(row, name)).chain([what]).collect()
    };
    rows.iter().map(line).collect()
}

async fn rows(
    arguments: &Bench,
    store: &Arc<dyn Backend>,
    cache: &Cache<String>,
) -> Result<Vec<Value>, Failure> {
    let value = "x".repeat(arguments.bytes as usize);
    for number in 0..KEYS {
        cache.set(&Key::new("bench").part(number), value.clone()).await?;
    }
    let (mut rows, mut progress) = (Vec::new(), Progress::new());
    for tasks in &arguments.tasks {
        for (way, what) in [
            (Way::Get, "get through the cache"),
            (Way::Raw, "get, bytes alone"),
            (Way::Set, "set through the cache"),
        ] {
            progress.at(|| format!("{tasks} tasks: {what}"));
            let mut times = measure(arguments.operations, *tasks, way, (store, cache, &value)).await?;
            let took = times.took.as_secs_f64().max(f64::MIN_POSITIVE);
            times.each.sort_unstable();
            let at = |share: f64| {
                #[allow(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place in a list"
                )]
                let place = (times.each.len() as f64 * share) as usize;
                let time = times.each.get(place.min(times.each.len().saturating_sub(1)));
                time.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
            };
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate"
            )]
            let per_second = (times.each.len() as f64 / took) as u64;
            rows.push(json!({
                "what": what,
                "tasks": tasks,
                "per_second": per_second,
                "median_micros": at(0.5),
                "p99_micros": at(0.99),
                "most_micros": at(1.0),
            }));
        }
    }
    Ok(rows)
}

/// How long operations took: all together, and each.
struct Times {
    took: Duration,
    each: Vec<Duration>,
}

async fn measure(
    operations: u32,
    tasks: u32,
    way: Way,
    (store, cache, value): (&Arc<dyn Backend>, &Cache<String>, &String),
) -> Result<Times, Failure> {
    let mut running = JoinSet::new();
    let begin = Instant::now();
    for task in 0..tasks {
        let (store, cache, value) = (Arc::clone(store), cache.clone(), value.clone());
        running.spawn(async move {
            let mut times = Vec::new();
            for number in (task..operations).step_by(tasks as usize) {
                let key = Key::new("bench").part(u64::from(number) % KEYS);
                let begin = Instant::now();
                let is_there = match way {
                    Way::Get => cache.get(&key).await?.is_some(),
                    Way::Set => cache.set(&key, value.clone()).await.map(|()| true)?,
                    Way::Raw => {
                        let key = StoreKey::new(cache.namespace(), &key);
                        store.get(&key, &GetOptions::new()).await?.entry().is_some()
                    }
                };
                times.push(begin.elapsed());
                if !is_there {
                    return Err(Failure::new(
                        "a key that was just written is not there; the store evicts, or has no room",
                    ));
                }
            }
            Ok(times)
        });
    }
    let mut each = Vec::with_capacity(operations as usize);
    while let Some(ended) = running.join_next().await {
        each.extend(ended.map_err(|error| Failure::new(error.to_string()))??);
    }
    Ok(Times { took: begin.elapsed(), each })
}
