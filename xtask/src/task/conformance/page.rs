//! `docs/conformance.md`: the outcome of the run over everything, as a page. Nothing in it depends on when or where it
//! was run.

use std::fmt::Write as _;

use super::mutants::Tables;
use super::report::{Report, Store};

/// The page.
pub(super) fn write(report: &Report, tables: &Tables) -> String {
    let mut page = HEAD.to_owned();
    for Store { name, about, .. } in &report.stores {
        line(&mut page, &format!("| `{name}` | {about} |"));
    }
    page.push_str(BEFORE_TABLE);
    table(&mut page, report);
    page.push_str(BEFORE_IGNORED);
    for Store { name, ignored, .. } in report.stores.iter().filter(|store| !store.ignored.is_empty()) {
        let reasons: Vec<String> =
            ignored.iter().map(|(reason, count)| format!("{reason} ({count})")).collect();
        line(&mut page, &format!("| `{name}` | {} |", reasons.join(", ")));
    }
    page.push_str(BEFORE_SKIPPED);
    skipped(&mut page, report);
    page.push_str(&tables.section());
    page
}

const HEAD: &str = "\
# Conformance

<!-- Written by `cargo xtask conformance`. A change by hand is lost, and fails `cargo xtask conformance --check`. -->

What [every store promises](writing-a-backend.md) is a suite of tests, `larder-conformance`, and this is what came of
running it over every store that Larder has, against real servers.

```
cargo xtask conformance                             # everything, and this page
cargo xtask conformance --store redis ttl::         # one store, and the cases with this in their names
cargo xtask conformance --check                     # fails where this page is not current
cargo xtask conformance --flaky 20 --busy 2         # twenty times in a row, beside two threads that never rest
cargo xtask conformance --mutants                   # the suite over stores that are wrong: each is caught, and each case fails over one
```

## Stores
Stores in memory and in a file count time by a clock that the suite moves. Redis and Memcached count it by themselves, so
there the suite waits. Each case has a connection of its own.

| store | what it is |
|---|---|
";

const BEFORE_TABLE: &str = "
## Outcome
Cases that passed / were ignored / failed.

";

const BEFORE_IGNORED: &str = "
## Ignored
A case that a store cannot run is ignored with the ability that the store lacks, and how many cases lack it. An ability
that a store has and that does not work is a failure.

| store | lacks (cases) |
|---|---|
";

const BEFORE_SKIPPED: &str = "
## Skipped
What a store does otherwise on purpose, and why.

";

fn table(page: &mut String, report: &Report) {
    for (number, row) in report.cells().into_iter().enumerate() {
        line(page, &format!("| {} |", row.join(" | ")));
        if number == 0 {
            line(page, &format!("|---|{}", "---:|".repeat(row.len() - 1)));
        }
    }
}

fn skipped(page: &mut String, report: &Report) {
    if report.stores.iter().all(|store| store.skipped.is_empty()) {
        page.push_str("Nothing.\n");
        return;
    }
    page.push_str("| store | case | reason |\n|---|---|---|\n");
    for Store { name, skipped, .. } in &report.stores {
        for (case, reason) in skipped {
            line(page, &format!("| `{name}` | `{case}` | {reason} |"));
        }
    }
}

fn line(page: &mut String, text: &str) {
    // `write!` to a `String` cannot fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_run_and_what_was_not() {
        let lines = [
            "#\tone\tthe first",
            "one\tttl\ta\tpassed\t\t0\t",
            "one\tttl\tb\tignored\tneeds sharing\t0\t",
            "one\tttl\tc\tignored\tneeds sharing\t0\t",
            "one\tkeys\td\tignored\tskipped: it cannot\t0\t",
        ];
        let page = write(&Report::read(&lines.join("\n")).unwrap(), &Tables::read().unwrap());
        for row in [
            "| `one` | the first |",
            "| family | one |\n|---|---:|\n| keys | 0/1/0 |\n| ttl | 1/2/0 |\n| all | 1/3/0 |",
            "| `one` | needs sharing (2) |",
            "| `one` | `keys::d` | it cannot |",
        ] {
            assert!(page.contains(row), "{row}\nis not in\n{page}");
        }
    }

    #[test]
    fn without_skipped_cases_it_says_so() {
        let page = write(&Report::read("one\tttl\ta\tpassed\t\t0\t").unwrap(), &Tables::read().unwrap());
        assert!(page.contains("and why.\n\nNothing.\n"), "{page}");
    }
}
