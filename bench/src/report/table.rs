//! A row's table, as text: the lanes, then what was compared.

use std::fmt::Write as _;

use super::results::{Compared, Group, LaneResult, RowResult};
use crate::harness::targets::Target;

/// The whole row.
pub(crate) fn of(name: &str, row: &RowResult) -> String {
    let mut text = format!("\n{name}: {}\n", row.about);
    for group in &row.groups {
        lanes(&mut text, group);
    }
    comparisons(&mut text, row);
    for line in &row.left_out {
        let _ = writeln!(text, "  left out: {line}");
    }
    text
}

fn lanes(text: &mut String, group: &Group) {
    let head =
        ["", "time", "p10 to p90", "p99", "client CPU", "server CPU", "allocations", "bytes", "figure"];
    let mut cells: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    cells.extend(group.lanes.iter().map(lane));
    let _ = writeln!(text, "\n  {}", group.name);
    aligned(text, &cells);
}

fn lane(lane: &LaneResult) -> Vec<String> {
    let time = |nanoseconds: Option<f64>| nanoseconds.map(duration).unwrap_or_default();
    let spread = lane.time.map(|time| format!("{} to {}", duration(time.p10), duration(time.p90)));
    vec![
        format!("{} {}", if lane.ours { "*" } else { " " }, lane.name),
        time(lane.time.map(|time| time.median)),
        spread.unwrap_or_default(),
        time(lane.p99),
        time(lane.client_cpu),
        time(lane.server_cpu),
        lane.allocations.map(number).unwrap_or_default(),
        lane.bytes.map(number).unwrap_or_default(),
        lane.figure.map(number).unwrap_or_default(),
    ]
}

fn comparisons(text: &mut String, row: &RowResult) {
    let head = ["comparison", "ours", "theirs", "", "spread", "by CPU", "target", ""];
    let mut cells: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for compared in row.compared() {
        let mut status = row.status(compared).text().to_owned();
        if compared.noisy {
            status = if status.is_empty() { "noisy".to_owned() } else { format!("{status}, noisy") };
        }
        cells.push(vec![
            compared.name.clone(),
            side(&compared.ours, compared),
            compared.theirs.as_ref().map(|theirs| side(theirs, compared)).unwrap_or_default(),
            value(compared, compared.value.median),
            format!("{} to {}", value(compared, compared.value.p10), value(compared, compared.value.p90)),
            compared.cpu.map(number).unwrap_or_default(),
            compared.target.as_ref().map(target).unwrap_or_default(),
            status,
        ]);
    }
    if cells.len() > 1 {
        text.push('\n');
        aligned(text, &cells);
    }
}

/// A lane and its median.
pub(crate) fn side((lane, median): &(String, f64), compared: &Compared) -> String {
    format!("{lane} {}", in_unit(*median, &compared.unit))
}

/// A ratio as it is, anything else in its unit.
pub(crate) fn value(compared: &Compared, value: f64) -> String {
    match compared.how.as_str() {
        "ratio" => format!("{value:.2}"),
        "difference" => format!("{}{}", if value >= 0.0 { "+" } else { "" }, in_unit(value, &compared.unit)),
        _ => in_unit(value, &compared.unit),
    }
}

/// The bound.
pub(crate) fn target(target: &Target) -> String {
    match (target.at_most, target.at_least) {
        (Some(most), _) => format!("≤ {}", number(most)),
        (_, Some(least)) => format!("≥ {}", number(least)),
        _ => String::new(),
    }
}

fn in_unit(value: f64, unit: &str) -> String {
    match unit {
        "ns" => duration(value),
        "" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

/// Nanoseconds, in the unit that suits them.
pub(crate) fn duration(nanoseconds: f64) -> String {
    match nanoseconds.abs() {
        below if below < 1e3 => format!("{nanoseconds:.0} ns"),
        below if below < 1e5 => format!("{:.2} µs", nanoseconds / 1e3),
        below if below < 1e6 => format!("{:.0} µs", nanoseconds / 1e3),
        _ => format!("{:.1} ms", nanoseconds / 1e6),
    }
}

/// With as many digits as say something.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        below if below < 0.005 => "0".to_owned(),
        _ if number.fract().abs() < 1e-9 => format!("{number:.0}"),
        below if below < 10.0 => format!("{number:.2}"),
        below if below < 100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Lines of cells under a head, each column as wide as its widest cell, the first to the left and figures to the right.
/// A column that has only a head is left out.
fn aligned(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let used = lines.iter().skip(1).any(|line| !line[column].is_empty());
        if used { lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0) } else { 0 }
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        text.push_str("  ");
        for (column, (cell, width)) in
            line.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0)
        {
            let space = " ".repeat(width - cell.chars().count());
            let _ =
                if column == 0 { write!(text, "{cell}{space}  ") } else { write!(text, "{space}{cell}  ") };
        }
        let end = text.trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_printed_in_units_that_suit_them() {
        assert_eq!(duration(27.4), "27 ns");
        assert_eq!(duration(2_345.0), "2.35 µs");
        assert_eq!(duration(53_000_000.0), "53.0 ms");
        assert_eq!(number(0.0001), "0");
        assert_eq!(number(41.02), "41.0");
        assert_eq!(number(1.2), "1.20");
    }

    #[test]
    fn columns_without_a_cell_take_no_room() {
        let mut text = String::new();
        let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        aligned(&mut text, &[line(["", "p99", "time"]), line(["lane", "", "7 ns"])]);
        assert_eq!(text, "        time\n  lane  7 ns\n");
    }
}
