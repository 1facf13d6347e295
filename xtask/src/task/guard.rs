//! `cargo xtask guard`: what one call costs, counted in instructions, allocations and clock reads rather than in time,
//! and compared with the committed figures. `docs/guard.md` says how to read a difference.

mod asked;
mod callgrind;
mod costs;
mod distant;
mod figures;
mod profile;
mod program;

use std::collections::BTreeMap;
use std::fs;

use self::asked::Asked;
use self::callgrind::Callgrind;
use self::costs::{Costs, Spread};
use self::distant::DistantRedis;
use self::figures::Figures;
use self::program::{Program, Scenario};
use crate::Outcome;
use crate::leftovers::Scratch;
use crate::metadata::Metadata;
use crate::packages::{self, Needed};
use crate::shell;

const VALGRIND: Needed = Needed { program: "valgrind", package: "valgrind" };
const REDIS: Needed = Needed { program: "redis-server", package: "redis-server" };
const FIGURES: &str = "integration-tests/guard/figures.json";

/// Counts, and compares or renews.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::parse(arguments)?;
    packages::ensure(&[VALGRIND, REDIS])?;
    let target = Metadata::of_workspace()?.target_directory();
    let program = Program::build(&target)?;
    let scenarios = asked.choose(program.scenarios()?)?;
    let toolchain = figures::toolchain()?;
    let figures = Figures::read(&shell::root().join(FIGURES))?;
    if asked.renew && !asked.names.is_empty() && figures.toolchain != toolchain {
        return Err("the committed figures are of another toolchain: renew all of them together".into());
    }

    let scratch = Scratch::new()?;
    let profiles = target.join("guard/profiles");
    fs::create_dir_all(&profiles)?;
    let redis = DistantRedis::start(scratch.path())?;
    let callgrind = Callgrind::new(&program, &redis, scratch.path(), &profiles);
    let measured = measure(&callgrind, &scenarios, asked.runs);
    drop(redis);
    scratch.check()?;
    let measured = measured?;

    if asked.renew {
        figures.renewed(toolchain, measured, asked.names.is_empty()).write(&shell::root().join(FIGURES))?;
        println!("{FIGURES} is renewed");
        return Ok(());
    }
    if !asked.names.is_empty() {
        return figures.compare(&toolchain, &measured);
    }
    figures.covers(&measured)?;
    figures.compare(&toolchain, &measured)
}

/// A line for each scenario. With several runs, how far they are apart.
fn measure(
    callgrind: &Callgrind<'_>,
    scenarios: &[Scenario],
    runs: usize,
) -> Outcome<BTreeMap<String, Costs>> {
    let mut measured = BTreeMap::new();
    println!("{:18} {}", "a call", Costs::HEAD);
    for scenario in scenarios {
        let mut spread = Spread::default();
        for _ in 0..runs {
            spread.add(callgrind.count(scenario)?);
        }
        let costs = spread.median().ok_or("nothing was run")?;
        println!("{:18} {costs}  {}", scenario.name, scenario.about);
        if runs > 1 {
            println!("{:18} {spread}", "");
        }
        measured.insert(scenario.name.clone(), costs);
    }
    Ok(measured)
}
