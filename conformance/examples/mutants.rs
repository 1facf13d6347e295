//! Hunts every mutant with the case that must catch it, prints the list, and fails if one survives.
//!
//! `--cases` goes the other way: it runs every case over the mutant that fails it, by the table in `src/mutants/failing.tsv`,
//! and fails if one passes. `--find` prints the table anew, with a mutant for each case that has none yet.
//!
//! Any text restricts it to mutants with that text in their names. `--told` prints what the case said; `--family`
//! tells which cases of the same family notice the mutant as well, and `--all` which of the whole suite, in minutes.

use std::{process::ExitCode, sync::Arc, time::Duration};

use larder_conformance::{Case, Fate, Mutant, WITHOUT_MUTANT, Weight, cases, failing, mutants};
use tokio::{sync::Semaphore, task::JoinSet};

/// How long a case may take over a mutant that is looked for.
const AT_MOST: Duration = Duration::from_secs(8);

/// How many cases run at once when many do: most of them wait.
const SIDE_BY_SIDE: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let asked = |option: &str| options.iter().any(|given| given == option);
    if asked("--cases") || asked("--find") {
        return the_other_way(asked("--find"), &names).await;
    }
    let mut mutants = mutants();
    mutants.retain(|mutant| names.iter().all(|name| mutant.name.contains(name)));
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

/// Each case over the mutant that fails it; with `find`, also over others until one does. Cases that keep a processor busy,
/// or have values of many megabytes, go one by one.
async fn the_other_way(find: bool, names: &[String]) -> ExitCode {
    let (light, heavy) = (Arc::new(Semaphore::new(SIDE_BY_SIDE)), Arc::new(Semaphore::new(1)));
    let (known, mut running) = (failing(), JoinSet::new());
    for case in cases() {
        let name = case.name();
        if !names.iter().all(|part| name.contains(part)) {
            continue;
        }
        let reason = WITHOUT_MUTANT.iter().find(|(excused, _)| *excused == name);
        if let Some((_, reason)) = reason.filter(|_| !find) {
            eprintln!("# {name}: {reason}");
            continue;
        }
        let candidates = candidates(&case, known.get(name.as_str()).copied(), find);
        let turns = Arc::clone(if case.weight == Weight::Heavy { &heavy } else { &light });
        running.spawn(async move {
            let _turn = turns.acquire().await;
            for mutant in candidates {
                // A case that waits for what does not come waits for minutes: another mutant may be quicker.
                let fails = mutant.fails(&case);
                let fails = if find {
                    tokio::time::timeout(AT_MOST, fails).await.unwrap_or(false)
                } else {
                    fails.await
                };
                if fails {
                    return (name, Some(mutant.name));
                }
            }
            (name, None)
        });
    }
    let (mut seen, mut missing) = (0, 0);
    while let Some(Ok((case, mutant))) = running.join_next().await {
        seen += 1;
        if let Some(mutant) = mutant {
            println!("{case}\t{mutant}");
        } else {
            missing += 1;
            eprintln!("no mutant fails {case}");
        }
    }
    eprintln!("cases: {} seen to fail of {seen}", seen - missing);
    if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The mutants to try: the known one, then those that this case or its family must catch, then all others.
fn candidates(case: &Case, known: Option<&str>, find: bool) -> Vec<Mutant> {
    let mut all = mutants();
    let family = format!("{}::", case.family);
    all.sort_by_key(|mutant| {
        let (is_known, is_own) = (Some(mutant.name) == known, mutant.caught_by == case.name());
        (!is_known, !is_own, !mutant.caught_by.starts_with(&family))
    });
    if !find {
        all.retain(|mutant| Some(mutant.name) == known);
    }
    all
}
