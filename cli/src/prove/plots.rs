//! What `larder bench` has measured, as a page with plots.

use serde_json::Value;

use crate::{
    plan::page::{Line, Plot, begin, end, figure, section, table},
    screen::count,
};

/// The page; `heads` and `rows` are the table's.
pub(super) fn page(about: &str, rows: &[Value], heads: &[&str], lines: Vec<Vec<String>>) -> String {
    let mut out = begin("How fast a store is");
    section(&mut out, "Operations a second", about);
    figure(&mut out, &plot(rows, "Operations a second, by tasks that wait at once", "per_second"));
    section(&mut out, "Latency", "Of a hundred operations, 99 took no longer than this.");
    figure(&mut out, &plot(rows, "99th percentile in µs, by tasks that wait at once", "p99_micros"));
    section(&mut out, "All figures", "");
    table(&mut out, heads, lines.into_iter());
    end(&mut out);
    out
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a plot"
)]
fn plot(rows: &[Value], about: &str, what: &str) -> Plot {
    let at = |row: &Value, name: &str| row[name].as_u64().unwrap_or_default() as f64;
    let mut names: Vec<&str> = Vec::new();
    let mut tasks: Vec<f64> = Vec::new();
    for row in rows {
        let name = row["what"].as_str().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
        }
        tasks.push(at(row, "tasks"));
    }
    tasks.sort_unstable_by(f64::total_cmp);
    tasks.dedup();
    let lines = names.into_iter().map(|name| Line {
        // Beside the end of its line there is room for little.
        name: name.replace(" through the cache", "").replace("get, bytes alone", "raw"),
        points: rows
            .iter()
            .filter(|row| row["what"] == name)
            .map(|row| (at(row, "tasks"), at(row, what)))
            .collect(),
    });
    Plot {
        about: about.to_owned(),
        lines: lines.collect(),
        is_log: true,
        ticks: tasks.into_iter().map(|tasks| (tasks, count(tasks as u64))).collect(),
        top: rows.iter().map(|row| at(row, what)).fold(1.0, f64::max),
        figure: |figure| count(figure as u64),
    }
}
