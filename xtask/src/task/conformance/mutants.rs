//! Stores that are wrong: the suite must catch each, and each case must fail over one of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::built::Programs;
use crate::{Outcome, shell};

/// A table each, in lines of a case and, after a tabulator, a mutant that fails it or a reason why none can.
const FAILING: &str = "conformance/src/mutants/failing.tsv";
const WITHOUT: &str = "conformance/src/mutants/without.tsv";

/// Hunts every mutant with the case that must catch it, then runs each case over the mutant that fails it. The example prints
/// what became of each.
pub(super) fn hunt() -> Outcome {
    let programs = Programs::build()?;
    shell::run(&mut programs.command("conformance", "mutants")?)?;
    shell::run(programs.command("conformance", "mutants")?.arg("--cases"))
}

/// What each case was seen to fail over.
pub(super) struct Tables {
    failing: String,
    without: String,
}

impl Tables {
    pub(super) fn read() -> Outcome<Self> {
        let read = |file: &str| {
            let path = shell::root().join(file);
            fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        Ok(Self { failing: read(FAILING)?, without: read(WITHOUT)? })
    }

    /// The end of the page.
    pub(super) fn section(&self) -> String {
        let (failing, without) = (rows(&self.failing), rows(&self.without));
        let mut families = BTreeMap::<&str, Vec<(&str, &str)>>::new();
        for (case, mutant) in &failing {
            let family = case.split_once("::").map_or(*case, |(family, _)| family);
            families.entry(family).or_default().push((case, mutant));
        }
        let mut text = format!(
            "\n## What each case fails over\n\
             A case that no wrong store fails proves nothing. {} cases were each seen to fail over a store that is wrong in one \
             way, and to pass over the same store without that flaw; `--mutants` does it again. {} cannot fail over any \
             store, for the reasons below.\n\n| case | why no store can fail it |\n|---|---|\n",
            failing.len(),
            without.len(),
        );
        // `write!` to a `String` cannot fail.
        for (case, reason) in without {
            let _ = writeln!(text, "| `{case}` | {reason} |");
        }
        for (family, cases) in families {
            let _ = write!(
                text,
                "\n<details><summary><code>{family}</code>: {} cases</summary>\n\n| case | fails over a store that |\n|---|---|\n",
                cases.len()
            );
            for (case, mutant) in cases {
                let _ = writeln!(text, "| `{case}` | {mutant} |");
            }
            text.push_str("\n</details>\n");
        }
        text
    }
}

fn rows(table: &str) -> Vec<(&str, &str)> {
    table.lines().filter_map(|line| line.split_once('\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_names_each_case_once() {
        let failing =
            "keys::a\tloses keys\nttl::b\tignores every TTL\nttl::c\tignores every TTL\n".to_owned();
        let without = "stats::d\tthe store is never asked\n".to_owned();
        let section = Tables { failing, without }.section();
        for row in [
            "3 cases were each seen to fail",
            "| `stats::d` | the store is never asked |",
            "<code>keys</code>: 1 cases",
            "<code>ttl</code>: 2 cases",
            "| `ttl::c` | ignores every TTL |",
        ] {
            assert!(section.contains(row), "{row}\nis not in\n{section}");
        }
    }

    /// The outcome of a run can only be written by a run; this part needs none.
    #[test]
    fn the_page_has_the_tables_as_they_are() {
        let page = fs::read_to_string(shell::root().join("docs/conformance.md")).unwrap();
        let section = Tables::read().unwrap().section();
        assert!(page.ends_with(&section), "docs/conformance.md must end with:\n{section}");
    }
}
