//! Readers that load, writers that commit and then invalidate, and callers who go away, all on a few keys. A read is
//! stale when it began after an invalidation had returned, and yields what was there before it. None may be.

pub(crate) mod asked;
pub(crate) mod database;
pub(crate) mod field;
pub(crate) mod pause;
mod reader;
pub(crate) mod tally;
pub(crate) mod writer;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{Instant, timeout},
};

use self::{
    asked::Asked,
    database::{Database, Host, Table},
    field::Field,
    tally::Tally,
};
use crate::{
    Outcome,
    fleet::{Fleet, Place},
    random, runtime,
    store::{Server, member::Member},
    verdict, wire,
};

/// When a run in which nobody reads any more is given up.
const STANDSTILL: Duration = Duration::from_secs(30);
/// When a run is given up in any case: the second for each round.
const LIMIT: Duration = Duration::from_mins(10);
const LIMIT_PER_ROUND: Duration = Duration::from_millis(1);
/// How often it is looked whether a run goes on.
const TICK: Duration = Duration::from_millis(50);

/// The program.
pub fn main() -> ExitCode {
    let run = || {
        let mut asked = Asked::parse(env::args().skip(1).collect())?;
        let place = Place::of_this_process()?;
        let runtime = runtime(if asked.processes == 1 { 4 } else { 2 })?;
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
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| verdict("races", &[why.to_string()]))
}

/// One process of several.
async fn work(asked: &Asked, place: &Place) -> Outcome {
    let client = Arc::new(wire::Client::new(place.database));
    // The seed that the first process has drawn, where it was not given.
    let seed = client.ask_one("seed", &[]).await?;
    let field = Field::new(asked, seed, place.index, &place.server, Database::There(Arc::clone(&client)))?;
    field.warm().await?;
    client.ask("ready", &[]).await?;
    let tally = field.run().await?;
    client.ask("done", &tally.numbers()).await?;
    Ok(())
}

/// Runs it, and prints what came of it. The last line is the number of stale reads.
async fn host(asked: &Asked, seed: u64) -> Outcome<ExitCode> {
    let table = Arc::new(Table::default());
    let begun = Instant::now();
    let (tally, mut problems) = if asked.store.is_shared() {
        let server = Arc::new(asked.store.start()?);
        let (told, tallies) = mpsc::unbounded_channel();
        let host = Host::new(asked.processes, seed, Arc::clone(&table), told);
        let database = wire::serve(Arc::new(host)).await?;
        let fleet = Fleet::start(asked.processes, database, &server.address())?;
        let disturbing =
            tokio::spawn(disturb(asked.one, asked.rounds, Arc::clone(&server), Arc::clone(&table)));
        let (sum, mut problems) = collect(asked, fleet, tallies, &table).await?;
        if problems.is_empty() && asked.one != Member::Well && !disturbing.is_finished() {
            problems.push("the run was over before one of the servers was back".into());
        }
        // A run that was given up may end before its time has come.
        disturbing.abort();
        (sum, problems)
    } else {
        let field = Field::new(asked, seed, 0, "", Database::Here(Arc::clone(&table)))?;
        tokio::select! {
            tally = field.run() => (tally?, Vec::new()),
            problem = watch(asked, &table) => (Tally::default(), vec![problem]),
        }
    };
    let took = begun.elapsed();
    problems.extend(judge(asked, &tally));

    let without = if asked.without_fence { ", without the fence" } else { "" };
    println!("store: {}{}, {} processes{without}", asked.store.name(), asked.one.told(), asked.processes);
    println!("{tally}");
    println!("took: {took:.3?}");
    let code = verdict("races", &problems);
    println!("stale reads: {} of {} rounds", tally.stale, tally.rounds);
    Ok(code)
}

/// Waits for what all workers tell.
pub(crate) async fn collect(
    asked: &Asked,
    mut fleet: Fleet,
    mut tallies: UnboundedReceiver<Tally>,
    table: &Table,
) -> Outcome<(Tally, Vec<String>)> {
    let mut sum = Tally::default();
    let mut awaited = asked.processes;
    let watching = watch(asked, table);
    tokio::pin!(watching);
    while awaited > 0 {
        let told = tokio::select! {
            told = timeout(TICK, tallies.recv()) => told,
            // Kills the workers that are left.
            problem = &mut watching => return Ok((sum, vec![problem])),
        };
        if let Some(tally) = told.ok().flatten() {
            sum.add(&tally);
            awaited -= 1;
        }
        fleet.check()?;
    }
    fleet.join()?;
    Ok((sum, Vec::new()))
}

/// Lets one of several servers go when two fifths of the reads have begun, and come back at three fifths.
async fn disturb(one: Member, rounds: u64, server: Arc<Server>, table: Arc<Table>) -> Outcome {
    let until = async |fifths: u64| {
        while table.asked() < rounds * fifths / 5 {
            tokio::time::sleep(TICK / 10).await;
        }
    };
    until(2).await;
    let gone = Arc::clone(&server);
    tokio::task::spawn_blocking(move || one.gone(&gone)).await?;
    until(3).await;
    tokio::task::spawn_blocking(move || one.back(&server)).await?;
    Ok(())
}

/// Ends, with the reason, when the run does not go on.
async fn watch(asked: &Asked, table: &Table) -> String {
    let rounds = u32::try_from(asked.rounds).unwrap_or(u32::MAX);
    let limit = LIMIT.saturating_add(LIMIT_PER_ROUND.saturating_mul(rounds));
    let begun = Instant::now();
    let (mut seen, mut moved) = (table.asked(), begun);
    loop {
        tokio::time::sleep(TICK).await;
        if table.asked() != seen {
            (seen, moved) = (table.asked(), Instant::now());
        }
        if moved.elapsed() > STANDSTILL {
            return format!("nobody has begun to read for {STANDSTILL:?}, after {seen} reads");
        }
        if begun.elapsed() > limit {
            return format!("not ended after {limit:?}, with {seen} reads begun");
        }
    }
}

/// What is not as it must be.
fn judge(asked: &Asked, tally: &Tally) -> Vec<String> {
    let mut problems = Vec::new();
    if tally.rounds != asked.rounds {
        problems.push(format!("{} of {} rounds were made", tally.rounds, asked.rounds));
    }
    if tally.invalidations() == 0 {
        problems.push("nothing was ever invalidated, so nothing was tried".into());
    }
    if asked.store.is_chain() && tally.near == 0 {
        problems.push("nothing was read out of a near copy, so no chain was tried".into());
    }
    if tally.wrong + tally.errors > 0 {
        problems.push("a reader did not get a value of its key".into());
    }
    match (asked.without_fence, tally.stale) {
        (false, 0) | (true, 1..) => {}
        (false, _) => problems.push("a load has overwritten an invalidation".into()),
        (true, 0) => {
            problems.push("without the fence some reads must be stale: this run finds nothing".into());
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(line: &str, tally: &Tally) -> usize {
        let asked = Asked::parse(line.split_whitespace().map(str::to_owned).collect()).unwrap();
        judge(&asked, tally).len()
    }

    #[test]
    fn what_must_be_is_told_from_what_must_not() {
        let good = Tally { rounds: 100, deletes: 10, ..Tally::default() };
        let (with, without) = ("--rounds 100", "--rounds 100 --without-fence");
        assert_eq!(problems(with, &good), 0);
        assert_eq!(problems(with, &Tally { failed: 3, ..good.clone() }), 0);
        assert_eq!(problems(with, &Tally { stale: 1, ..good.clone() }), 1);
        assert_eq!(problems(with, &Tally { errors: 1, ..good.clone() }), 1);
        assert_eq!(problems(with, &Tally { wrong: 1, ..good.clone() }), 1);
        assert_eq!(problems(with, &Tally { rounds: 99, ..good.clone() }), 1);
        assert_eq!(problems(with, &Tally { deletes: 0, ..good.clone() }), 1);
        assert_eq!(problems(without, &good), 1);
        let chain = "--rounds 100 --store chain";
        assert_eq!((problems(chain, &good), problems(chain, &Tally { near: 1, ..good.clone() })), (1, 0));
        assert_eq!(problems(without, &Tally { stale: 1, ..good }), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_stands_still_is_given_up() {
        let asked = Asked::parse(Vec::new()).unwrap();
        let problem = watch(&asked, &Table::default()).await;
        assert!(problem.contains("nobody has begun to read"), "{problem}");
    }
}
