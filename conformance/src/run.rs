//! A run of suites as a test binary: its arguments, what is wrong with them, the trials, and what is said at the end.

mod arguments;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use libtest_mimic::{Completion, Failed, Trial};
use tokio::runtime::{Builder, Handle, Runtime};

use self::arguments::{Asked, nearest};
use crate::{
    case::{Case, Weight},
    report::{self, Outcome, Row},
    suite::Suite,
    turns::Turns,
    watch::{MOST, Polls, Running, Stall, Watch},
};

/// How many cases run at once when nothing else is said. Most of them wait: for a server, for its clock.
const SIDE_BY_SIDE: usize = 24;

/// Where rows are written to, if this variable names a file.
const REPORT: &str = "LARDER_CONFORMANCE_REPORT";

/// A case that takes longer is named at the end, and so is a factory that takes longer on average.
const SLOW_CASE: Duration = Duration::from_secs(5);
const SLOW_FACTORY: Duration = Duration::from_millis(500);
/// How many slow cases are named.
const SLOWEST: usize = 10;

/// For how long, in sum, the cases may hold up their own run. A store that blocks does so again and again; once can
/// happen on any machine.
const HELD_UP: Duration = Duration::from_secs(1);

pub(crate) fn main_of(suites: &[Suite]) -> ExitCode {
    let asked = match Asked::parse(std::env::args()) {
        Ok(asked) => asked,
        Err(why) => return refuse(&[why]),
    };
    let mut wrong = wrong_with(suites);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[format!("no runtime could be started: {error}")]),
    };
    let several = suites.len() > 1;
    let run = Run {
        runtime: runtime.handle().clone(),
        turns: Arc::default(),
        running: Running::default(),
        rows: Arc::default(),
        kept: Arc::default(),
    };
    let mut trials: Vec<_> = suites.iter().flat_map(|suite| suite.trials(&run, several)).collect();
    wrong.extend(asked.wrong_filter(trials.iter().map(|(_, trial)| trial.name())));
    if !wrong.is_empty() {
        return refuse(&wrong);
    }
    // They are begun in this order, and those that run alone hold up the others.
    trials.sort_by_key(|(weight, _)| *weight);
    let mut arguments = asked.arguments;
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let watch = Watch::begin(runtime.handle(), run.running.clone());
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().map(|(_, trial)| trial).collect());
    let stalls = watch.end();
    // What hangs in a hook would keep the runtime from ending.
    runtime.shutdown_background();
    let rows = std::mem::take(&mut *run.rows.lock().unwrap_or_else(PoisonError::into_inner));
    tell_slow(suites, &rows);
    let kept = std::mem::take(&mut *run.kept.lock().unwrap_or_else(PoisonError::into_inner));
    let mut is_well = held_up(&stalls) & keep_no_thread(kept);
    for (file, text) in [(asked.html, report::html(&rows)), (asked.junit, report::junit(&rows))] {
        if let Some(file) = file
            && let Err(error) = std::fs::write(&file, text)
        {
            eprintln!("error: {} cannot be written: {error}", file.display());
            is_well = false;
        }
    }
    if is_well { conclusion.exit_code() } else { ExitCode::FAILURE }
}

fn refuse(wrong: &[String]) -> ExitCode {
    for line in wrong {
        eprintln!("error: {line}");
    }
    ExitCode::FAILURE
}

/// What an author has written that cannot be meant.
fn wrong_with(suites: &[Suite]) -> Vec<String> {
    let known: Vec<String> = crate::cases().iter().map(Case::name).collect();
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    if suites.is_empty() {
        wrong.push("there is no store to run over".to_owned());
    }
    for suite in suites {
        let name = &suite.name;
        if !names.insert(name) {
            wrong.push(format!("two stores are named \"{name}\""));
        }
        for (case, reason) in &suite.skipped {
            if !known.contains(case) {
                let nearest = nearest(case, known.iter().map(String::as_str));
                wrong.push(format!("the skip list of \"{name}\" names {case}, which is no case{nearest}"));
            } else if reason.trim().is_empty() {
                wrong.push(format!("\"{name}\" skips {case} without a reason: say why, it is printed"));
            }
        }
    }
    wrong
}

/// Which cases were slow, and whether the factory was. This says nothing about any promise.
fn tell_slow(suites: &[Suite], rows: &[Row]) {
    let mut slow: Vec<&Row> = rows.iter().filter(|row| row.took > SLOW_CASE).collect();
    slow.sort_by_key(|row| std::cmp::Reverse(row.took));
    for row in slow.iter().take(SLOWEST) {
        let seconds = row.took.as_secs_f64();
        eprintln!("slow: {}::{}::{} took {seconds:.1} s", row.store, row.family, row.behaviour);
    }
    if let Some(more) = slow.len().checked_sub(SLOWEST).filter(|more| *more > 0) {
        eprintln!("slow: {more} more cases took longer than {SLOW_CASE:?}");
    }
    for suite in suites {
        let mean = suite.making.mean();
        if mean > SLOW_FACTORY {
            eprintln!("slow: the factory of \"{}\" took {mean:?} on average, once for each case", suite.name);
        }
    }
}

/// Whether the cases ran undisturbed by each other; says what happened otherwise.
fn held_up(stalls: &[Stall]) -> bool {
    let sum: Duration = stalls.iter().map(|stall| stall.time).sum();
    let is_well = sum < HELD_UP;
    for stall in stalls {
        if is_well {
            eprintln!("note: {stall}");
        } else {
            eprintln!("the suite held up its own run, and what its cases saw says nothing: {stall}");
        }
    }
    is_well
}

/// Whether no case kept its thread for long while others ran; says which did. What was woken on that thread waited, though
/// another was free.
fn keep_no_thread(mut kept: Vec<(Duration, String)>) -> bool {
    kept.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let is_well = kept.first().is_none_or(|(time, _)| *time < HELD_UP);
    for (time, case) in kept.iter().take(SLOWEST) {
        let begin = if is_well { "note" } else { "the suite held up its own run" };
        eprintln!("{begin}: {case} kept its thread for {time:?} without waiting for anything");
    }
    is_well
}

/// What the cases of one run share.
#[derive(Clone)]
struct Run {
    runtime: Handle,
    turns: Arc<Turns>,
    running: Running,
    rows: Arc<Mutex<Vec<Row>>>,
    /// The cases that kept their threads, and for how long at once.
    kept: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Suite {
    fn trials(&self, run: &Run, several: bool) -> Vec<(Weight, Trial)> {
        let named = |case: Case| {
            let (suite, run) = (self.clone(), run.clone());
            let name = if several { format!("{}::{}", self.name, case.name()) } else { case.name() };
            let its = name.clone();
            (case.weight, Trial::ignorable_test(name, move || suite.trial(&run, its, case)))
        };
        crate::cases().into_iter().map(named).collect()
    }

    fn trial(&self, run: &Run, name: String, case: Case) -> Result<Completion, Failed> {
        let polls = Polls::default();
        let (result, took) = run.runtime.block_on(async {
            let _turn = run.turns.turn(case.weight).await;
            let _running = run.running.begin(name.clone());
            let begun = Instant::now();
            (self.run_measured(case, &polls).await, begun.elapsed())
        });
        if case.weight == Weight::Light && polls.longest() >= MOST {
            run.kept.lock().unwrap_or_else(PoisonError::into_inner).push((polls.longest(), name));
        }
        let row = Row {
            store: self.name.clone(),
            family: case.family.into(),
            behaviour: case.behaviour.into(),
            outcome: result.clone().unwrap_or(Outcome::Failed),
            took,
            told: result.as_ref().err().cloned().unwrap_or_default(),
        };
        let written = match std::env::var_os(REPORT) {
            Some(path) => row.append_to(&PathBuf::from(path)),
            None => Ok(()),
        };
        run.rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        written?;
        match result? {
            Outcome::Ignored(reason) => Ok(Completion::ignored_with(reason)),
            _ => Ok(Completion::Completed),
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
