//! What a plan says of each TTL, in words: the same on a terminal and on the page.

use super::report::Report;
use crate::screen::{bytes, count, percent, seconds};

/// What is in the columns.
pub(super) const HEADS: [&str; 10] = [
    "TTL",
    "hits",
    "of bytes",
    "saved requests",
    "saved time",
    "entries",
    "values",
    "in memory",
    "in Redis",
    "in Memcached",
];

/// A row for each TTL.
pub(super) fn rows(report: &Report) -> impl Iterator<Item = Vec<String>> {
    report.ttls.iter().map(|ttl| {
        vec![
            seconds(ttl.ttl_seconds),
            percent(ttl.hit_ratio),
            percent(ttl.byte_hit_ratio),
            count(whole(ttl.requests_saved)),
            ttl.upstream_seconds_saved.map_or_else(|| "unknown".to_owned(), seconds),
            count(whole(ttl.peak.entries)),
            bytes(whole(ttl.peak.bytes)),
            bytes(whole(ttl.peak.memory)),
            bytes(whole(ttl.peak.redis)),
            bytes(whole(ttl.peak.memcached)),
        ]
    })
}

/// A figure of a sample, as a count.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people, never negative"
)]
pub(super) fn whole(figure: f64) -> u64 {
    figure.round() as u64
}
