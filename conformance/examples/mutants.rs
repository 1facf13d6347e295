//! Hunts every mutant with the case that must catch it, prints the list, and fails if one survives.
//!
//! `--cases` goes the other way: it runs every case over the mutant that fails it, by the table in `src/mutants/failing.tsv`,
//! and fails if one passes. `--find` prints the table, with a mutant for each case that has none yet. `--jobs=N` says how many
//! cases run at once.
//!
//! `--case=NAME` runs this case over mutants, and prints what it says of each.
//!
//! Any text restricts it to mutants with that text in their names. `--told` prints what the case said; `--family`
//! tells which cases of the same family notice the mutant as well, and `--all` which of the whole suite, in minutes.

use std::{
    future::Future,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use larder_conformance::{Case, Fate, Mutant, Weight, cases, failing, mutants, without_mutant};
use tokio::{sync::Semaphore, task::JoinSet};

/// How long a case may take over a mutant that is looked for: what takes longer waits for what never comes.
const AT_MOST: Duration = Duration::from_secs(4);

/// After this time what fails it late is taken, and after three times as long none.
const SEARCH: Duration = Duration::from_secs(30);

/// A mutant that fails a case later than this is taken if no other fails it.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// How many cases run at once when many do: most of them wait.
const SIDE_BY_SIDE: usize = 16;

// Some mutants keep a thread: more threads than processors, so that the others go on.
#[tokio::main(worker_threads = 6)]
async fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let asked = |option: &str| options.iter().any(|given| given == option);
    let jobs = options.iter().find_map(|option| option.strip_prefix("--jobs=")?.parse().ok());
    let jobs = jobs.unwrap_or(SIDE_BY_SIDE).max(1);
    if asked("--find") {
        return find(&names, jobs).await;
    }
    if asked("--cases") {
        return check_table(&names, jobs).await;
    }
    let mut mutants = mutants();
    mutants.retain(|mutant| names.iter().all(|name| mutant.name.contains(name)));
    if let Some(case) = options.iter().find_map(|option| option.strip_prefix("--case=")) {
        return over_mutants(case, &mutants).await;
    }
    let mut caught = 0;
    for mutant in &mutants {
        match mutant.hunt().await {
            Fate::Caught(told) => {
                caught += 1;
                println!("{:60} caught by {}", mutant.name, mutant.caught_by);
                if asked("--told") {
                    println!("{}\n", told.replace('\n', "\n    "));
                }
            }
            Fate::Survived(why) => println!("{:60} SURVIVED: {why}", mutant.name),
        }
        let family = mutant.caught_by.split("::").next().unwrap_or_default();
        if asked("--all") || asked("--family") {
            let cases = cases().into_iter().filter(|case| asked("--all") || case.family == family);
            let noticed = noticing(*mutant, cases).await;
            println!("    {} cases notice: {}", noticed.len(), noticed.join(" "));
        }
    }
    println!("mutants: {caught} caught of {}", mutants.len());
    if caught == mutants.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What this case says of each of these.
async fn over_mutants(name: &str, mutants: &[Mutant]) -> ExitCode {
    let Some(case) = cases().into_iter().find(|case| case.name() == name) else {
        eprintln!("no case is named {name}");
        return ExitCode::FAILURE;
    };
    for mutant in mutants {
        let begun = Instant::now();
        let told = mutant.run(&case).await;
        println!(
            "{} ({:.1} s): {}",
            mutant.name,
            begun.elapsed().as_secs_f64(),
            match told {
                Ok(outcome) => format!("{outcome:?}"),
                Err(told) => format!("fails\n    {}", told.replace('\n', "\n    ")),
            }
        );
    }
    ExitCode::SUCCESS
}

/// Those of the cases that fail over the mutant.
async fn noticing(mutant: Mutant, cases: impl Iterator<Item = Case>) -> Vec<String> {
    let turns = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut running = JoinSet::new();
    for (place, case) in cases.enumerate() {
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            let _turn = turns.acquire().await;
            mutant.run(&case).await.is_err().then(|| (place, case.name()))
        });
    }
    let mut noticed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    noticed.sort_unstable();
    noticed.into_iter().map(|(_, name)| name).collect()
}

/// Each case over the mutant that fails it, by the table. Cases that keep a processor busy, or have values of many megabytes,
/// go one by one.
async fn check_table(names: &[String], jobs: usize) -> ExitCode {
    let known = failing();
    over_cases(names, jobs, move |case| {
        let known = known.get(case.name().as_str()).copied();
        let mutant = mutants().into_iter().find(|mutant| Some(mutant.name) == known);
        async move {
            match mutant {
                Some(mutant) => match mutant.fails(&case).await {
                    Ok(_) => Ok(mutant.name),
                    Err(why) => Err(format!("\"{}\": {why}", mutant.name)),
                },
                None => Err("it has none".to_owned()),
            }
        }
    })
    .await
}

/// The table, with a mutant for each case that has none yet, if there is one.
async fn find(names: &[String], jobs: usize) -> ExitCode {
    let known = failing();
    over_cases(names, jobs, move |case| {
        let known = known.get(case.name().as_str()).copied();
        async move {
            match known {
                Some(mutant) => Ok(mutant),
                None => first_that_fails(&case).await.ok_or_else(|| "none was found".to_owned()),
            }
        }
    })
    .await
}

/// The first mutant that fails the case at once and by what the case sees. Otherwise the quickest of those that fail it late, as
/// one does that makes it wait for what never comes, or by a panic, which says little of the case.
async fn first_that_fails(case: &Case) -> Option<&'static str> {
    let mut second_best: Option<(Duration, &str)> = None;
    let searched = Instant::now();
    for mutant in candidates(case) {
        let begun = Instant::now();
        if searched.elapsed() > SEARCH && second_best.is_some() || searched.elapsed() > SEARCH * 3 {
            break;
        }
        let Ok(Ok(told)) = tokio::time::timeout(AT_MOST, mutant.fails(case)).await else { continue };
        let took = begun.elapsed();
        if took < AT_ONCE && !told.contains("a panic in the case") {
            return Some(mutant.name);
        }
        if second_best.is_none_or(|(quickest, _)| took < quickest) {
            second_best = Some((took, mutant.name));
        }
    }
    second_best.map(|(_, name)| name)
}

/// The mutants in the order in which they are tried: those that this case must catch, those of its family, all others.
fn candidates(case: &Case) -> Vec<Mutant> {
    let (name, family) = (case.name(), format!("{}::", case.family));
    let mut all = mutants();
    all.sort_by_key(|mutant| (mutant.caught_by != name, !mutant.caught_by.starts_with(&family)));
    all
}

/// Does this for every case with these texts in its name, unless it is listed with a reason, and prints each with what came of
/// it, as they end. Fails if nothing came of one, and ends with why.
async fn over_cases<F>(names: &[String], jobs: usize, work: impl Fn(Case) -> F) -> ExitCode
where
    F: Future<Output = Result<&'static str, String>> + Send + 'static,
{
    let (light, heavy) = (Arc::new(Semaphore::new(jobs)), Arc::new(Semaphore::new(1)));
    let (without, mut running) = (without_mutant(), JoinSet::new());
    for case in cases() {
        let name = case.name();
        if !names.iter().all(|part| name.contains(part)) {
            continue;
        }
        if without.contains_key(name.as_str()) {
            continue;
        }
        let turns = Arc::clone(if case.weight == Weight::Heavy { &heavy } else { &light });
        let work = work(case);
        running.spawn(async move {
            let _turn = turns.acquire().await;
            let begun = Instant::now();
            (name, work.await, begun.elapsed())
        });
    }
    let (mut seen, mut passing) = (0, Vec::new());
    while let Some(Ok((name, mutant, took))) = running.join_next().await {
        match mutant {
            Ok(mutant) => {
                seen += 1;
                println!("{name}\t{mutant}");
            }
            Err(why) => passing.push(format!("no mutant fails {name}: {why}")),
        }
        if took > AT_ONCE {
            eprintln!("{name} took {:.1} s", took.as_secs_f64());
        }
    }
    // At the end, where a log that was cut still has it.
    passing.iter().for_each(|line| eprintln!("{line}"));
    let all = seen + passing.len();
    eprintln!("cases: {seen} seen to fail of {all}, and {} listed with a reason why none can", without.len());
    if passing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
