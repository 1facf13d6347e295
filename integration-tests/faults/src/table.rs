//! A trial as a line, in the terminal and on the page.

use crate::{
    judge::{Verdict, millis},
    trial::{Measured, Trial},
};

/// The head of the columns of [`cells`].
pub(crate) const HEAD: [&str; 10] =
    ["fault", "store", "p50", "p99", "late", "failures", "back", "connections", "lines", "hits"];

/// What was measured, as text.
pub(crate) fn cells(trial: &Trial) -> Vec<String> {
    let mut cells = vec![trial.fault.name.to_owned(), trial.store.name.to_owned()];
    match &trial.outcome {
        Ok(measured) => cells.extend(figures(trial, measured)),
        Err(_) => cells.extend((2..HEAD.len()).map(|_| "–".to_owned())),
    }
    cells
}

fn figures(trial: &Trial, measured: &Measured) -> [String; 8] {
    let report = &measured.report;
    let back = match report.back {
        _ if trial.fault.end.is_none() => "does not end".to_owned(),
        None => "not".to_owned(),
        Some(back) => format!("{:.2} s", back.as_secs_f64()),
    };
    let hits = (report.hits * 100).checked_div(report.known).unwrap_or(0);
    [
        millis(report.p50),
        millis(report.p99),
        millis(report.late),
        kinds(measured),
        back,
        measured.connections.map_or_else(|| "not counted".to_owned(), |count| count.to_string()),
        report.lines.to_string(),
        format!("{hits} %"),
    ]
}

/// The kinds of failures, those that were most first.
fn kinds(measured: &Measured) -> String {
    let mut kinds: Vec<_> = measured.report.failures.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown: Vec<_> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

/// What is said at the end of the line.
pub(crate) fn outcome(trial: &Trial, verdict: &Verdict) -> String {
    match &trial.outcome {
        Err(why) => format!("could not be tried: {why}"),
        Ok(_) if !verdict.holds() => format!("fell short: {}", verdict.problems.join("; ")),
        Ok(_) if verdict.leans_on_machine => "held, on a late machine".to_owned(),
        Ok(_) => "held".to_owned(),
    }
}

/// In columns.
pub(crate) fn line(cells: &[String], outcome: &str) -> String {
    const WIDTHS: [usize; HEAD.len()] = [20, 10, 9, 9, 8, 34, 8, 11, 5, 5];
    let mut line = String::new();
    for (n, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let missing = width.saturating_sub(cell.chars().count());
        // Text to the left, numbers to the right.
        let (before, after) = if n < 2 || n == 5 { (0, missing) } else { (missing, 0) };
        line.push_str(&" ".repeat(before));
        line.push_str(cell);
        line.push_str(&" ".repeat(after + 2));
    }
    line + outcome
}
