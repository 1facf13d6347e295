//! A plan as tables for a terminal.

use std::fmt::Write as _;

use super::{
    by_ttl::{self, whole},
    report::Report,
};
use crate::screen::{bytes, count, day_and_time, percent, seconds, table};

/// So many keys are shown.
const KEYS: usize = 10;

/// The whole plan.
pub(crate) fn show(report: &Report) -> String {
    let mut out = String::new();
    let log = &report.log;
    let sampled = if log.is_exact { "every key looked at" } else { "a sample of the keys looked at" };
    let _ = writeln!(
        out,
        "{} lines: {} requests, {} writes, {} others, {} headings, {} that could not be read\n\
         {} to {} UTC, {} distinct keys, {} of answers, {sampled}\n",
        count(log.lines),
        count(log.requests),
        count(log.writes),
        count(log.others),
        count(log.headings),
        count(log.lost),
        day_and_time(log.first),
        day_and_time(log.last),
        count(log.distinct_keys),
        bytes(log.bytes)
    );
    let _ = writeln!(
        out,
        "By TTL, with room for everything; the most at once:\n{}",
        table(&by_ttl::HEADS, by_ttl::rows(report))
    );

    let rows = report.lru_entries.iter().map(|size| {
        vec![
            count(size.size),
            percent(size.hit_ratio),
            percent(size.byte_hit_ratio),
            report.in_memory(size.size),
        ]
    });
    let _ = writeln!(
        out,
        "By number of entries, without a TTL, least recently used dropped first; and as Larder's store in memory drops:\n{}",
        table(&["entries", "hits", "of bytes", "hits in memory"], rows)
    );
    let rows = report
        .lru_bytes
        .iter()
        .map(|size| vec![bytes(size.size), percent(size.hit_ratio), percent(size.byte_hit_ratio)]);
    let _ = writeln!(out, "By bytes of values, the same:\n{}", table(&["size", "hits", "of bytes"], rows));

    let rows = report.chef.iter().map(|chef| {
        vec![seconds(chef.window_seconds), percent(chef.duplicate_ratio), bytes(whole(chef.distinct_bytes))]
    });
    let _ = writeln!(
        out,
        "By hand (duplicates in each window of the clock, distinct bytes in the fullest): fewer hits and less memory than there \
         would be:\n{}",
        table(&["window", "duplicates", "distinct bytes"], rows)
    );
    let rows = report.keys.iter().take(KEYS).map(|key| {
        vec![count(key.requests.into()), bytes(key.bytes.into()), crate::screen::printable(&key.key, 90)]
    });
    let _ = writeln!(out, "Asked for most:\n{}", table(&["requests", "last size", "key"], rows));
    for note in &report.notes {
        let _ = writeln!(out, "Note: {note}");
    }
    for bad in &report.bad {
        let _ = writeln!(out, "{} {}", count(bad.count), bad.text);
        for example in &bad.examples {
            let _ = writeln!(out, "    {example}");
        }
    }
    out
}
