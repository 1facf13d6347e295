//! Processes that keep copies near, on one Redis: readers, writers, invalidations, tags and clears, processes that are stopped and go
//! on, and a bus that is cut and heals. A read is late when it yields what was written over, or invalidated, before the time that
//! the promise allows: the silence after which a bus counts as lost, or the time for which copies are served without one, and
//! 50 ms. Of what its own process has changed a read may not be late at all.

mod asked;
mod disturb;
mod probe;

use std::{
    env,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
};

use tokio::{sync::mpsc, time::Instant};

use self::{
    asked::Asked,
    disturb::Done,
    probe::{Noticed, Probe, percentile},
};
use crate::{
    Outcome,
    fleet::{Fleet, Place},
    races::{
        collect,
        database::{Database, Host, Table},
        field::Field,
        tally::Tally,
    },
    random::{self, Random},
    runtime, verdict,
    wire::{self, Service},
};

/// How many times go into one message.
const AT_ONCE: usize = 20;

/// The program.
pub fn main() -> ExitCode {
    let run = || {
        let mut asked = Asked::parse(env::args().skip(1).collect())?;
        let place = Place::of_this_process()?;
        let runtime = runtime(2)?;
        let end = if let Some(place) = place {
            runtime.block_on(work(&asked, &place)).map(|()| ExitCode::SUCCESS)
        } else {
            let seed = *asked.seed.get_or_insert_with(random::seed);
            println!("seed: {seed}");
            runtime.block_on(host(&asked, seed))
        };
        // A task that hangs must not keep the program from ending.
        runtime.shutdown_background();
        end
    };
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| {
        verdict("coherence", &[why.to_string()])
    })
}

/// One process of several.
async fn work(asked: &Asked, place: &Place) -> Outcome {
    let client = Arc::new(wire::Client::new(place.database));
    let seed = client.ask_one("seed", &[]).await?;
    let database = Database::There(Arc::clone(&client));
    let field = Field::new(&asked.races(), seed, place.index, &place.server, database)?;
    let probe = Probe::new(&place.server)?;
    field.warm().await?;
    client.ask("ready", &[]).await?;
    let probing = probe.begin(place.index);
    let tally = field.run().await?;
    probe.end();
    for (which, noticed) in probing.await?.iter().enumerate() {
        for some in noticed.chunks(AT_ONCE) {
            let mut numbers = vec![which as u64];
            numbers.extend(some);
            client.ask("noticed", &numbers).await?;
        }
    }
    client.ask("done", &tally.numbers()).await?;
    Ok(())
}

/// What the processes share, and what they have noticed when.
struct Shared {
    races: Host,
    noticed: Arc<Mutex<Noticed>>,
}

impl Service for Shared {
    async fn answer(&self, word: &str, numbers: &[u64]) -> Option<Vec<u64>> {
        let ("noticed", [which, some @ ..]) = (word, numbers) else {
            return self.races.answer(word, numbers).await;
        };
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.get_mut(usize::try_from(*which).ok()?)?.extend(some);
        Some(Vec::new())
    }
}

/// Runs it, and prints what came of it. The last line is the number of late reads.
async fn host(asked: &Asked, seed: u64) -> Outcome<ExitCode> {
    let races = asked.races();
    let server = Arc::new(races.store.start()?);
    let (table, noticed) = (Arc::new(Table::default()), Arc::new(Mutex::new(Noticed::default())));
    let (told, tallies) = mpsc::unbounded_channel();
    let host = Host::new(asked.nodes, seed, Arc::clone(&table), told);
    let database = wire::serve(Arc::new(Shared { races: host, noticed: Arc::clone(&noticed) })).await?;
    let begun = Instant::now();
    let fleet = Fleet::start(asked.nodes, database, &server.address())?;
    let done = Arc::new(Done::default());
    let random = |task| Random::of_task(seed, asked.nodes, task);
    let freezing = tokio::spawn(disturb::freeze(fleet.ids(), random(0), Arc::clone(&done)));
    let cutting =
        asked.cut_bus.then(|| tokio::spawn(disturb::cut(Arc::clone(&server), random(1), Arc::clone(&done))));
    let (tally, mut problems) = collect(&races, fleet, tallies, &table).await?;
    freezing.abort();
    if let Some(cutting) = cutting {
        cutting.abort();
    }
    let mut noticed = std::mem::take(&mut *noticed.lock().unwrap_or_else(PoisonError::into_inner));
    problems.extend(judge(asked, &tally, &done, &noticed));

    let without = if asked.without_fence { ", with copies that no fence protects" } else { "" };
    println!("{} nodes on one Redis{without}", asked.nodes);
    println!("{tally}");
    println!("frozen: {} times; bus cut: {} times", done.frozen.load(Relaxed), done.cut.load(Relaxed));
    println!("near share: {:.3}", near_share(&tally));
    for (which, noticed) in ["with the bus", "without"].into_iter().zip(&mut noticed) {
        let (half, most) = (percentile(noticed, 50), percentile(noticed, 99));
        println!("time to notice {which}: p50 {half:.1?}, p99 {most:.1?} ({} times)", noticed.len());
    }
    println!("took: {:.3?}", begun.elapsed());
    let code = verdict("coherence", &problems);
    println!("late reads: {} of {}", tally.stale, tally.rounds);
    Ok(code)
}

#[allow(clippy::cast_precision_loss, reason = "a share that is printed to three places")]
fn near_share(tally: &Tally) -> f64 {
    tally.near as f64 / tally.rounds.max(1) as f64
}

/// What is not as it must be.
fn judge(asked: &Asked, tally: &Tally, done: &Done, noticed: &Noticed) -> Vec<String> {
    let mut problems = Vec::new();
    if tally.rounds != asked.rounds {
        problems.push(format!("{} of {} rounds were made", tally.rounds, asked.rounds));
    }
    if tally.wrong + tally.errors > 0 {
        problems.push("a reader did not get a value of its key".into());
    }
    if asked.without_fence {
        if tally.stale == 0 {
            problems.push("without the fence some reads must be late: this run finds nothing".into());
        }
        return problems;
    }
    if tally.stale > 0 {
        problems.push("a copy was served for longer than is promised".into());
    }
    if near_share(tally) < 0.5 {
        problems.push(
            "less than half of the reads were near: a tier that never trusts itself is never late".into(),
        );
    }
    if done.frozen.load(Relaxed) == 0 || (asked.cut_bus && done.cut.load(Relaxed) == 0) {
        problems.push("the run was over before anything happened to the nodes".into());
    }
    if noticed.iter().any(Vec::is_empty) {
        problems.push("no write was noticed".into());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_is_told_from_what_must_not() {
        let problems = |line: &str, tally: &Tally, frozen: u64| {
            let asked = Asked::parse(line.split_whitespace().map(str::to_owned).collect()).unwrap();
            let done = Done { frozen: frozen.into(), cut: 0.into() };
            judge(&asked, tally, &done, &[vec![1], vec![2]]).len()
        };
        let good = Tally { rounds: 100, near: 60, ..Tally::default() };
        let (with, naive) = ("--rounds 100", "--rounds 100 --without-fence");
        assert_eq!(problems(with, &good, 1), 0);
        assert_eq!(problems(with, &good, 0), 1);
        assert_eq!(problems("--rounds 100 --cut-bus", &good, 1), 1);
        assert_eq!(problems(with, &Tally { stale: 1, ..good.clone() }, 1), 1);
        assert_eq!(problems(with, &Tally { near: 49, ..good.clone() }, 1), 1);
        assert_eq!(problems(with, &Tally { errors: 1, ..good.clone() }, 1), 1);
        assert_eq!(problems(with, &Tally { rounds: 99, ..good.clone() }, 1), 1);
        assert_eq!(problems(naive, &good, 1), 1);
        assert_eq!(problems(naive, &Tally { stale: 1, ..good }, 1), 0);
    }
}
