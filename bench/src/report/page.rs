//! `docs/performance.md`: what `results/latest.json` says, with plots.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::machine::Machine;
use super::plot;
use super::results::{Compared, Group, LaneResult, Results, RowResult, Status};
use super::table::{duration, number, side, target, value};
use crate::harness::{Outcome, targets::Targets};

/// The folder of the plots, beside the page.
const PLOTS: &str = "performance";

const BEGINNING: &str = "\
# Performance

<!-- Written by `cargo xtask bench` from `bench/results/latest.json`. A change by hand is lost. -->

Larder side by side with raw caches and clients, with other frameworks, and with clients written by hand to find the
limit. Every figure was measured on the machine described below; results that miss their target are shown as they are.

```
cargo xtask bench                  # every row, and this page
cargo xtask bench near redis       # these rows; the others keep their last results
cargo xtask bench --quick          # short turns: a first impression in a few minutes
cargo xtask bench --page           # measures nothing, writes this page again
```

## How to read the figures
- The lanes of a group run in one process and take turns, every other round in reverse order. All have the same values,
  keys, compiler settings and allocator. Each round gives one ratio, ours over theirs; the table shows the median of the
  rounds, and the range from the 10th to the 90th percentile (\"spread\").
- **noisy**: the 90th percentile is more than 1.5 times the 10th. Something else was using the machine. \"By CPU\" is the
  same ratio in processor time of the client process, which a busy machine distorts less; trust the median only after a
  run without `noisy`.
- **ok** and **short**: whether the median meets the target in `bench/targets.toml`. Targets are goals, not promises, and
  some are short today; below the table of a row stands why, as far as it was measured. **void**: a condition of the
  target does not hold on this machine, so the result says nothing.
- Time is wall time for one operation. With several threads it is the time of a turn divided by the operations of all
  threads, so that two threads that do not disturb each other take half as long.
- \"Allocations\" and \"bytes\" are counted in the client process, for one operation. p99 is measured on single operations, in
  memory after the turn and not during it, and includes reading the clock.
- Compare lanes of one group with each other. Absolute times depend on the machine.
";

/// Writes the page and its plots into the folder `docs`.
pub(crate) fn write(results: &Results, targets: &Targets, order: &[&str], docs: &Path) -> Outcome {
    let folder = docs.join(PLOTS);
    fs::create_dir_all(&folder)?;
    let rows: Vec<(&str, &RowResult)> =
        order.iter().filter_map(|name| Some((*name, results.rows.get(*name)?))).collect();
    let mut page = BEGINNING.to_owned();
    machines(&mut page, &rows);
    summary(&mut page, &rows);
    let mut written = BTreeSet::new();
    for (name, row) in &rows {
        self::row(&mut page, name, row, targets, &folder, &mut written)?;
    }
    // A group that was renamed leaves no plot behind.
    for file in fs::read_dir(&folder)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "svg") && !written.contains(&name) {
            fs::remove_file(path)?;
        }
    }
    Ok(fs::write(docs.join("performance.md"), page)?)
}

fn machines(page: &mut String, rows: &[(&str, &RowResult)]) {
    let _ = write!(page, "\n## Machine\n");
    let mut seen: Vec<&Machine> = Vec::new();
    for (_, row) in rows {
        if !seen.contains(&&row.machine) {
            seen.push(&row.machine);
        }
    }
    for machine in seen {
        let Machine { cpu, cores, memory_gib, kernel, rustc, redis, memcached } = machine;
        let _ = writeln!(
            page,
            "{cpu}, {cores} cores, {memory_gib} GiB; {kernel}; {rustc}; Redis {redis}, Memcached {memcached}, both on the \
             loopback interface."
        );
    }
}

fn summary(page: &mut String, rows: &[(&str, &RowResult)]) {
    let _ = write!(page, "\n## Summary\n| row | ok | short | noisy | measured |\n|---|---|---|---|---|\n");
    for (name, row) in rows {
        let count = |status| row.compared().filter(|compared| row.status(compared) == status).count();
        let noisy = row.compared().filter(|compared| compared.noisy && compared.target.is_some()).count();
        let quick = if row.quick { ", `--quick`" } else { "" };
        let (ok, short) = (count(Status::Ok), count(Status::Short));
        let RowResult { date, commit, .. } = row;
        let _ =
            writeln!(page, "| [{name}](#{name}) | {ok} | {short} | {noisy} | {date} UTC, {commit}{quick} |");
    }
}

fn row(
    page: &mut String,
    name: &str,
    row: &RowResult,
    targets: &Targets,
    folder: &Path,
    written: &mut BTreeSet<String>,
) -> Outcome {
    let _ = write!(page, "\n## {name}\n{}.\n", capitalised(&row.about));
    if row.compared().next().is_some() {
        let _ = write!(page, "\n| comparison | ours | theirs | | spread | by CPU | target | |\n");
        let _ = writeln!(page, "|---|---|---|---|---|---|---|---|");
        row.compared().for_each(|compared| comparison(page, row, compared));
        reasons(page, name, row, targets);
    }
    for group in &row.groups {
        let _ = write!(page, "\n### {name}: {}\n", group.name);
        if let Some(svg) = plot::of(group) {
            let file = format!("{name}-{}.svg", slug(&group.name));
            fs::write(folder.join(&file), svg)?;
            let _ = write!(page, "\n![{name}, {}]({PLOTS}/{file})\n", group.name);
            written.insert(file);
        }
        lanes(page, group);
    }
    if !row.left_out.is_empty() {
        let _ = write!(page, "\nNot measured:\n");
        for line in &row.left_out {
            let _ = writeln!(page, "- {line}");
        }
    }
    Ok(())
}

fn reasons(page: &mut String, name: &str, row: &RowResult, targets: &Targets) {
    let reasons = row.reasons(name, targets);
    if !reasons.is_empty() {
        let _ = write!(page, "\nWhy these are short:\n");
    }
    for (reason, names) in reasons {
        let reason = reason.map_or_else(|| "not known.".to_owned(), |text| text.replace('\n', "\n  "));
        let _ = writeln!(page, "- `{}`: {reason}", names.join("`, `"));
    }
}

fn comparison(page: &mut String, row: &RowResult, compared: &Compared) {
    let status = match row.status(compared) {
        Status::Short => "**short**",
        status => status.text(),
    };
    let noisy = if compared.noisy { "noisy" } else { "" };
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} to {} | {} | {} | {status} {noisy} |",
        compared.name,
        side(&compared.ours, compared),
        compared.theirs.as_ref().map(|theirs| side(theirs, compared)).unwrap_or_default(),
        value(compared, compared.value.median),
        value(compared, compared.value.p10),
        value(compared, compared.value.p90),
        compared.cpu.map(number).unwrap_or_default(),
        compared.target.as_ref().map(target).unwrap_or_default(),
    );
}

/// A column of a lane's figures.
type Column = (&'static str, fn(&LaneResult) -> Option<String>);

/// Those that a group's table can have; what no lane has a figure for is left out.
const COLUMNS: [Column; 9] = [
    ("time", |lane| Some(duration(lane.time?.median))),
    ("spread", |lane| Some(format!("{} to {}", duration(lane.time?.p10), duration(lane.time?.p90)))),
    ("operations/s", |lane| lane.throughput.map(number)),
    ("p99", |lane| lane.p99.map(duration)),
    ("client CPU", |lane| lane.client_cpu.map(duration)),
    ("server CPU", |lane| lane.server_cpu.map(duration)),
    ("allocations", |lane| lane.allocations.map(number)),
    ("bytes", |lane| lane.bytes.map(number)),
    ("figure", |lane| lane.figure.map(number)),
];

fn lanes(page: &mut String, group: &Group) {
    let used: Vec<&Column> =
        COLUMNS.iter().filter(|(_, figure)| group.lanes.iter().any(|lane| figure(lane).is_some())).collect();
    let _ = write!(page, "\n| |");
    for (head, _) in &used {
        let _ = write!(page, " {head} |");
    }
    let _ = write!(page, "\n|---|");
    used.iter().for_each(|_| page.push_str("---|"));
    page.push('\n');
    for lane in &group.lanes {
        let name = if lane.ours { format!("**{}**", lane.name) } else { lane.name.clone() };
        let _ = write!(page, "| {name} |");
        for (_, figure) in &used {
            let _ = write!(page, " {} |", figure(lane).unwrap_or_default());
        }
        page.push('\n');
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A group's name as a file's.
fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("quick-cache, 2 threads"), "quick-cache-2-threads");
        assert_eq!(slug("µ (bytes)"), "bytes");
    }

    #[test]
    fn a_row_is_written_with_its_plot_and_an_old_plot_goes() {
        let lane = |name: &str, ours, figure| LaneResult {
            name: name.to_owned(),
            ours,
            operations: 1,
            time: None,
            throughput: None,
            client_cpu: None,
            server_cpu: None,
            p99: None,
            allocations: None,
            bytes: None,
            figure: Some(figure),
        };
        let lanes = vec![lane("raw", false, 100.0), lane("larder", true, 150.0), lane("other", false, 300.0)];
        let group = Group { name: "bytes an entry".to_owned(), lanes, compared: Vec::new() };
        let row = RowResult { about: "heap".to_owned(), groups: vec![group], ..RowResult::default() };
        let results = Results { rows: [("memory".to_owned(), row)].into() };
        let docs = std::env::temp_dir().join(format!("larder-bench-page-{}", std::process::id()));
        fs::create_dir_all(docs.join(PLOTS)).unwrap();
        fs::write(docs.join(PLOTS).join("old.svg"), "").unwrap();
        write(&results, &Targets::default(), &["near", "memory"], &docs).unwrap();
        let page = fs::read_to_string(docs.join("performance.md")).unwrap();
        assert!(page.contains("![memory, bytes an entry](performance/memory-bytes-an-entry.svg)"), "{page}");
        assert!(page.contains("| **larder** | 150 |"), "{page}");
        let svg = fs::read_to_string(docs.join(PLOTS).join("memory-bytes-an-entry.svg")).unwrap();
        assert!(svg.contains("larder") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!docs.join(PLOTS).join("old.svg").exists());
        fs::remove_dir_all(docs).unwrap();
    }
}
