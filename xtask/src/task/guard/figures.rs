//! The committed figures: read, compared, renewed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::costs::Costs;
use crate::Outcome;
use crate::shell;

/// By how many percent instructions and bytes may differ.
const TOLERANCE: f64 = 5.0;
/// Less than this between two averages is how they were rounded when written.
const ROUNDING: f64 = 0.0006;

/// What was committed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The compiler that built what was counted: another one makes other instructions.
    pub(super) toolchain: String,
    scenarios: BTreeMap<String, Costs>,
}

/// The compiler's version and the machine it compiles for.
pub(super) fn toolchain() -> Outcome<String> {
    let mut rustc = Command::new("rustc");
    let about = String::from_utf8(shell::output(rustc.arg("-vV").current_dir(shell::root()))?)?;
    let line = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    Ok(format!("rustc {} for {}", line("release: "), line("host: ")))
}

impl Figures {
    /// A file that is not there is one without figures.
    pub(super) fn read(file: &Path) -> Outcome<Self> {
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()).into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", file.display()).into()),
        }
    }

    fn parse(text: &str) -> Outcome<Self> {
        let value: Value = serde_json::from_str(text)?;
        let mut figures =
            Self { toolchain: value["toolchain"].as_str().unwrap_or_default().to_owned(), ..Self::default() };
        for (name, costs) in value["scenarios"].as_object().into_iter().flatten() {
            let part = |part: &str| costs[part].as_f64().ok_or_else(|| format!("{name} has no {part}"));
            let costs = Costs {
                allocations: part("allocations")?,
                bytes: part("bytes")?,
                clock_reads: part("clock_reads")?,
                instructions: part("instructions")?,
                library_instructions: part("library_instructions")?,
            };
            figures.scenarios.insert(name.clone(), costs);
        }
        Ok(figures)
    }

    /// These with those that were measured in their place; with `all`, only those.
    pub(super) fn renewed(mut self, toolchain: String, measured: BTreeMap<String, Costs>, all: bool) -> Self {
        if all {
            self.scenarios.clear();
        }
        self.scenarios.extend(measured);
        Self { toolchain, ..self }
    }

    pub(super) fn write(&self, file: &Path) -> Outcome {
        Ok(fs::write(file, self.text()?)?)
    }

    fn text(&self) -> Outcome<String> {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        let costs = |costs: &Costs| {
            json!({
                "allocations": rounded(costs.allocations),
                "bytes": rounded(costs.bytes),
                "clock_reads": rounded(costs.clock_reads),
                "instructions": costs.instructions.round(),
                "library_instructions": costs.library_instructions.round(),
            })
        };
        let scenarios: BTreeMap<_, _> =
            self.scenarios.iter().map(|(name, each)| (name, costs(each))).collect();
        let whole = json!({ "toolchain": self.toolchain, "scenarios": scenarios });
        Ok(serde_json::to_string_pretty(&whole)? + "\n")
    }

    /// Fails if figures are committed of scenarios that are gone.
    pub(super) fn covers(&self, measured: &BTreeMap<String, Costs>) -> Outcome {
        match self.scenarios.keys().find(|name| !measured.contains_key(*name)) {
            Some(gone) => {
                Err(format!("there are figures of {gone} and no such scenario: `cargo xtask guard --renew`")
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Fails with everything that differs.
    pub(super) fn compare(&self, toolchain: &str, measured: &BTreeMap<String, Costs>) -> Outcome {
        if self.scenarios.is_empty() {
            return Err("no figures are committed: `cargo xtask guard --renew` makes them".into());
        }
        let is_same_compiler = self.toolchain == toolchain;
        if !is_same_compiler {
            println!(
                "note: the figures were committed with {}, and this is {toolchain}: instructions and bytes are \
                 not compared",
                self.toolchain
            );
        }
        let mut differences = String::new();
        for (name, measured) in measured {
            let Some(committed) = self.scenarios.get(name) else {
                // Writing to a string cannot fail.
                let _ = writeln!(differences, "  {name}: no figures are committed");
                continue;
            };
            for difference in differences_of(*committed, *measured, is_same_compiler) {
                let _ = writeln!(differences, "  {name}: {difference}");
            }
        }
        if differences.is_empty() {
            println!("nothing costs more or less than was committed");
            return Ok(());
        }
        Err(format!(
            "what a call costs has changed:\n{differences}docs/guard.md says how to read this, and \
             target/guard/profiles has a profile of each. If it is what you want:\n  \
             cargo xtask guard --renew\nand commit integration-tests/guard/figures.json with the change and its reason."
        )
        .into())
    }
}

fn differences_of(committed: Costs, measured: Costs, is_same_compiler: bool) -> Vec<String> {
    let mut differences = Vec::new();
    let mut exactly = |what, committed: f64, measured: f64| {
        if (committed - measured).abs() > ROUNDING {
            differences.push(format!(
                "{what}: {} committed, {} measured ({:+})",
                short(committed),
                short(measured),
                short(measured - committed)
            ));
        }
    };
    exactly("allocations", committed.allocations, measured.allocations);
    exactly("clock reads", committed.clock_reads, measured.clock_reads);
    let mut about = |what, committed: f64, measured: f64| {
        let percent = 100.0 * (measured - committed) / committed;
        // Of nothing, there is no percentage, and anything is more.
        let differs =
            if committed < 1.0 { measured - committed > ROUNDING } else { percent.abs() > TOLERANCE };
        if !is_same_compiler || !differs {
            return;
        }
        let mut said = format!("{what}: {} committed, {} measured", short(committed), short(measured));
        if committed >= 1.0 {
            // Writing to a string cannot fail.
            let _ = write!(said, " ({percent:+.1} %; {TOLERANCE} % are allowed)");
        }
        differences.push(said);
    };
    about("instructions", committed.instructions, measured.instructions);
    about("bytes allocated", committed.bytes, measured.bytes);
    differences
}

/// At most three digits after the point.
fn short(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        allocations: 28.125,
        bytes: 6612.7,
        clock_reads: 14.0,
        instructions: 27_901.0,
        library_instructions: 900.0,
    };

    fn of(name: &str, costs: Costs) -> BTreeMap<String, Costs> {
        BTreeMap::from([(name.to_owned(), costs)])
    }

    fn figures() -> Figures {
        Figures::default().renewed("rustc 1".to_owned(), of("far-get", COSTS), true)
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(Figures::parse(&figures().text().unwrap()).unwrap(), figures());
        assert!(Figures::parse("{\"scenarios\": {\"miss\": {}}}").is_err());
    }

    #[test]
    fn one_more_allocation_or_clock_read_is_a_difference_and_some_instructions_are_not() {
        let compare =
            |costs| figures().compare("rustc 1", &of("far-get", costs)).map_err(|error| error.to_string());
        assert_eq!(compare(COSTS), Ok(()));
        assert_eq!(compare(Costs { instructions: COSTS.instructions * 1.049, ..COSTS }), Ok(()));
        assert_eq!(compare(Costs { library_instructions: 9999.0, ..COSTS }), Ok(()));
        for (costs, said) in [
            (
                Costs { allocations: 29.125, ..COSTS },
                "far-get: allocations: 28.125 committed, 29.125 measured (+1)",
            ),
            (Costs { allocations: 28.13, ..COSTS }, "allocations"),
            (Costs { clock_reads: 15.0, ..COSTS }, "far-get: clock reads: 14 committed, 15 measured (+1)"),
            (Costs { clock_reads: 13.0, ..COSTS }, "clock reads"),
            (Costs { instructions: COSTS.instructions * 1.051, ..COSTS }, "instructions"),
            (Costs { instructions: COSTS.instructions * 0.949, ..COSTS }, "instructions"),
            (Costs { bytes: 9000.0, ..COSTS }, "bytes"),
        ] {
            let error = compare(costs).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_percentage() {
        let nothing = Costs { allocations: 0.0, bytes: 0.0, ..COSTS };
        let differences = differences_of(nothing, Costs { bytes: 8.0, ..nothing }, true);
        assert_eq!(differences, ["bytes allocated: 0 committed, 8 measured"]);
        assert_eq!(differences_of(nothing, nothing, true), Vec::<String>::new());
    }

    #[test]
    fn another_compiler_makes_other_instructions_and_no_other_allocations() {
        let compare = |costs| figures().compare("rustc 2", &of("far-get", costs));
        assert!(compare(Costs { instructions: 1.0, ..COSTS }).is_ok());
        assert!(compare(Costs { allocations: 1.0, ..COSTS }).is_err());
    }

    #[test]
    fn scenarios_that_are_new_or_gone_are_differences() {
        assert!(figures().compare("rustc 1", &of("new", COSTS)).is_err());
        assert!(figures().covers(&of("new", COSTS)).is_err());
        let renewed = figures().renewed("rustc 1".to_owned(), of("new", COSTS), false);
        assert_eq!(renewed.scenarios.len(), 2);
    }
}
