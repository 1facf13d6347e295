//! What is counted, and how it is written for Prometheus.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store.
    Hit,
    /// Answered from the store, stale.
    Stale,
    /// Answered from the store after the upstream confirmed it.
    Revalidated,
    /// Answered with what another request has brought.
    Joined,
    /// Answered by the upstream.
    Miss,
    /// Not for the cache.
    Pass,
    /// Answered with an error of the proxy's own.
    Failed,
}

impl Outcome {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        OUTCOMES.iter().map(|(outcome, _)| *outcome)
    }

    /// Its name in metrics, logs and explanations.
    pub(crate) fn name(self) -> &'static str {
        OUTCOMES.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, name)| name)
    }
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Hit, "hit"),
    (Outcome::Stale, "stale"),
    (Outcome::Revalidated, "revalidated"),
    (Outcome::Joined, "joined"),
    (Outcome::Miss, "miss"),
    (Outcome::Pass, "pass"),
    (Outcome::Failed, "failed"),
];

/// Counts since the program began.
#[derive(Debug, Default)]
pub struct Counters {
    outcomes: [AtomicU64; OUTCOMES.len()],
    /// Requests to upstreams.
    pub upstream: Count,
    /// Of them, those without an answer.
    pub upstream_failures: Count,
    /// Lookups, writes and invalidations that a store has failed at.
    pub store_failures: Count,
    /// Connections of clients that are open.
    pub connections: Count,
    /// Lines of logs that were dropped, since they came faster than they could be written.
    pub lines_dropped: Count,
    /// How often an upstream was asked for sequence numbers.
    pub polls: Count,
    /// Of them, those without any; and times at which the store failed.
    pub poll_failures: Count,
    /// How often indices had other sequence numbers than before, or nobody knew.
    pub poll_changes: Count,
    /// Indices whose invalidation a store has failed at, and that are not cached until it is made up for.
    pub invalidations_owed: Count,
}

/// One number.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A part of it was so many, and is now so many.
    pub(crate) fn moved(&self, before: u64, after: u64) {
        if after >= before {
            self.0.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// One less.
    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// One more request with this outcome.
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(count) = self.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests had this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// All of them in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let outcomes = OUTCOMES.map(|(outcome, name)| (format!("{{outcome=\"{name}\"}}"), self.of(outcome)));
        let help = "Requests of clients, by what became of them.";
        family(&mut text, "larder_proxy_requests_total", "counter", help, &outcomes);
        for (name, kind, help, count) in [
            ("larder_proxy_upstream_requests_total", "counter", "Requests to upstreams.", &self.upstream),
            (
                "larder_proxy_upstream_failures_total",
                "counter",
                "Requests to upstreams that got no answer.",
                &self.upstream_failures,
            ),
            (
                "larder_proxy_store_failures_total",
                "counter",
                "Operations that a store failed at.",
                &self.store_failures,
            ),
            ("larder_proxy_connections", "gauge", "Connections of clients that are open.", &self.connections),
            (
                "larder_proxy_log_lines_dropped_total",
                "counter",
                "Lines of logs that could not be written fast enough, or at all.",
                &self.lines_dropped,
            ),
            (
                "larder_proxy_polls_total",
                "counter",
                "Requests to upstreams for the sequence numbers of indices.",
                &self.polls,
            ),
            (
                "larder_proxy_poll_failures_total",
                "counter",
                "Times at which sequence numbers could not be had, or not be kept.",
                &self.poll_failures,
            ),
            (
                "larder_proxy_poll_changes_total",
                "counter",
                "Times at which indices had other sequence numbers than before, or nobody knew those.",
                &self.poll_changes,
            ),
            (
                "larder_proxy_invalidations_owed",
                "gauge",
                "Generations that could not be ended, and that are not cached until they are.",
                &self.invalidations_owed,
            ),
        ] {
            family(&mut text, name, kind, help, &[(String::new(), count.get())]);
        }
        text
    }
}

/// Adds a family of metrics: its lines are labels and values.
pub(crate) fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    lines: &[(String, impl std::fmt::Display)],
) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in lines {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_place() {
        let counters = Counters::default();
        for (place, (outcome, name)) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
            counters.count(outcome);
            assert!(
                counters.text().contains(&format!("larder_proxy_requests_total{{outcome=\"{name}\"}} 1\n"))
            );
        }
    }
}
