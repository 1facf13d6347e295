//! Larder side by side with its peers, as a program: `bench [ROW…] [--quick]`, usually by `cargo xtask bench`.

mod harness;
mod peers;
mod report;
mod rows;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::harness::targets::Targets;
use self::harness::{Bench, Outcome, RowDef};
use self::report::machine::{self, Machine};
use self::report::results::{Results, RowResult, Status};
use self::report::{page, table};

#[global_allocator]
static ALLOCATOR: harness::alloc::Counting = harness::alloc::Counting;

/// What the command line asks for.
struct Asked {
    rows: Vec<String>,
    quick: bool,
    only_page: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let all = rows::all();
    let names = names(&all);
    let mut asked = Asked { rows: Vec::new(), quick: false, only_page: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => asked.quick = true,
            "--page" => asked.only_page = true,
            "--help" | "-h" => {
                println!("{}", usage(&all));
                return Ok(ExitCode::SUCCESS);
            }
            name if names.contains(&name) => asked.rows.push(name.to_owned()),
            other => {
                eprintln!("bench: there is no row `{other}`\n\n{}", usage(&all));
                return Ok(ExitCode::from(2));
            }
        }
    }
    let targets = Targets::read(&here("targets.toml"))?;
    let results = here("results/latest.json");
    let mut latest = Results::read(&results)?;
    if !asked.only_page {
        measure(&all, &names, &asked, &targets, &mut latest, &results)?;
    }
    page::write(&latest, &targets, &names, &here("../docs"))?;
    if !asked.only_page {
        let wanted = |name: &&str| asked.rows.is_empty() || asked.rows.iter().any(|asked| asked == name);
        let (ok, short) =
            count(names.iter().filter(|name| wanted(name)).filter_map(|name| latest.rows.get(*name)));
        println!("\n{ok} ok, {short} short");
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures what was asked for, and keeps each row's result as soon as it is there.
fn measure(
    all: &[RowDef],
    names: &[&str],
    asked: &Asked,
    targets: &Targets,
    latest: &mut Results,
    file: &Path,
) -> Outcome {
    let mut bench = Bench::new(asked.quick, targets.clone())?;
    let machine = Machine::this();
    for name in
        names.iter().filter(|name| asked.rows.is_empty() || asked.rows.iter().any(|asked| asked == *name))
    {
        eprintln!("{name}");
        let parts: Vec<&RowDef> = all.iter().filter(|row| row.name == *name).collect();
        let mut row = bench.row(&parts);
        (row.date, row.commit) = machine::now_and_commit();
        row.machine = machine.clone();
        row.quick = asked.quick;
        let missing =
            targets.names(name).filter(|target| row.compared().all(|compared| compared.name != *target));
        let missing: Vec<String> =
            missing.map(|target| format!("the target {target}: not measured")).collect();
        row.left_out.extend(missing);
        print!("{}", table::of(name, &row));
        for (reason, names) in row.reasons(name, targets) {
            let reason = reason.map_or_else(|| "not known".to_owned(), |text| text.replace('\n', " "));
            println!("short: {}: {reason}", names.join(", "));
        }
        latest.rows.insert((*name).to_owned(), row);
        latest.write(file)?;
    }
    Ok(())
}

fn count<'a>(rows: impl Iterator<Item = &'a RowResult>) -> (usize, usize) {
    let mut counts = (0, 0);
    for row in rows {
        for compared in row.compared() {
            match row.status(compared) {
                Status::Ok => counts.0 += 1,
                Status::Short => counts.1 += 1,
                Status::Void | Status::Shown => {}
            }
        }
    }
    counts
}

/// Each row's name once, in order.
fn names(all: &[RowDef]) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for row in all {
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    names
}

fn usage(all: &[RowDef]) -> String {
    let mut text = "cargo xtask bench [ROW…] [--quick] [--page]\n\n".to_owned();
    text += "  --quick  short turns: figures soon rather than steady\n";
    text += "  --page   measures nothing, writes docs/performance.md again\n\nRows:";
    for name in names(all) {
        let about = all.iter().find(|row| row.name == name).map_or("", |row| row.about);
        let _ = write!(text, "\n  {name:10} {about}");
    }
    text
}

/// A path in this package's folder.
fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
