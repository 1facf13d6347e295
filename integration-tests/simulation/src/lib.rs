//! Up to 1 000 nodes in one process, in virtual time: each has the caches' real code, a chain with a near tier in front of a
//! store, and the store is simulated, with its one thread, its bus and the ways between. `cargo xtask simulation` runs it.

#![forbid(unsafe_code)]
// Figures for people are made of counts that are far below 2^53.
#![allow(clippy::cast_precision_loss)]

mod asked;
mod costs;
mod draw;
mod far;
mod findings;
mod fleet;
mod gap;
mod kernel;
mod measure;
mod page;
mod plot;
mod quantile;
mod stampede;
mod steady;

use std::{env, process::ExitCode, time::Instant};

use loading_trials::Outcome;

use self::{asked::Asked, findings::Findings};

/// The program. Its last line is `simulation: N reads, 0 wrong`.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("simulation: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let asked = Asked::parse(env::args().skip(1).collect())?;
    if asked.measure {
        measure::run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let begun = Instant::now();
    let findings = Findings::of(&asked.nodes, asked.seed)?;
    println!("bus\n{}", findings.bus_table());
    println!("store\n{}", findings.load_table());
    println!("stampede\n{}", findings.stampede_table());
    println!("gap\n{}", findings.gap_table());
    println!("set up otherwise\n{}", findings.tried_table());
    println!("seed {}, simulated in {:.1?}", asked.seed, begun.elapsed());
    if asked.write {
        page::write(&findings)?;
    }
    let reads: u64 = findings.steady.iter().map(|steady| steady.seen.reads).sum();
    let wrong = findings.wrong();
    println!("simulation: {reads} reads, {wrong} wrong");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
