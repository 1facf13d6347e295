//! One scenario in three rounds, for a profiler that counts: `cost-guard SCENARIO [REDIS_URL]`. `cargo xtask guard`
//! runs it under callgrind and compares the counts with the committed ones; `docs/guard.md` says how to read them.
//!
//! It is a program of one thread with one task, so that the same instructions run each time. Without a scenario it
//! lists them.

mod allocations;
mod article;
mod rounds;
mod scenarios;

use std::env;
use std::process::ExitCode;

use self::scenarios::SCENARIOS;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// What something gives: a value, or why it could not be done.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some(name) = arguments.first() else {
        scenarios::list();
        return ExitCode::SUCCESS;
    };
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        eprintln!("cost-guard: there is no scenario `{name}`");
        return ExitCode::from(2);
    };
    match (scenario.prepare)(arguments.get(1).map(String::as_str)).and_then(rounds::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost-guard {name}: {error}");
            ExitCode::FAILURE
        }
    }
}
