//! The outcome as JUnit XML, which CI systems read.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use super::{Outcome, Row};

/// The rows as JUnit XML: a suite for each store, a case for each row, failures with all that the case said.
pub fn junit(rows: &[Row]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, rows);
    text
}

fn write(text: &mut String, rows: &[Row]) -> fmt::Result {
    let mut stores: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        stores.entry(&row.store).or_default().push(row);
    }
    writeln!(text, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(text, "<testsuites{}>", counts(&rows.iter().collect::<Vec<_>>()))?;
    for (store, rows) in stores {
        writeln!(text, r#"  <testsuite name="{}"{}>"#, escape(store), counts(&rows))?;
        for row in rows {
            write!(
                text,
                r#"    <testcase classname="{}.{}" name="{}" time="{:.3}""#,
                escape(store),
                escape(&row.family),
                escape(&row.behaviour),
                row.took.as_secs_f64()
            )?;
            match &row.outcome {
                Outcome::Passed => writeln!(text, "/>")?,
                Outcome::Ignored(reason) => {
                    writeln!(text, "><skipped message=\"{}\"/></testcase>", escape(reason))?;
                }
                Outcome::Failed => {
                    let first = row.told.lines().next().unwrap_or_default();
                    let told = escape(&row.told);
                    writeln!(
                        text,
                        "><failure message=\"{}\">{told}</failure></testcase>",
                        escape(first.trim_start_matches("promise:").trim())
                    )?;
                }
            }
        }
        writeln!(text, "  </testsuite>")?;
    }
    writeln!(text, "</testsuites>")
}

fn counts(rows: &[&Row]) -> String {
    let failures = rows.iter().filter(|row| row.outcome == Outcome::Failed).count();
    let skipped = rows.iter().filter(|row| matches!(row.outcome, Outcome::Ignored(_))).count();
    let time: Duration = rows.iter().map(|row| row.took).sum();
    let (tests, seconds) = (rows.len(), time.as_secs_f64());
    format!(r#" tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" time="{seconds:.3}""#)
}

/// What XML means by a few characters, and a mark in the place of those that XML 1.0 has no way to write.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn stores_are_suites_and_failures_say_all() {
        let rows = [
            row("one", "a", Outcome::Passed, ""),
            row("one", "b", Outcome::Failed, "promise:  <Kept>.\nseen: \"\u{1}&\""),
            row("two", "a", Outcome::Ignored("needs \"peers\"".into()), ""),
        ];
        assert_eq!(
            junit(&rows),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" skipped="1" time="3.702">
  <testsuite name="one" tests="2" failures="1" errors="0" skipped="0" time="2.468">
    <testcase classname="one.ttl" name="a" time="1.234"/>
    <testcase classname="one.ttl" name="b" time="1.234"><failure message="&lt;Kept&gt;.">promise:  &lt;Kept&gt;.
seen: &quot;"#
                .to_owned()
                + "\u{fffd}"
                + r#"&amp;&quot;</failure></testcase>
  </testsuite>
  <testsuite name="two" tests="1" failures="0" errors="0" skipped="1" time="1.234">
    <testcase classname="two.ttl" name="a" time="1.234"><skipped message="needs &quot;peers&quot;"/></testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
