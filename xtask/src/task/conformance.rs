//! `cargo xtask conformance`: what every store promises, tried on every store, and the suite tried on stores that are
//! wrong.

mod asked;
mod built;
mod flaky;
mod mutants;
mod page;
mod report;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use self::asked::Asked;
use self::built::Programs;
use self::mutants::Tables;
use self::report::Report;
use crate::Outcome;
use crate::leftovers::Scratch;
use crate::packages::{self, Needed};
use crate::shell;

const PROGRAMS: &[Needed] = &[
    Needed { program: "redis-server", package: "redis-server" },
    Needed { program: "memcached", package: "memcached" },
];

/// The stores of the examples, each with the folder of its package and what is to be known about it: their programs say
/// nothing of the kind.
const OTHERS: &[(&str, &str, &str)] = &[
    ("redb", "custom-backend", "a file of redb's: `examples/custom-backend`, with a suite of its own"),
    ("sqlite", "sql-backend", "a table of SQLite's: `examples/sql-backend`, with a suite of its own"),
];

/// The same rows as a page, and as JUnit XML; below the root of the repository.
const PAGE: &str = "target/conformance.html";
const JUNIT: &str = "target/conformance.xml";
/// The seeds of random programs that failed, which are tried again before new ones.
const SEEDS: &str = "target/conformance-seeds.txt";

/// Runs the suite, or hunts the mutants. The last line is the counts.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asked = Asked::parse(arguments)?;
    if asked.mutants {
        return if hunt() { Ok(()) } else { exit(1) };
    }
    packages::ensure(PROGRAMS)?;
    let scratch = Scratch::new()?;
    if let Some(runs) = asked.flaky {
        let all_passed = flaky::run(&asked, runs, scratch.path())?;
        let left = scratch.check();
        drop(scratch);
        left?;
        // The counts stand last.
        return if all_passed { Ok(()) } else { exit(1) };
    }
    let (report, verdict) = try_all(&Programs::build()?, &asked, scratch.path())?;
    let verdict = verdict.and_then(|()| scratch.check());
    if let Err(problem) = &verdict {
        eprintln!("xtask conformance: {problem}");
    }
    println!("{}", report.counts());
    drop(scratch);
    // An error that is returned would be printed after the counts, which are to stand last.
    if verdict.is_err() { exit(1) } else { Ok(()) }
}

/// The suite over the reference and over everything, whose page must be current, and the mutants.
pub(crate) fn everything(scratch: &Path) -> Outcome {
    let asked = Asked { check: true, ..Asked::default() };
    let programs = Programs::build()?;
    shell::run(programs.command("conformance", "reference")?.arg("--quiet").env("TMPDIR", scratch))?;
    let (report, verdict) = try_all(&programs, &asked, scratch)?;
    println!("{}", report.counts());
    verdict?;
    if hunt() { Ok(()) } else { Err("a mutant survived, or a case passes over its mutant".into()) }
}

/// What the run came to, once it could be run at all.
fn try_all(programs: &Programs, asked: &Asked, scratch: &Path) -> Outcome<(Report, Outcome)> {
    let (report, is_whole) = collect(programs, asked, scratch)?;
    print!("{}", report.table());
    let failed = report.total().failed;
    if failed > 0 {
        return Ok((report, Err(format!("{failed} cases failed").into())));
    }
    if !is_whole {
        let why = "the suite did not come to its end, or held up its own run: see above";
        return Ok((report, Err(why.into())));
    }
    let page = if asked.is_everything() { keep(&report, asked.check) } else { Ok(()) };
    Ok((report, page))
}

/// Runs the programs that have to do with what was asked for, and reads what they report. Whether all of them came to a
/// good end is said beside it.
fn collect(programs: &Programs, asked: &Asked, scratch: &Path) -> Outcome<(Report, bool)> {
    let file = scratch.join("conformance.tsv");
    let is_other = |store: &&str| OTHERS.iter().any(|(name, ..)| name == store);
    let ours: Vec<&str> = asked.stores.iter().map(String::as_str).filter(|store| !is_other(store)).collect();
    let mut is_whole = true;
    if asked.stores.is_empty() || !ours.is_empty() {
        let mut command = suite(programs, "integration-tests", asked, scratch, &file)?;
        if !ours.is_empty() {
            command.env("LARDER_CONFORMANCE_STORES", ours.join(","));
        }
        is_whole &= shell::run(&mut command).is_ok();
    }
    for (store, package, about) in OTHERS {
        if asked.stores.is_empty() || asked.stores.iter().any(|name| name == store) {
            let mut known = OpenOptions::new().create(true).append(true).open(&file)?;
            writeln!(known, "#\t{store}\t{about}")?;
            is_whole &= shell::run(&mut suite(programs, package, asked, scratch, &file)?).is_ok();
        }
    }
    if file.is_file() {
        let (page, junit) = (shell::root().join(PAGE), shell::root().join(JUNIT));
        let mut command = programs.command("conformance", "report")?;
        shell::run(command.arg(&file).args([&page, &junit]))?;
        println!("as a page: {PAGE}; as JUnit XML: {JUNIT}");
    }
    let report = Report::read(&fs::read_to_string(&file).unwrap_or_default())?;
    if is_whole && report.total().all() == 0 {
        return Err("no case has a name like that".into());
    }
    Ok((report, is_whole))
}

fn suite(
    programs: &Programs,
    package: &str,
    asked: &Asked,
    scratch: &Path,
    report: &Path,
) -> Outcome<Command> {
    let mut command = programs.command(package, "conformance")?;
    command.arg("--quiet").args(&asked.filter);
    command.env("TMPDIR", scratch).env("LARDER_CONFORMANCE_REPORT", report);
    command.env("LARDER_CONFORMANCE_SEEDS", shell::root().join(SEEDS));
    Ok(command)
}

/// Writes the page, or fails if it is not what it should be.
fn keep(report: &Report, check: bool) -> Outcome {
    let file = path_of_page();
    let page = page::write(report, &Tables::read()?);
    if fs::read_to_string(&file).is_ok_and(|kept| kept == page) {
        return Ok(());
    }
    if check {
        return Err("docs/conformance.md is not current: `cargo xtask conformance` writes it".into());
    }
    Ok(fs::write(&file, page)?)
}

fn path_of_page() -> PathBuf {
    shell::root().join("docs/conformance.md")
}

/// Whether the suite catches every store that is wrong, and every case fails over one of them.
fn hunt() -> bool {
    mutants::hunt().inspect_err(|problem| eprintln!("xtask conformance: {problem}")).is_ok()
}
