//! The outcome as one page of HTML that needs nothing beside it: no network, no script.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    time::Duration,
};

use super::{Outcome, Row, junit::escape};
use crate::mutants;

/// The rows as a page: a table of families by stores, every failure with all that its case said, and every case with its
/// promise, the mutant that fails it, and how it ended over each store. Readable in light and dark, and without a network.
pub fn html(rows: &[Row]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, rows);
    text
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Conformance</title>
<style>
:root { --text: #1d2126; --back: #fff; --line: #d5d9de; --soft: #5d6670; --good: #14733b; --bad: #b3261e; --code: #f3f5f7 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7ea; --back: #16191d; --line: #383e45; --soft: #9aa4ae; --good: #62c88b; --bad: #ff8a80; --code: #21262c }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top }
td.count { text-align: right; white-space: nowrap }
.failed { color: var(--bad); font-weight: 600 }
.passed { color: var(--good) }
.ignored, .soft { color: var(--soft) }
pre { background: var(--code); padding: 0.8rem; overflow-x: auto; font-size: 0.85rem }
summary { cursor: pointer }
code { overflow-wrap: anywhere }
</style>
"#;

fn write(text: &mut String, rows: &[Row]) -> fmt::Result {
    let mut stores: Vec<&str> = Vec::new();
    for row in rows {
        if !stores.contains(&row.store.as_str()) {
            stores.push(&row.store);
        }
    }
    let total = Counts::of(rows.iter());
    write!(text, "{HEAD}<h1>Conformance</h1>\n<p>{}</p>\n", total.sentence())?;
    failures(text, rows)?;
    table(text, rows, &stores)?;
    slowest(text, rows)?;
    cases(text, rows, &stores)?;
    writeln!(text, "</html>")
}

fn failures(text: &mut String, rows: &[Row]) -> fmt::Result {
    let failed: Vec<&Row> = rows.iter().filter(|row| row.outcome == Outcome::Failed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    writeln!(text, "<h2>Failures</h2>")?;
    for row in failed {
        let name = escape(&format!("{}::{}::{}", row.store, row.family, row.behaviour));
        writeln!(
            text,
            "<details open><summary class=\"failed\"><code>{name}</code></summary><pre>{}</pre></details>",
            escape(&row.told)
        )?;
    }
    Ok(())
}

fn table(text: &mut String, rows: &[Row], stores: &[&str]) -> fmt::Result {
    let mut cells: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        cells.entry((&row.family, &row.store)).or_default().push(row);
        cells.entry(("all", &row.store)).or_default().push(row);
    }
    let mut families: Vec<&str> =
        rows.iter().map(|row| row.family.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    families.push("all");
    write!(
        text,
        "<h2>By family</h2>\n<p class=\"soft\">Passed / ignored / failed.</p>\n<div class=\"wide\"><table><tr><th>family</th>"
    )?;
    for store in stores {
        write!(text, "<th>{}</th>", escape(store))?;
    }
    writeln!(text, "</tr>")?;
    for family in families {
        write!(text, "<tr><th>{}</th>", escape(family))?;
        for store in stores {
            let counts = cells.get(&(family, *store)).map(|rows| Counts::of(rows.iter().copied()));
            let class = if counts.as_ref().is_some_and(|counts| counts.failed > 0) { " failed" } else { "" };
            let shown = counts.map_or_else(String::new, |counts| {
                format!("{}/{}/{}", counts.passed, counts.ignored, counts.failed)
            });
            write!(text, "<td class=\"count{class}\">{shown}</td>")?;
        }
        writeln!(text, "</tr>")?;
    }
    writeln!(text, "</table></div>")
}

fn slowest(text: &mut String, rows: &[Row]) -> fmt::Result {
    let mut slow: Vec<&Row> = rows.iter().filter(|row| row.took >= Duration::from_secs(1)).collect();
    slow.sort_by_key(|row| std::cmp::Reverse(row.took));
    if slow.is_empty() {
        return Ok(());
    }
    writeln!(text, "<h2>Slowest cases</h2>\n<table>")?;
    for row in slow.iter().take(20) {
        let name = escape(&format!("{}::{}::{}", row.store, row.family, row.behaviour));
        writeln!(
            text,
            "<tr><td class=\"count\">{:.1} s</td><td><code>{name}</code></td></tr>",
            row.took.as_secs_f64()
        )?;
    }
    writeln!(text, "</table>")
}

fn cases(text: &mut String, rows: &[Row], stores: &[&str]) -> fmt::Result {
    let mut ended: BTreeMap<String, BTreeMap<&str, &Outcome>> = BTreeMap::new();
    for row in rows {
        let name = format!("{}::{}", row.family, row.behaviour);
        ended.entry(name).or_default().insert(&row.store, &row.outcome);
    }
    let (failing, without) = (mutants::failing(), mutants::without_mutant());
    write!(
        text,
        "<h2>Every case</h2>\n<p class=\"soft\">What is promised, and a store that is wrong in one way which fails the \
         case: a case that nothing can fail proves nothing.</p>\n<div class=\"wide\"><table><tr><th>case</th>\
         <th>fails over a store that</th>"
    )?;
    for store in stores {
        write!(text, "<th>{}</th>", escape(store))?;
    }
    writeln!(text, "</tr>")?;
    for case in crate::cases() {
        let name = case.name();
        let Some(ended) = ended.get(&name) else { continue };
        let mutant = match (failing.get(name.as_str()), without.get(name.as_str())) {
            (Some(mutant), _) => (*mutant).to_owned(),
            (None, reason) => format!("(none: {})", reason.copied().unwrap_or("not known yet")),
        };
        write!(
            text,
            "<tr><td><code>{}</code><br>{}</td><td>{}</td>",
            escape(&name),
            escape(case.promise),
            escape(&mutant)
        )?;
        for store in stores {
            let (class, shown) = match ended.get(store) {
                None => ("ignored", ""),
                Some(Outcome::Passed) => ("passed", "passed"),
                Some(Outcome::Failed) => ("failed", "failed"),
                Some(Outcome::Ignored(reason)) => ("ignored", reason.as_str()),
            };
            write!(text, "<td class=\"{class}\">{}</td>", escape(shown))?;
        }
        writeln!(text, "</tr>")?;
    }
    writeln!(text, "</table></div>")
}

#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    ignored: usize,
    failed: usize,
}

impl Counts {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Ignored(_) => counts.ignored += 1,
            }
        }
        counts
    }

    fn sentence(&self) -> String {
        let Self { passed, ignored, failed } = self;
        let class = if *failed > 0 { "failed" } else { "passed" };
        format!("<strong class=\"{class}\">{passed} passed, {failed} failed, {ignored} ignored.</strong>")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn a_page_needs_nothing_beside_it_and_escapes_what_it_shows() {
        let case = crate::cases().into_iter().find(|case| case.family == "ttl").unwrap();
        let rows = [
            row("one", case.behaviour, Outcome::Failed, "seen: <script>alert(1)</script>"),
            row("<two>", case.behaviour, Outcome::Ignored("needs a & b".into()), ""),
        ];
        let page = html(&rows);
        assert!(page.contains("0 passed, 1 failed, 1 ignored."), "{page}");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(page.contains("needs a &amp; b") && page.contains("&lt;two&gt;"), "{page}");
        assert!(page.contains(&escape(case.promise)), "{page}");
        let mutant = mutants::failing()[case.name().as_str()];
        assert!(page.contains(&format!("<td>{}</td>", escape(mutant))), "{page}");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
