//! Every fault on every store, and what callers notice of it.

use std::{env, process::ExitCode};

use loading_trials::random;

use crate::{
    Outcome,
    asked::Asked,
    fault::{self, Fault},
    judge::{self, Verdict},
    page,
    store::{STORES, Store},
    syns::Syns,
    table,
    trial::Trial,
    worker,
};

/// How often a trial is made on a machine that is late.
const TRIES: u32 = 3;

/// The program, and its worker.
pub fn main() -> ExitCode {
    let run = || match worker::task()? {
        Some(task) => worker::run(task).map(|()| ExitCode::SUCCESS),
        None => host(&Asked::parse(env::args().skip(1).collect())?),
    };
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| {
        eprintln!("faults: {why}");
        ExitCode::FAILURE
    })
}

/// Tries all that was asked for. The last line is `N held, M fell short`.
fn host(asked: &Asked) -> Outcome<ExitCode> {
    if asked.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    // Panics of trials are told in their lines.
    std::panic::set_hook(Box::new(|_| {}));
    let syns = Syns::listen().inspect_err(|why| eprintln!("note: connections are NOT counted: {why}")).ok();
    println!("{}", table::line(&table::HEAD.map(str::to_owned), ""));
    let mut trials = Vec::new();
    for fault in &asked.faults {
        for store in asked.stores.iter().filter(|store| fault.exists_on(store)) {
            let (trial, verdict) = try_until_it_proves_something(fault, store, asked, syns.as_ref());
            println!("{}", table::line(&table::cells(&trial), &table::outcome(&trial, &verdict)));
            if let Ok(measured) = &trial.outcome
                && !verdict.holds()
            {
                let examples = measured.report.examples.iter().chain(&measured.report.log);
                examples.for_each(|example| println!("    {example}"));
            }
            trials.push((trial, verdict));
        }
    }
    if asked.is_everything {
        page::write(&trials, asked.load)?;
    }
    let leaning = trials.iter().filter(|(_, verdict)| verdict.leans_on_machine && verdict.holds()).count();
    if leaning > 0 {
        println!("{leaning} held only because timers of the machine were late, too");
    }
    let (held, short) = count(&trials);
    println!("{held} held, {short} fell short");
    Ok(if short == 0 && held > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(trial: &Trial) -> Verdict {
    match &trial.outcome {
        Ok(measured) => judge::judge(trial.fault, measured),
        Err(why) => Verdict { problems: vec![why.clone()], ..Verdict::default() },
    }
}

/// Makes a trial, and again if the machine was too late for it.
fn try_until_it_proves_something(
    fault: &'static Fault,
    store: &'static Store,
    asked: &Asked,
    syns: Option<&Syns>,
) -> (Trial, Verdict) {
    let mut tries = 1;
    loop {
        let trial = Trial::make(fault, store, asked.load, syns, random::seed());
        let verdict = verdict(&trial);
        if !verdict.proves_nothing || tries == TRIES {
            return (trial, verdict);
        }
        tries += 1;
    }
}

/// How many held, and how many fell short.
pub(crate) fn count(trials: &[(Trial, Verdict)]) -> (usize, usize) {
    let held = trials.iter().filter(|(_, verdict)| verdict.holds()).count();
    (held, trials.len() - held)
}

fn list() {
    println!("stores:");
    for store in STORES {
        println!("  {:22}{}", store.name, store.about);
    }
    println!("faults:");
    for fault in fault::all() {
        println!("  {:22}{}", fault.name, fault.about);
    }
}
