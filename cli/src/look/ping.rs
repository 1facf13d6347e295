//! `larder ping`: whether each store answers, how fast, and what the configured user may do there.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use larder::{
    Backend, Cache, Key, Larder,
    backend::GetOptions,
    key::{Namespace, StoreKey},
};
use serde_json::{Value, json};

use super::{key::pretty, place_of, wait};
use crate::{
    exit::{Failure, Outcome},
    open::Source,
    screen::say,
};

/// So many reads are timed.
const READS: usize = 20;
/// What is written to see whether that is allowed ends after this time, should it not be removed.
const PROBE_TTL: Duration = Duration::from_secs(10);
/// Where it is written.
const NAMESPACE: &str = "larder-ping";

/// What may be said to `larder ping`.
#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// Only this store.
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// Writes nothing, so what the user may write stays unknown.
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    source: Source,
}

/// Asks every store.
pub(crate) fn run(arguments: &Ping, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let names = match &arguments.store {
            Some(name) => vec![name.clone()],
            None => store_names(&larder),
        };
        let mut answers = Vec::new();
        for name in names {
            let store = larder
                .store(&name)
                .ok_or_else(|| Failure::new(format!("there is no store {name:?} in the configuration")))?;
            answers.push(ask(&larder, &name, &*store, arguments.read_only).await);
        }
        if as_json {
            say(&pretty(&json!(answers)));
        } else {
            answers.iter().for_each(|answer| say(&line(answer)));
        }
        let failed: Vec<String> = answers
            .iter()
            .filter(|answer| answer["answers"] == false)
            .map(|answer| {
                format!(
                    "the store {} ({}) did not answer: {}",
                    answer["store"],
                    text(&answer["place"]),
                    text(&answer["error"])
                )
            })
            .collect();
        if !failed.is_empty() {
            return Err(Failure::new(failed.join("; ")));
        }
        let is_refused = |answer: &Value| {
            answer["may"].as_object().is_some_and(|may| may.values().any(|what| what != "yes"))
        };
        Ok(if answers.iter().any(is_refused) { Outcome::No } else { Outcome::Done })
    })
}

/// The names of all stores.
pub(super) fn store_names(larder: &Larder) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for setting in larder.explain().settings() {
        let Some((name, key)) = setting.key.strip_prefix("stores.").and_then(|rest| rest.rsplit_once('.'))
        else {
            continue;
        };
        if key == "backend" && larder.store(name).is_some() {
            names.push(name.to_owned());
        }
    }
    names
}

async fn ask(larder: &Larder, name: &str, store: &dyn Backend, read_only: bool) -> Value {
    let mut answer = json!({ "store": name, "place": place_of(larder, name) });
    match read(store).await {
        Err(why) => {
            answer["answers"] = json!(false);
            answer["error"] = json!(why.to_string());
            return answer;
        }
        Ok(times) => {
            let micros = |time: Option<&Duration>| json!(time.map_or(0, Duration::as_micros));
            answer["answers"] = json!(true);
            answer["first_micros"] = micros(times.first());
            let mut sorted = times;
            sorted.sort_unstable();
            answer["least_micros"] = micros(sorted.first());
            answer["median_micros"] = micros(sorted.get(sorted.len() / 2));
            answer["most_micros"] = micros(sorted.last());
        }
    }
    // It is for people; that a store does not say it is no failure.
    answer["server"] = json!(store.about().await.unwrap_or_default());
    if !read_only {
        answer["may"] = rights(larder, name).await;
    }
    answer
}

async fn read(store: &dyn Backend) -> Result<Vec<Duration>, Failure> {
    let namespace = Namespace::new(NAMESPACE, 0)?;
    let key = Key::new("probe");
    let key = StoreKey::new(&namespace, &key);
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let begin = Instant::now();
        store.get(&key, &GetOptions::new()).await?;
        times.push(begin.elapsed());
    }
    Ok(times)
}

/// Writes, reads, changes and removes an entry of its own.
async fn rights(larder: &Larder, name: &str) -> Value {
    let Some(store) = larder.store(name) else { return Value::Null };
    let Ok(cache) = Cache::<Bytes>::builder(store).namespace(NAMESPACE).ttl(PROBE_TTL).build() else {
        return Value::Null;
    };
    // Of two that ask at the same time, each has a key of its own.
    let key = Key::new("probe").part(std::process::id());
    let verdict = |result: larder::Result<()>| {
        json!(result.map_or_else(|why| why.chain().to_string(), |()| "yes".to_owned()))
    };
    let mut may = json!({});
    may["write"] = verdict(cache.set(&key, Bytes::from_static(b"probe")).await);
    may["read"] = verdict(cache.get(&key).await.map(|_| ()));
    may["touch"] = verdict(cache.touch(&key, PROBE_TTL).await.map(|_| ()));
    may["invalidate"] = verdict(cache.clear().await);
    may["delete"] = verdict(cache.delete(&key).await.map(|_| ()));
    may
}

fn line(answer: &Value) -> String {
    let (name, place) = (text(&answer["store"]), text(&answer["place"]));
    if answer["answers"] == false {
        return format!("{name} ({place}): no answer: {}", text(&answer["error"]));
    }
    let mut line = format!(
        "{name} ({place}){}: {} µs first, then {} to {} µs, median {}",
        server(&answer["server"]),
        answer["first_micros"],
        answer["least_micros"],
        answer["most_micros"],
        answer["median_micros"]
    );
    for (what, verdict) in answer["may"].as_object().into_iter().flatten() {
        if verdict != "yes" {
            _ = write!(line, "\n    may not {what}: {}", text(verdict));
        }
    }
    line
}

/// `, Redis 7.0.15`: what the servers say they are, each once.
fn server(versions: &Value) -> String {
    let versions: std::collections::BTreeSet<&str> =
        versions.as_array().into_iter().flatten().map(text).collect();
    versions.into_iter().flat_map(|version| [", ", version]).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
