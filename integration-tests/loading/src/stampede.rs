//! Many callers, one cold key: how many loads are there? One, however many processes share the store; and one more if
//! the process that loads is killed in the middle.

mod asked;
mod host;
mod worker;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{Instant, sleep, timeout},
};

use self::{
    asked::Asked,
    host::{Answers, Event, Host},
};
use crate::{
    Outcome,
    fleet::{Fleet, Place},
    random, runtime,
    store::{Server, member::Member},
    verdict, wire,
};

/// How long the others wait for a process that loads and does not come back.
const LEASE: Duration = Duration::from_secs(2);
/// How long a load takes: long enough for all callers to arrive while it goes on.
const LOAD_TIME: Duration = Duration::from_millis(250);
/// What a run may take beyond the lease and the load, on a machine that has fewer processors than the run processes.
const MARGIN: Duration = Duration::from_secs(1);
/// When a run that does not come to its end is given up.
const LIMIT: Duration = Duration::from_mins(1);
/// How often the workers are looked after.
const TICK: Duration = Duration::from_millis(20);

/// The program.
pub fn main() -> ExitCode {
    let run = || {
        let asked = Asked::parse(env::args().skip(1).collect())?;
        let runtime = runtime(if asked.processes == 1 { 4 } else { 2 })?;
        let end = match Place::of_this_process()? {
            Some(place) => runtime.block_on(worker::run(&asked, &place)).map(|()| ExitCode::SUCCESS),
            None => runtime.block_on(host(&asked)),
        };
        // A load that hangs must not keep the program from ending.
        runtime.shutdown_background();
        end
    };
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| {
        verdict("stampede", &[why.to_string()])
    })
}

/// What has come of a run.
#[derive(Debug, Default)]
struct Report {
    answers: Answers,
    took: Duration,
    killed: Option<u64>,
    problems: Vec<String>,
}

/// Runs it, and prints what came of it. The last line is the number of loads.
async fn host(asked: &Asked) -> Outcome<ExitCode> {
    let server = Arc::new(asked.store.start()?);
    let (told, events) = mpsc::unbounded_channel();
    let host = Arc::new(Host::new(asked, random::seed(), told));
    let database = wire::serve(Arc::clone(&host)).await?;
    let fleet = Fleet::start(asked.processes, database, &server.address())?;
    let mut report = watch(asked, fleet, events, &server).await?;
    let loads = host.loads();
    judge(asked, loads, &mut report);

    let Asked { store, processes, callers, .. } = asked;
    let Report { answers, took, killed, problems } = &report;
    let one = asked.one.told();
    println!(
        "store: {}{one}, {processes} processes, {callers} callers, a load of {LOAD_TIME:?}",
        store.name()
    );
    if let Some(killed) = killed {
        println!("killed: process {killed}, in the middle of its load");
    }
    println!("answers: {} right, {} wrong, {} errors", answers.right, answers.wrong, answers.errors);
    println!("took: {took:.3?}; the slowest caller {:.3?}", answers.slowest);
    let code = verdict("stampede", problems);
    println!("loads: {loads}");
    Ok(code)
}

/// Collects what the workers tell, and kills the one that is to be killed.
async fn watch(
    asked: &Asked,
    mut fleet: Fleet,
    mut events: UnboundedReceiver<Event>,
    server: &Arc<Server>,
) -> Outcome<Report> {
    let mut disturbing = None;
    let mut report = Report::default();
    let mut awaited = asked.processes;
    let limit = Instant::now() + LIMIT;
    let mut begun = Instant::now();
    while awaited > 0 {
        match timeout(TICK, events.recv()).await.ok().flatten() {
            Some(Event::Go) => begun = Instant::now(),
            Some(Event::Loading(process)) if asked.kill_leader && report.killed.is_none() => {
                sleep(LOAD_TIME / 2).await;
                fleet.kill(process)?;
                report.killed = Some(process);
                awaited -= 1;
            }
            Some(Event::Loading(_)) if asked.one != Member::Well && disturbing.is_none() => {
                disturbing = Some(tokio::spawn(disturb(asked.one, Arc::clone(server))));
            }
            Some(Event::Done(answers)) => {
                report.answers.add(&answers);
                report.took = begun.elapsed();
                awaited -= 1;
            }
            Some(Event::Loading(_)) | None => {}
        }
        fleet.check()?;
        if Instant::now() > limit {
            report.problems.push(format!("{awaited} processes have told nothing after {LIMIT:?}"));
            // Kills those that are left.
            return Ok(report);
        }
    }
    fleet.join()?;
    if let Some(disturbing) = disturbing {
        disturbing.await??;
    }
    Ok(report)
}

/// One of several servers goes while the load is under way, and comes back before that has ended.
async fn disturb(one: Member, server: Arc<Server>) -> Outcome {
    sleep(LOAD_TIME / 4).await;
    let gone = Arc::clone(&server);
    tokio::task::spawn_blocking(move || one.gone(&gone)).await?;
    sleep(LOAD_TIME / 2).await;
    tokio::task::spawn_blocking(move || one.back(&server)).await?;
    Ok(())
}

/// Adds what is not as it must be.
fn judge(asked: &Asked, loads: u64, report: &mut Report) {
    let Report { answers, took, problems, .. } = report;
    // The server that goes may be the one with the lease: then each process loads for itself, and what it cannot store it
    // loads again for callers who come later.
    let most = match (asked.kill_leader, asked.one) {
        (true, _) => 2,
        (false, Member::Well) => 1,
        (false, _) => 2 * asked.processes,
    };
    let fewest = if asked.kill_leader { 2 } else { 1 };
    if !(fewest..=most).contains(&loads) {
        problems.push(format!("there must be {fewest} to {most} loads and there were {loads}"));
    }
    if answers.wrong + answers.errors > 0 {
        problems.push("a caller did not get the value".into());
    }
    // Those of the process that is killed get nothing, and which process it is decides how many they are.
    let fewest = asked.callers - if asked.kill_leader { asked.callers.div_ceil(asked.processes) } else { 0 };
    if answers.right < fewest {
        problems.push(format!("at least {fewest} callers must be answered and {} were", answers.right));
    }
    let bound = LEASE + 2 * LOAD_TIME + MARGIN;
    if asked.kill_leader && *took > bound {
        problems.push(format!("all must have ended within {bound:?}: the lease, the load and a margin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(line: &str, loads: u64, answers: Answers, took: Duration) -> Vec<String> {
        let asked = Asked::parse(line.split_whitespace().map(str::to_owned).collect()).unwrap();
        let mut report = Report { answers, took, ..Report::default() };
        judge(&asked, loads, &mut report);
        report.problems
    }

    #[test]
    fn what_must_be_is_told_from_what_must_not() {
        let right = |right| Answers { right, ..Answers::default() };
        let one = "--store memory --callers 100";
        let killed = "--store redis --processes 8 --callers 100 --kill-leader";
        let moment = Duration::from_millis(300);
        assert!(problems(one, 1, right(100), moment).is_empty());
        assert!(problems(killed, 2, right(87), LEASE).is_empty());

        assert_eq!(problems(one, 2, right(100), moment).len(), 1);
        assert_eq!(problems(one, 0, right(100), moment).len(), 1);
        assert_eq!(problems(one, 1, right(99), moment).len(), 1);
        assert_eq!(problems(one, 1, Answers { wrong: 1, ..right(100) }, moment).len(), 1);
        assert_eq!(problems(one, 1, Answers { errors: 1, ..right(100) }, moment).len(), 1);
        assert_eq!(problems(killed, 1, right(87), moment).len(), 1);
        assert_eq!(problems(killed, 2, right(86), moment).len(), 1);
        assert_eq!(problems(killed, 2, right(87), LEASE + LIMIT).len(), 1);
    }
}
