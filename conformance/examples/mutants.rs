//! Hunts every mutant with the case that must catch it, prints the list, and fails if one survives.
//!
//! Any text restricts it to mutants with that text in their names. `--told` prints what the case said; `--family`
//! tells which cases of the same family notice the mutant as well, and `--all` which of the whole suite, in minutes.

use std::{process::ExitCode, sync::Arc};

use larder_conformance::{Case, Fate, Mutant, cases, mutants};
use tokio::{sync::Semaphore, task::JoinSet};

/// How many cases run at once when many do: most of them wait.
const SIDE_BY_SIDE: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let asked = |option: &str| options.iter().any(|given| given == option);
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
