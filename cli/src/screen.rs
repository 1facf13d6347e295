//! Figures as people read them, and tables of them.

use std::{fmt::Write as _, io::Write as _};

use anstyle::{AnsiColor, Style};
use larder::settings::Span;

use crate::exit::Failure;

/// What a reader looks for first: the heads of a table.
const STRONG: Style = Style::new().bold();
/// What is wrong.
const WRONG: Style = AnsiColor::Red.on_default().bold();

/// Writes a text and a line end to standard output; in colour on a terminal only, and not with `NO_COLOR`. A reader who has gone
/// away (`larder … | head`) has seen enough.
pub(crate) fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Writes bytes as they are to standard output.
pub(crate) fn write_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(format!("standard output could not be written: {error}")))
}

/// Says on standard error what did not go as it was wished.
pub(crate) fn warn(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{}: {text}", wrong("larder"));
}

/// The text as that of something wrong.
pub(crate) fn wrong(text: &str) -> String {
    format!("{WRONG}{text}{WRONG:#}")
}

/// `1 234 567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

/// `31.3 MB`: in powers of a thousand.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    let mut figure = number as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if figure < 999.5 || unit == "TB" {
            return if unit == "B" { format!("{figure:.0} B") } else { format!("{figure:.1} {unit}") };
        }
        figure /= 1000.0;
    }
    String::new()
}

/// `38.00 %`
pub(crate) fn percent(ratio: f64) -> String {
    format!("{:.2} %", ratio * 100.0)
}

/// `15m`, `2days 3h`; below a minute with a fraction.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 && seconds.fract() != 0.0 {
        return format!("{seconds:.3}s");
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default().as_secs();
    Span(std::time::Duration::from_secs(whole)).to_string()
}

/// `1995-08-01 04:00:00`, of milliseconds since 1970.
pub(crate) fn day_and_time(millis: i64) -> String {
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000) / 1000);
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Text from outside, without what a terminal would obey, cut after so many characters.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let mut shown: String =
        text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A table: the last column is aligned to the left, all others to the right.
pub(crate) fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        std::iter::once(heads.iter().map(|head| (*head).to_owned()).collect()).chain(rows).collect();
    let mut widths = vec![0; heads.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let last = row.len().saturating_sub(1);
        if number == 0 {
            _ = write!(out, "{STRONG}");
        }
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str("  ");
            let is_text =
                at == last && heads.get(at).is_some_and(|head| *head == "key" || head.ends_with("what"));
            if !is_text {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
            out.push_str(cell);
        }
        if number == 0 {
            _ = write!(out, "{STRONG:#}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        assert_eq!([0, 999, 1000, 30_969_000].map(count), ["0", "999", "1 000", "30 969 000"]);
        assert_eq!(
            [0, 999, 1000, 999_950, 31_307_774].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.0 MB", "31.3 MB"]
        );
        assert_eq!([0.25, 10.0, 900.0, 1e5].map(seconds), ["0.250s", "10s", "15m", "1day 3h 46m 40s"]);
        assert_eq!(percent(0.38), "38.00 %");
        assert_eq!(day_and_time(807_249_601_000), "1995-08-01 04:00:01");
        assert_eq!(day_and_time(-1000), "1969-12-31 23:59:59");
        assert_eq!(printable("a\u{1b}[2Jbc", 5), "a\u{fffd}[2J…");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["1".to_owned(), "é".to_owned()], vec!["100".to_owned(), "b".to_owned()]];
        let table = table(&["n", "key"], rows.into_iter());
        assert_eq!(anstream::adapter::strip_str(&table).to_string(), "    n  key\n    1  é\n  100  b\n");
        assert!(table.starts_with('\u{1b}'), "its heads are strong");
    }
}
