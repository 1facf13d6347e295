//! The conformance suite over every store: `cargo xtask conformance`.
//!
//! `LARDER_CONFORMANCE_STORES` names those to run over, with commas between; `LARDER_CONFORMANCE_REPORT` a file that
//! gets a line for each store and one for each case.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use integration_tests::stores::{self, Subject};
use larder_conformance::Suite;

fn main() -> ExitCode {
    let subjects = match chosen() {
        Ok(subjects) => subjects,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(report) = env::var_os("LARDER_CONFORMANCE_REPORT")
        && let Err(why) = introduce(&subjects, Path::new(&report))
    {
        eprintln!("the report cannot be written: {why}");
        return ExitCode::FAILURE;
    }
    Suite::main_of(subjects.into_iter().map(|subject| subject.suite))
}

fn chosen() -> Result<Vec<Subject>, String> {
    let mut all = stores::all();
    let Ok(names) = env::var("LARDER_CONFORMANCE_STORES") else { return Ok(all) };
    let names: Vec<&str> = names.split(',').collect();
    let known: Vec<&str> = all.iter().map(|subject| subject.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(format!("there is no store \"{unknown}\"; there are {}", known.join(", ")));
    }
    all.retain(|subject| names.contains(&subject.name));
    Ok(all)
}

/// A line for each store before those of the cases: `#`, its name, and what it is.
fn introduce(subjects: &[Subject], report: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(report)?;
    for Subject { name, about, .. } in subjects {
        writeln!(file, "#\t{name}\t{about}")?;
    }
    Ok(())
}
