//! The comparison as a table, and what it comes to.

use std::{fmt, time::Duration};

use super::{Row, memory::Growth, millis, samples::Samples};
use crate::configuration::StoreInUse;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) popular: &'a Row,
    pub(crate) store: &'a StoreInUse,
    pub(crate) runs: u32,
    pub(crate) growth: Option<Growth>,
}

/// What one of the ways takes for all rows together, by the medians.
fn total(rows: &[Row], way: impl Fn(&Row) -> &Samples) -> Duration {
    rows.iter().map(|row| way(row).median()).sum()
}

/// What a cache comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Worth {
    /// A hit is no quicker than doing the work.
    Never,
    /// It pays from this share of hits on, from 0 to 1.
    From(f64),
}

/// What a cache comes to when these are the times without it, for a miss, and for a hit.
///
/// With a hit rate h, a request takes h · hit + (1 - h) · miss; that is less than without a cache when
/// h > (miss - without) / (miss - hit).
pub(crate) fn worth(without: Duration, miss: Duration, hit: Duration) -> Worth {
    let [without, miss, hit] = [without, miss, hit].map(|time| time.as_secs_f64());
    if hit >= without {
        return Worth::Never;
    }
    // A miss measured as quicker than no cache is noise.
    Worth::From((miss - without).max(0.0) / (miss.max(without) - hit))
}

impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.pad("never"),
            Self::From(rate) => f.pad(&format!("{:.0} % hits", rate * 100.0)),
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, popular, store, runs, .. } = self;
        writeln!(f)?;
        writeln!(
            f,
            "{} searches, {runs} runs each, answers kept in the store \"{}\" ({})",
            rows.len(),
            store.store,
            store.backend
        )?;
        writeln!(f, "milliseconds: median (99th percentile)")?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<26}{:>7}{:>8}{:>17}{:>17}{:>17}{:>17}{:>14}",
            "search", "found", "ids", "without cache", "and gzip", "miss", "hit", "pays from"
        )?;
        for row in rows.iter().chain([*popular]) {
            row_line(f, row)?;
        }
        writeln!(f)?;
        self.verdict(f)
    }
}

fn row_line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let found = row.found.map_or_else(String::new, |found| found.to_string());
    let ids = row.found.map_or_else(String::new, |_| format!("{:.2}", millis(row.ids.median())));
    let name: String = row.name.chars().take(25).collect();
    write!(f, "{name:<26}{found:>7}{ids:>8}")?;
    for samples in [&row.without, &row.compressed, &row.miss, &row.hit] {
        let cell = format!("{:.2} ({:.2})", millis(samples.median()), millis(samples.p99()));
        write!(f, "{cell:>17}")?;
    }
    writeln!(f, "{:>14}", worth(row.without.median(), row.miss.median(), row.hit.median()))
}

impl Report<'_> {
    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows;
        let failed: usize = rows.iter().chain([self.popular]).map(|row| row.failed).sum();
        if failed > 0 {
            let reads: u32 = 2 * self.runs * u32::try_from(rows.len()).unwrap_or(u32::MAX);
            writeln!(
                f,
                "The store failed: {failed} of {reads} answers were not kept or not found again. What it is worth cannot be said."
            )?;
            return Ok(());
        }
        let mean =
            |way: fn(&Row) -> &Samples| total(rows, way) / u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let (without, compressed) = (mean(|row| &row.without), mean(|row| &row.compressed));
        let (ids, miss, hit) = (mean(|row| &row.ids), mean(|row| &row.miss), mean(|row| &row.hit));
        match worth(without, miss, hit) {
            Worth::Never => writeln!(
                f,
                "It is not worth it: a hit takes {:.2} ms and doing the work takes {:.2} ms.",
                millis(hit),
                millis(without)
            )?,
            Worth::From(rate) => {
                let times = without.as_secs_f64() / hit.as_secs_f64();
                writeln!(
                    f,
                    "A hit takes {:.2} ms where doing the work takes {:.2} ms: {times:.1} times as fast ({:.2} ms, if clients get gzip).",
                    millis(hit),
                    millis(without),
                    millis(compressed)
                )?;
                writeln!(
                    f,
                    "A miss takes {:.2} ms, so the cache pays when more than {:.0} % of the searches are hits.",
                    millis(miss),
                    rate * 100.0
                )?;
            }
        }
        writeln!(f, "{:.2} ms of each is the query for the ids, which always runs.", millis(ids))?;

        let count = rows.len();
        let (plain, stored) = (
            rows.iter().map(|row| row.plain).sum::<usize>() / count,
            rows.iter().map(|row| row.stored).sum::<usize>() / count,
        );
        writeln!(f, "An answer has {} as JSON and {} in the cache.", kibibytes(plain), kibibytes(stored))?;
        if let Some(Growth { entries, bytes }) = self.growth {
            writeln!(
                f,
                "{entries} more of them made this process {:.1} MiB larger: {} each.",
                mebibytes(bytes),
                kibibytes(bytes / entries)
            )?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn kibibytes(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_begins_to_pay() {
        let millis = Duration::from_millis;
        // Half of the requests hits: 1/2 · 2 + 1/2 · 6 = 4, which is what it takes without.
        assert_eq!(worth(millis(4), millis(6), millis(2)), Worth::From(0.5));
        assert_eq!(worth(millis(4), millis(4), millis(2)), Worth::From(0.0));
        assert_eq!(worth(millis(4), millis(3), millis(2)), Worth::From(0.0));
        assert_eq!(worth(millis(4), millis(6), millis(4)), Worth::Never);
        assert_eq!(worth(millis(4), millis(6), millis(5)), Worth::Never);
    }
}
