//! Hunts every mutant with the case that should catch it, prints the list, and fails if one survives.
//! With `--all`, tells for each how many cases of the whole suite notice it.

use std::process::ExitCode;

use larder_conformance::{Fate, cases, mutants};

#[tokio::main]
async fn main() -> ExitCode {
    let all = std::env::args().any(|argument| argument == "--all");
    // A mutant that panics, and a loader that does, are part of the hunt.
    std::panic::set_hook(Box::new(|_| {}));
    let mutants = mutants();
    let mut caught = 0;
    for mutant in &mutants {
        let mutant = *mutant;
        let mut told = match mutant.hunt().await {
            Fate::Caught(case) => {
                caught += 1;
                format!("caught by {case}")
            }
            Fate::Survived(why) => format!("SURVIVED: {why}"),
        };
        if all {
            let mut noticed = Vec::new();
            for case in cases() {
                let run = tokio::spawn(async move { mutant.run(&case).await });
                if !matches!(run.await, Ok(Ok(_))) {
                    noticed.push(case.name());
                }
            }
            told = format!("{told}; {} cases notice: {}", noticed.len(), noticed.join(" "));
        }
        println!("{:60} {told}", mutant.name);
    }
    println!("mutants: {caught} caught of {}", mutants.len());
    if caught == mutants.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
