//! The page of it, `docs/simulation.md`, and its images.

use std::{fs, path::Path};

use loading_trials::Outcome;

use crate::{
    costs::REDIS,
    findings::{Findings, LASTS, WRITES},
    fleet, gap,
    kernel::{MILLI, SECOND},
    plot::{Axis, Chart},
    stampede,
};

/// The folder of the documentation, wherever the program is run.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
/// Everything but the tables.
const TEXT: &str = include_str!("page.md");

pub(crate) fn write(findings: &Findings) -> Outcome {
    let docs = Path::new(DOCS);
    let images = docs.join("images");
    fs::create_dir_all(&images)?;
    for (name, chart) in charts(findings) {
        fs::write(images.join(format!("simulation-{name}.svg")), chart.svg())?;
    }
    fs::write(docs.join("simulation.md"), page(findings))?;
    Ok(())
}

fn page(findings: &Findings) -> String {
    let micros = |nanos: u64| format!("{:.1} µs", nanos as f64 / 1e3);
    let values = [
        ("bus", findings.bus_table()),
        ("store", findings.load_table()),
        ("stampede", findings.stampede_table()),
        ("gap", findings.gap_table()),
        ("tried", findings.tried_table()),
        ("turn", micros(REDIS.turn)),
        ("command", micros(REDIS.command)),
        ("message", micros(REDIS.message)),
        ("key", micros(REDIS.key)),
        ("capacity", REDIS.capacity().to_string()),
        ("keys", fleet::KEYS.to_string()),
        ("reads", fleet::READS.to_string()),
        ("zipf", fleet::ZIPF.to_string()),
        ("load", format!("{} ms", fleet::LOAD / MILLI)),
        ("deadline", format!("{:?}", fleet::DEADLINE)),
        ("lease", format!("{:?}", fleet::LEASE)),
        ("lasts", format!("{} s", LASTS / SECOND)),
        ("callers", stampede::CALLERS.to_string()),
        ("within", format!("{} ms", stampede::WITHIN / MILLI)),
        ("stampede-load", format!("{} ms", stampede::LOAD / MILLI)),
        ("gap-writes", gap::WRITES.to_string()),
        ("gap-lasts", format!("{} s", (gap::BACK - gap::LOST) as u64 * gap::STEP / SECOND)),
    ];
    let mut page = TEXT.to_owned();
    for (name, value) in values {
        page = page.replace(&format!("{{{name}}}"), value.trim_end());
    }
    page
}

fn charts(findings: &Findings) -> [(&'static str, Chart); 4] {
    let by_rate = |value: &dyn Fn(&crate::steady::Steady) -> f64| {
        WRITES.map(|writes| {
            let steady = findings.steady.iter().filter(|steady| steady.writes == writes);
            let points = steady.map(|steady| (steady.nodes as f64, value(steady))).collect();
            (format!("{writes} writes/s"), points)
        })
    };
    let nodes = || Axis { label: "nodes", is_log: true };
    let log = |label| Axis { label, is_log: true };
    let mut messages = by_rate(&|steady| steady.messages()).to_vec();
    let ends =
        [findings.gaps.first(), findings.gaps.last()].map(|gap| gap.map_or(1.0, |gap| gap.nodes as f64));
    messages
        .push(("all it can send".to_owned(), ends.map(|nodes| (nodes, REDIS.capacity() as f64)).to_vec()));
    let leases = [true, false].map(|has_leases| {
        let seen = findings.stampedes.iter().filter(|seen| seen.has_leases == has_leases);
        let name = if has_leases { "leases" } else { "no leases" };
        (name.to_owned(), seen.map(|seen| (seen.nodes as f64, seen.loads as f64)).collect())
    });
    let second = gap::STEP as f64 / SECOND as f64;
    let gaps = findings.gaps.iter().map(|gap| {
        let each = |reads: &u64| *reads as f64 / second / gap.nodes as f64;
        // Half a second each: single steps of few nodes are noise.
        let steps = gap.reads.chunks(5).enumerate().map(|(place, steps)| {
            let mean = steps.iter().map(each).sum::<f64>() / steps.len() as f64;
            ((place * 5) as f64 * second + 2.5 * second, mean)
        });
        (format!("{} nodes", gap.nodes), steps.collect())
    });
    [
        (
            "agreement",
            Chart {
                title: "From a write until all nodes have heard of it, p99",
                x: nodes(),
                y: log("milliseconds"),
                lines: by_rate(&|steady| steady.agreed.p99 as f64 / MILLI as f64).to_vec(),
            },
        ),
        (
            "messages",
            Chart { title: "Messages on the bus", x: nodes(), y: log("messages a second"), lines: messages },
        ),
        (
            "stampede",
            Chart {
                title: "Loads when the hottest key is removed",
                x: nodes(),
                y: log("loads"),
                lines: leases.to_vec(),
            },
        ),
        (
            "gap",
            Chart {
                title: "The bus is lost at 1 s and there again at 4 s",
                x: Axis { label: "seconds", is_log: false },
                y: Axis { label: "far reads a second, each node", is_log: false },
                lines: gaps.collect(),
            },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_value_for_everything_and_all_its_images() {
        let findings =
            Findings { steady: Vec::new(), stampedes: Vec::new(), gaps: Vec::new(), tried: Vec::new() };
        let page = page(&findings);
        assert!(!page.contains('{'), "{page}");
        for (name, _) in charts(&findings) {
            assert!(page.contains(&format!("images/simulation-{name}.svg")), "{name}");
        }
    }
}
