//! What a plan says, as data: `--json` writes it, the table and the page show it.

use serde::Serialize;

use super::{
    log::{Complaints, Read},
    sim::{Load, Questions, Simulation},
};

/// So many keys are listed.
const KEYS: usize = 50;

/// Everything that a plan says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) log: Log,
    pub(crate) ttls: Vec<Ttl>,
    pub(crate) lru_entries: Vec<Size>,
    pub(crate) lru_bytes: Vec<Size>,
    /// The same as `lru_entries` with the policy of our store in memory, where that could be told.
    pub(crate) memory_entries: Vec<Policy>,
    /// The two sums that Chef's engineers did by hand.
    pub(crate) chef: Vec<Chef>,
    pub(crate) over_time: Vec<Moment>,
    pub(crate) keys: Vec<Key>,
    pub(crate) bad: Vec<Bad>,
    /// What the figures cannot know.
    pub(crate) notes: Vec<String>,
    /// The whole curves, for plots.
    pub(crate) curves: Curves,
}

/// The log itself. `lines` is the sum of `headings`, `requests`, `writes`, `others` and `lost`.
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    pub(crate) files: Vec<String>,
    pub(crate) lines: u64,
    /// Lines that name columns, comments, empty lines.
    pub(crate) headings: u64,
    pub(crate) requests: u64,
    pub(crate) writes: u64,
    /// `OPTIONS` and the like.
    pub(crate) others: u64,
    /// Lines that could not be read.
    pub(crate) lost: u64,
    /// Reads whose body, which is a part of their key, is not in the log.
    pub(crate) without_body: u64,
    pub(crate) distinct_keys: u64,
    pub(crate) bytes: u64,
    /// Seconds that all requests took upstream, if the log says so.
    pub(crate) upstream_seconds: Option<f64>,
    /// Milliseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Whether every key was looked at.
    pub(crate) is_exact: bool,
    /// The share of keys that were looked at in the end.
    pub(crate) sample_rate: f64,
}

/// What one TTL would have brought.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "as they are called outside")]
pub(crate) struct Ttl {
    pub(crate) ttl_seconds: f64,
    pub(crate) hit_ratio: f64,
    pub(crate) byte_hit_ratio: f64,
    /// Requests that would not have reached the upstream.
    pub(crate) requests_saved: f64,
    /// Seconds that they took upstream.
    pub(crate) upstream_seconds_saved: Option<f64>,
    /// The most at once: entries, bytes of values, and what they take in each store.
    pub(crate) peak: Load,
}

/// What a size would have brought, without a TTL.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(clippy::struct_field_names, reason = "as they are called outside")]
pub(crate) struct Size {
    pub(crate) size: u64,
    pub(crate) hit_ratio: f64,
    pub(crate) byte_hit_ratio: f64,
}

/// What our store in memory of this size would have answered.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Policy {
    pub(crate) size: u64,
    pub(crate) hit_ratio: f64,
}

/// Chef's sums for one window.
#[derive(Debug, Serialize)]
pub(crate) struct Chef {
    pub(crate) window_seconds: f64,
    /// Duplicates among all requests: a bound of the hit ratio from below.
    pub(crate) duplicate_ratio: f64,
    /// The most bytes of distinct answers: too little memory.
    pub(crate) distinct_bytes: f64,
}

/// What happened in a step of time.
#[derive(Debug, Serialize)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) begin: i64,
    pub(crate) requests: f64,
    /// For each TTL; `null` where nothing was asked.
    pub(crate) hit_ratios: Vec<Option<f64>>,
}

/// A key that is asked for often.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "as they are called outside")]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) requests: u32,
    pub(crate) bytes: u32,
}

/// What is wrong with some lines.
#[derive(Debug, Serialize)]
pub(crate) struct Bad {
    pub(crate) reason: super::log::Bad,
    pub(crate) text: &'static str,
    pub(crate) count: u64,
    pub(crate) examples: Vec<String>,
}

/// Hit ratios by size, at more sizes than were asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Curves {
    pub(crate) entries: Vec<Size>,
    pub(crate) bytes: Vec<Size>,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
impl Report {
    /// The hit ratio of our store in memory with room for so many entries, as people read it.
    pub(crate) fn in_memory(&self, size: u64) -> String {
        let found = self.memory_entries.iter().find(|policy| policy.size == size);
        found.map_or_else(|| "unknown".to_owned(), |policy| crate::screen::percent(policy.hit_ratio))
    }

    /// Puts together what was found.
    pub(crate) fn new(
        files: Vec<String>,
        read: &Read,
        odd: Complaints,
        sim: &Simulation,
        asked: &Questions,
    ) -> Self {
        let totals = &sim.totals;
        let mut bad = Complaints::default();
        bad.extend(odd);
        let lost = read.complaints.lost();
        let requests = totals.requests.max(1) as f64;
        let bytes = totals.bytes.max(1) as f64;
        let has_times = totals.timed > 0;
        let (of_requests, of_bytes, of_micros) = sim.factors;
        let size = |(size, hits, hit_bytes): (u64, f64, f64)| Size {
            size,
            hit_ratio: (hits / requests).min(1.0),
            byte_hit_ratio: (hit_bytes / bytes).min(1.0),
        };
        let entries: Vec<Size> = sim.objects.points().map(size).collect();
        let by_bytes: Vec<Size> = sim.bytes.points().map(size).collect();
        let asked_for = |curve: &[Size], sizes: &[u64]| -> Vec<Size> {
            curve.iter().filter(|point| sizes.contains(&point.size)).copied().collect()
        };
        Self {
            log: Log {
                files,
                lines: read.lines,
                headings: read.headings,
                requests: totals.requests,
                writes: totals.writes,
                others: totals.others,
                lost,
                without_body: totals.bodies,
                distinct_keys: sim.distinct().round() as u64,
                bytes: totals.bytes,
                upstream_seconds: has_times.then_some(totals.micros as f64 / 1e6),
                first: totals.first,
                last: totals.last,
                is_exact: sim.rate() >= 1.0,
                sample_rate: sim.rate(),
            },
            ttls: sim
                .lives
                .iter()
                .map(|life| Ttl {
                    ttl_seconds: f64::from(life.ttl) / 1e3,
                    hit_ratio: life.hits.requests.whole(of_requests) / requests,
                    byte_hit_ratio: life.hits.bytes.whole(of_bytes) / bytes,
                    requests_saved: life.hits.requests.whole(of_requests),
                    upstream_seconds_saved: has_times.then_some(life.hits.micros.whole(of_micros) / 1e6),
                    peak: life.peak,
                })
                .collect(),
            lru_entries: asked_for(&entries, &asked.objects),
            lru_bytes: asked_for(&by_bytes, &asked.bytes),
            memory_entries: Vec::new(),
            chef: sim
                .windows
                .iter()
                .map(|window| Chef {
                    window_seconds: window.length as f64 / 1e3,
                    duplicate_ratio: window.duplicates.whole(of_requests) / requests,
                    distinct_bytes: window.most_bytes,
                })
                .collect(),
            over_time: sim
                .series
                .iter()
                .map(|(begin, step)| Moment {
                    begin,
                    requests: step.requests,
                    hit_ratios: step
                        .hits
                        .iter()
                        .map(|hits| (step.looked_at > 0.0).then(|| hits / step.looked_at))
                        .collect(),
                })
                .collect(),
            keys: sim
                .popular(KEYS)
                .into_iter()
                .map(|popular| Key { key: popular.name, requests: popular.count, bytes: popular.bytes })
                .collect(),
            bad: bad
                .iter()
                .chain(read.complaints.iter())
                .map(|(reason, complaint)| Bad {
                    reason,
                    text: reason.text(),
                    count: complaint.count,
                    examples: complaint.examples.clone(),
                })
                .collect(),
            notes: notes(sim, has_times),
            curves: Curves { entries: flat_end_cut(entries), bytes: flat_end_cut(by_bytes) },
        }
    }
}

/// A curve without its flat end: beyond the first size that answers as much as the largest does, there is nothing to see.
fn flat_end_cut(mut curve: Vec<Size>) -> Vec<Size> {
    let most = curve.last().map_or(0.0, |last| last.hit_ratio);
    if let Some(first) = curve.iter().position(|point| point.hit_ratio >= most) {
        curve.truncate(first + 1);
    }
    curve
}

/// What nginx must write so that the log can tell everything.
const LOG_FORMAT: &str = r#"log_format larder escape=json '{"time":"$time_iso8601","request_method":"$request_method","request_uri":"$request_uri","status":"$status","body_bytes_sent":"$body_bytes_sent","upstream_response_time":"$upstream_response_time","request_body":"$request_body"}';"#;

fn notes(sim: &Simulation, has_times: bool) -> Vec<String> {
    let totals = &sim.totals;
    let mut notes = Vec::new();
    if sim.rate() < 1.0 {
        notes.push(format!(
            "These are estimates: there were more keys or requests than are looked at one by one, so {:.3} % of the keys stand for \
             all (SHARDS), beside those that were most popular. With TTLs in which few keys are asked for, the most memory at once \
             comes out too high. A key that became popular later may be missing among those listed.",
            sim.rate() * 100.0
        ));
    }
    if totals.bodies > 0 {
        notes.push(format!(
            "{} reads have a body (a search by POST) that the log does not tell, so requests with different bodies count as the \
             same: all hit ratios are upper bounds. With this in nginx, and --key '$request_uri$request_body', the log tells it \
             (bodies up to client_body_buffer_size): {LOG_FORMAT}",
            totals.bodies
        ));
    }
    if !has_times && totals.requests > 0 {
        notes.push(format!(
            "The log does not tell how long answers took, so the time saved is unknown. With this in nginx it does: {LOG_FORMAT}"
        ));
    }
    if totals.writes > 0 {
        notes.push(format!(
            "{} writes (PUT, PATCH, DELETE, POST) invalidate what was read from their path. Until it is asked for again, or its TTL \
             ends, it counts as memory.",
            totals.writes
        ));
    }
    if totals.failed > 0 {
        notes.push(format!("{} answers with a status of 500 or more are stored by no cache.", totals.failed));
    }
    notes
}
