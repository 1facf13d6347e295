//! `larder replay`: the requests of a log through a real store, and what was predicted beside what happened.

mod drive;

use std::time::Duration;

use clap::Args;
use larder::{Backend, Cache, Clock, Larder, Ttl, settings::Span};
use serde_json::json;

use self::drive::{Counts, Drive};
use crate::{
    exit::{Failure, Outcome},
    look::{key::pretty, place_of, store_of},
    open::Source,
    plan::{Limits, Logs, MAX_TTL, Questions, Simulation},
    screen::{count, percent, say},
};

/// A TTL that is compressed has to be at least so long, so that the time of a round trip does not matter.
const LEAST_TTL: Duration = Duration::from_millis(50);

/// What may be said to `larder replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    logs: Logs,
    /// The cache whose store and TTL are used. Its entries are not touched: those of the replay have a namespace of their own.
    #[arg(long, value_name = "NAME")]
    cache: String,
    /// Another TTL than the cache's.
    #[arg(long, value_name = "SPAN")]
    ttl: Option<Span>,
    /// By how much time is compressed on a store that keeps its own; the TTL is, too. A store in memory needs no time at all.
    #[arg(long, value_name = "FACTOR", default_value_t = 1000)]
    faster: u32,
    #[command(flatten)]
    source: Source,
}

/// Replays the log.
pub(crate) fn run(arguments: &Replay, json: bool) -> Result<Outcome, Failure> {
    if arguments.logs.logs.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new(
            "a replay reads its log twice, so it cannot be standard input; give a file",
        ));
    }
    let clock = Clock::manual();
    let mut larder = arguments.source.builder()?.clock(clock.clone()).build()?;
    let is_shared = larder.cache::<String>(&arguments.cache)?.capabilities().shared;
    if is_shared {
        // Its server counts time by a clock of its own.
        larder = arguments.source.open()?;
    }
    let (store, backend) = store(&larder, &arguments.cache)?;
    let ttl = ttl(arguments, &larder)?;
    let mut predicted = Simulation::new(&Questions {
        ttls: vec![ttl],
        objects: Vec::new(),
        bytes: Vec::new(),
        limits: Limits::default(),
    });
    arguments.logs.each(|batch| {
        batch.events.iter().for_each(|event| _ = predicted.next(event, || batch.key(event)));
    })?;
    predicted.finish();
    let has_writes = predicted.totals.writes > 0;
    let ttl = Duration::from_millis(ttl.into());
    let (ttl, faster) =
        if is_shared { (ttl / arguments.faster.max(1), arguments.faster.max(1)) } else { (ttl, 1) };
    if is_shared && ttl < LEAST_TTL {
        return Err(Failure::new(format!(
            "--faster {faster} makes a TTL of {ttl:?}, in which round trips count; expected at least {LEAST_TTL:?}, so choose a smaller factor"
        )));
    }
    let cache = Cache::<String>::builder(backend)
        .namespace(format!("larder-replay/{}", std::process::id()))
        .clock(if is_shared { Clock::system() } else { clock.clone() })
        .ttl(ttl)
        .build()?;
    let counts = if is_shared {
        Drive::real(cache.clone(), faster, has_writes).run(&arguments.logs)?
    } else {
        Drive::simulated(cache.clone(), clock, has_writes).run(&arguments.logs)?
    };
    show(json, &predicted, &counts, &format!("{store} ({})", place_of(&larder, &store)), &cache);
    Ok(Outcome::Done)
}

fn store(larder: &Larder, cache: &str) -> Result<(String, std::sync::Arc<dyn Backend>), Failure> {
    let name = store_of(larder, cache).unwrap_or_default();
    let backend = larder
        .store(&name)
        .ok_or_else(|| Failure::new(format!("the store of the cache {cache:?} is not known")))?;
    Ok((name, backend))
}

/// The TTL, in milliseconds of the log.
fn ttl(arguments: &Replay, larder: &Larder) -> Result<u32, Failure> {
    let ttl = match (arguments.ttl, larder.cache::<String>(&arguments.cache)?.default_ttl()) {
        (Some(ttl), _) => ttl.get(),
        (None, Ttl::After(ttl)) => ttl,
        (None, Ttl::Never) => return Err(Failure::new("the cache's entries never end; give a TTL by --ttl")),
    };
    u32::try_from(ttl.as_millis())
        .ok()
        .filter(|millis| (1..=MAX_TTL).contains(millis))
        .ok_or_else(|| Failure::new(format!("found a TTL of {}, expected 1ms to 7days", Span(ttl))))
}

#[allow(clippy::cast_precision_loss, reason = "ratios for people")]
fn show(as_json: bool, predicted: &Simulation, counts: &Counts, store: &str, cache: &Cache<String>) {
    let requests = predicted.totals.requests.max(1) as f64;
    let expected =
        predicted.lives.first().map_or(0.0, |life| life.hits.requests.whole(predicted.factors.0) / requests);
    let measured = counts.saved as f64 / requests;
    let usage = cache.usage().map(|usage| json!({ "entries": usage.entries, "weight": usage.weight }));
    if as_json {
        say(&pretty(&json!({
            "store": store,
            "requests": predicted.totals.requests,
            "predicted_hit_ratio": expected,
            "measured_hit_ratio": measured,
            "difference": measured - expected,
            "loads": counts.loads,
            "store_errors": counts.errors,
            "late_micros_at_most": counts.late_micros,
            "usage": usage,
        })));
        return;
    }
    say(&format!(
        "{} requests through {store}\npredicted  {}\nmeasured   {}  ({} answered from the cache, {} loads, {} errors of the store)\ndifference {:+.2} points",
        count(predicted.totals.requests),
        percent(expected),
        percent(measured),
        count(counts.saved),
        count(counts.loads),
        count(counts.errors),
        (measured - expected) * 100.0
    ));
    if counts.late_micros > 50_000 {
        say(&format!(
            "requests were up to {} ms late, so this machine is too slow for this factor; choose a smaller --faster",
            counts.late_micros / 1000
        ));
    }
}
