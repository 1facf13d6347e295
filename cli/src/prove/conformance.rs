//! `larder conformance`: the published suite over a store as it is configured, beside whoever else uses it. Every case has a
//! namespace that no other has, few run at once, and what was written is removed afterwards.

use std::{sync::Arc, time::Duration};

use clap::Args;
use larder::{Backend, Clock};
use larder_conformance::{Case, Outcome as Verdict, Store, Suite, Time, Weight};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::traces::{Traced, Traces};
use crate::{
    exit::{Failure, Outcome},
    look::{key::pretty, place_of},
    open::Source,
    progress::Progress,
    screen::{say, warn},
};

/// A case waits for a store no longer than this for one operation: a busy server is slow and not wrong.
const DEADLINE: &str = "10s";

/// Writes that a case has left in its background are done after this time.
const BACKGROUND: Duration = Duration::from_millis(500);

/// What may be said to `larder conformance`.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// The store.
    #[arg(long, value_name = "NAME")]
    store: String,
    /// Only cases that have this in their name: ttl::
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// So many cases run at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// Also cases with values of many megabytes, and those that keep a processor busy.
    #[arg(long)]
    heavy: bool,
    #[command(flatten)]
    source: Source,
}

/// What became of the cases.
#[derive(Debug, Default)]
struct Sums {
    passed: usize,
    ignored: Vec<(String, String)>,
    failed: Vec<(String, String)>,
}

/// Runs the suite.
pub(crate) fn run(arguments: &Conformance, as_json: bool) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
    runtime.block_on(async {
        let traces = Traces::default();
        let store = open(&arguments.source, &arguments.store, Clock::system())?;
        let place = place_of(&arguments.source.open()?, &arguments.store);
        // Without an answer there is nothing to prove.
        let ping = larder::Cache::<String>::builder(Traced::new(Arc::clone(&store), &traces))
            .namespace("larder-conformance")
            .build()?;
        ping.get(&larder::Key::new("probe")).await.map_err(|why| {
            Failure::new(format!(
                "the store {:?} ({place}) does not answer: {}",
                arguments.store,
                why.chain()
            ))
        })?;
        let mut sums = Sums::default();
        let stopped = tokio::select! {
            () = all(arguments, &traces, store.capabilities().shared, &mut sums) => false,
            _ = tokio::signal::ctrl_c() => true,
        };
        let (written, left) = traces.remove(&*store).await;
        // What a case still had in its background.
        tokio::time::sleep(BACKGROUND).await;
        let (late, left_late) = traces.remove(&*store).await;
        let (written, left) = (written + late, left + left_late);
        show(arguments, &place, &sums, (written, left), as_json);
        if stopped {
            return Err(Failure::new("stopped before all cases had run; what was written was removed"));
        }
        Ok(if sums.failed.is_empty() && left == 0 { Outcome::Done } else { Outcome::No })
    })
}

/// The store as it is configured, with time enough.
fn open(source: &Source, name: &str, clock: Clock) -> Result<Arc<dyn Backend>, Failure> {
    let larder = source.builder()?.clock(clock).set(format!("stores.{name}.deadline"), DEADLINE).build()?;
    larder.store(name).ok_or_else(|| Failure::new(format!("there is no store {name:?} in the configuration")))
}

async fn all(arguments: &Conformance, traces: &Traces, is_shared: bool, sums: &mut Sums) {
    let suite = suite(arguments, traces, is_shared);
    let fits =
        |case: &Case| arguments.filter.as_ref().is_none_or(|filter| case.name().contains(filter.as_str()));
    let (heavy, light): (Vec<Case>, Vec<Case>) =
        larder_conformance::cases().into_iter().filter(fits).partition(|case| case.weight == Weight::Heavy);
    run_cases(&suite, light, arguments.jobs.into(), sums).await;
    if arguments.heavy {
        run_cases(&suite, heavy, 1, sums).await;
    } else {
        sums.ignored.extend(heavy.iter().map(|case| (case.name(), "needs --heavy".to_owned())));
    }
}

fn suite(arguments: &Conformance, traces: &Traces, is_shared: bool) -> Suite {
    let (source, name, traces) = (arguments.source.clone(), arguments.store.clone(), traces.clone());
    let suite = Suite::new(&arguments.store, move |clock: Clock| {
        let store = open(&source, &name, clock).map_err(|why| why.to_string())?;
        let (source, name, own) = (source.clone(), name.clone(), traces.clone());
        let peer = move |clock: Clock| {
            open(&source, &name, clock).map(|store| Traced::new(store, &own)).map_err(|why| why.to_string())
        };
        let traced = Store::new(Traced::new(store, &traces));
        Ok::<Store, String>(if is_shared { traced.with_fallible_peer(peer) } else { traced })
    });
    if is_shared { suite.time(Time::Real) } else { suite }
}

async fn run_cases(suite: &Suite, cases: Vec<Case>, jobs: usize, sums: &mut Sums) {
    let mut running = JoinSet::new();
    let (number, mut ended_cases, mut progress) = (cases.len(), 0, Progress::new());
    let mut cases = cases.into_iter();
    loop {
        while running.len() < jobs
            && let Some(case) = cases.next()
        {
            let suite = suite.clone();
            running.spawn(async move { (case.name(), suite.run(&case).await) });
        }
        let Some(ended) = running.join_next().await else { return };
        ended_cases += 1;
        progress.at(|| format!("{ended_cases} of {number} cases, {} failed", sums.failed.len()));
        match ended {
            Ok((_, Ok(Verdict::Passed))) => sums.passed += 1,
            Ok((name, Ok(Verdict::Ignored(why)))) => sums.ignored.push((name, why)),
            Ok((name, Ok(_))) => sums.failed.push((name, String::new())),
            Ok((name, Err(told))) => {
                warn(&format!("failed: {name}"));
                sums.failed.push((name, told));
            }
            Err(panic) => sums.failed.push(("a case that panicked".to_owned(), panic.to_string())),
        }
    }
}

fn show(arguments: &Conformance, place: &str, sums: &Sums, (written, left): (usize, usize), as_json: bool) {
    if as_json {
        let list = |pairs: &[(String, String)]| -> Vec<Value> {
            pairs.iter().map(|(case, told)| json!({ "case": case, "told": told })).collect()
        };
        say(&pretty(&json!({
            "store": arguments.store,
            "place": place,
            "passed": sums.passed,
            "failed": list(&sums.failed),
            "ignored": list(&sums.ignored),
            "keys_written": written,
            "keys_that_could_not_be_removed": left,
        })));
        return;
    }
    for (name, told) in &sums.failed {
        say(&format!("\n{name}\n{told}"));
    }
    let mut reasons: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    sums.ignored.iter().for_each(|(_, why)| *reasons.entry(why).or_default() += 1);
    reasons.iter().for_each(|(why, number)| say(&format!("{number} not run: {why}")));
    say(&format!(
        "{} ({place}): {} passed, {} failed, {} not run; {written} keys were written and removed, {left} could not be removed",
        arguments.store,
        sums.passed,
        sums.failed.len(),
        sums.ignored.len()
    ));
}
