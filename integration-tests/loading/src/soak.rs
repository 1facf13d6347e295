//! Several processes on one server that is frozen, restarted, emptied and cut off again and again: do callers notice, and does
//! anything grow?

mod asked;
mod faults;
mod host;
mod vitals;
mod worker;

use std::{collections::BTreeMap, env, process::ExitCode, sync::Arc, time::Duration};

use larder_test_servers::RedisServer;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{Instant, sleep_until, timeout},
};

use self::{
    asked::Asked,
    faults::Fault,
    host::{Host, Phase, Tally, Told},
    vitals::Vitals,
};
use crate::{
    Outcome,
    fleet::{Fleet, Place},
    random::Random,
    runtime, verdict, wire,
};

/// How long there is work until the processes are looked at for the first time.
const FIRST: Duration = Duration::from_mins(1);
/// How long they rest before: longer than the runtime keeps threads without work, and than what was given up takes to end.
const REST: Duration = Duration::from_secs(15);
/// How often the workers are looked after.
const TICK: Duration = Duration::from_millis(100);
/// When a worker that tells nothing is given up.
const STANDSTILL: Duration = Duration::from_secs(30);

/// The program.
pub fn main() -> ExitCode {
    let run = || {
        let mut asked = Asked::parse(env::args().skip(1).collect())?;
        let runtime = runtime(2)?;
        let end = if let Some(place) = Place::of_this_process()? {
            // Each worker draws its own; those of the faults are told.
            asked.seed ^= place.index;
            runtime.block_on(worker::run(&asked, &place)).map(|()| ExitCode::SUCCESS)
        } else {
            runtime.block_on(host(&asked))
        };
        // A load that hangs must not keep the program from ending.
        runtime.shutdown_background();
        end
    };
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| verdict("soak", &[why.to_string()]))
}

/// What the workers have told at the end of a rest, by their numbers.
type Look = BTreeMap<u64, Told>;

/// Runs it, and prints what came of it.
async fn host(asked: &Asked) -> Outcome<ExitCode> {
    println!("seed: {}", asked.seed);
    let server = Arc::new(RedisServer::start());
    let (told, mut heard) = mpsc::unbounded_channel();
    let host = Arc::new(Host::new(told));
    let database = wire::serve(Arc::clone(&host)).await?;
    let mut fleet = Fleet::start(asked.processes, database, server.url())?;
    let mut random = Random::of_task(asked.seed, 0, 0);
    let (mut happened, end) = (BTreeMap::new(), Instant::now() + asked.lasts);

    work(&server, &mut random, &mut happened, &mut fleet, Instant::now() + FIRST).await?;
    let before = look(&host, Phase::Work, &mut heard, &mut fleet, asked.processes).await?;
    work(&server, &mut random, &mut happened, &mut fleet, end - REST).await?;
    let after = look(&host, Phase::End, &mut heard, &mut fleet, asked.processes).await?;
    fleet.join()?;
    Ok(tell(&happened, &before, &after))
}

/// Lets faults happen until then.
async fn work(
    server: &Arc<RedisServer>,
    random: &mut Random,
    happened: &mut BTreeMap<String, u64>,
    fleet: &mut Fleet,
    until: Instant,
) -> Outcome {
    loop {
        let next = Instant::now() + Fault::pause(random);
        // Nothing happens so late that the rest would have to begin with it.
        if next + Duration::from_secs(2) > until {
            sleep_until(until).await;
            return Ok(());
        }
        sleep_until(next).await;
        let fault = Fault::draw(random);
        *happened.entry(fault.to_string()).or_default() += 1;
        let (server, mut own) = (Arc::clone(server), random.clone());
        tokio::task::spawn_blocking(move || fault.happen(&server, &mut own)).await?;
        fleet.check()?;
    }
}

/// Lets the workers rest, and look at themselves; then they do this.
async fn look(
    host: &Host,
    then: Phase,
    heard: &mut UnboundedReceiver<Told>,
    fleet: &mut Fleet,
    workers: u64,
) -> Outcome<Look> {
    host.set(Phase::Rest);
    sleep_until(Instant::now() + REST).await;
    host.set(then);
    let (mut look, limit) = (Look::new(), Instant::now() + STANDSTILL);
    while (look.len() as u64) < workers {
        if let Ok(Some(told)) = timeout(TICK, heard.recv()).await {
            look.insert(told.worker, told);
        }
        fleet.check()?;
        if Instant::now() > limit {
            return Err("a worker has not told what it has seen".into());
        }
    }
    Ok(look)
}

/// The last line says what came of it.
fn tell(happened: &BTreeMap<String, u64>, before: &Look, after: &Look) -> ExitCode {
    let (mut sum, mut problems) = (Tally::default(), Vec::new());
    for (worker, told) in after {
        let first = before.get(worker).map_or(Vitals::default(), |told| told.vitals);
        println!("worker {worker}, after the first minute: {first}");
        println!("worker {worker}, at the end:             {}", told.vitals);
        sum.add(&told.tally);
        problems.extend(
            told.vitals.grown(&first).into_iter().map(|what| format!("worker {worker}: {what} has grown")),
        );
    }
    let faults: Vec<String> = happened.iter().map(|(name, times)| format!("{name} {times} times")).collect();
    println!("faults: {}", faults.join(", "));
    let Tally { reads, near, loads, errors, wrong, writes, unwritten } = sum;
    println!("reads: {near} near, {loads} loads; writes: {writes}, of which {unwritten} failed");
    let memory = if problems.is_empty() { "flat" } else { "grown" };
    if errors + wrong > 0 {
        problems.push("readers have noticed".into());
    }
    let code = verdict("soak", &problems);
    println!("soak: {reads} reads, {errors} errors, {wrong} wrong, memory {memory}");
    code
}
