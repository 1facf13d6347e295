//! `larder stats`: what a running program counts, from its metrics in Prometheus' text format: those of `larder-proxy`, or of any
//! program that hands Larder's metrics to an exporter.

mod metrics;
mod scrape;

use std::fmt::Write as _;
use std::{
    io::IsTerminal as _,
    thread::sleep,
    time::{Duration, Instant},
};

use clap::Args;
use larder::settings::Span;
use serde_json::json;

use self::metrics::{Metric, hit_ratios, read};
use crate::{
    exit::{Failure, Outcome},
    look::key::pretty,
    screen::{count, percent, printable, say, table},
};

/// Clears a terminal and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// What may be said to `larder stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Where the program's metrics are: http://127.0.0.1:9281/metrics
    #[arg(value_name = "URL")]
    url: String,
    /// Asks again and again, and shows what has changed.
    #[arg(long)]
    watch: bool,
    /// How long to wait in between.
    #[arg(long, value_name = "SPAN", default_value = "2s")]
    every: Span,
    /// Ends after so many screens.
    #[arg(long, value_name = "NUMBER")]
    screens: Option<u32>,
}

/// Shows what is counted.
pub(crate) fn run(arguments: &Stats, json: bool) -> Result<Outcome, Failure> {
    let mut before: Option<(Instant, Vec<Metric>)> = None;
    let mut screens = arguments.screens.unwrap_or(if arguments.watch { u32::MAX } else { 1 });
    loop {
        let now = (Instant::now(), read(&scrape::get(&arguments.url)?));
        if now.1.is_empty() {
            return Err(Failure::new(format!(
                "{}: there are no metrics whose names begin with \"larder\"; give the address of larder-proxy's --admin with /metrics, or \
                 of a program that hands larder::Metrics to an exporter",
                arguments.url
            )));
        }
        let screen = if json { as_json(&now.1) } else { as_table(&now, before.as_ref()) };
        let clear = if arguments.watch && !json && std::io::stdout().is_terminal() { CLEAR } else { "" };
        say(&format!("{clear}{screen}"));
        screens = screens.saturating_sub(1);
        if screens == 0 {
            return Ok(Outcome::Done);
        }
        before = Some(now);
        sleep(arguments.every.get().max(Duration::from_millis(100)));
    }
}

fn as_json(metrics: &[Metric]) -> String {
    let all: Vec<_> = metrics
        .iter()
        .map(|metric| json!({ "name": metric.name, "labels": metric.labels, "value": metric.value }))
        .collect();
    let ratios: Vec<_> =
        hit_ratios(metrics).into_iter().map(|(of, ratio)| json!({ "of": of, "hit_ratio": ratio })).collect();
    pretty(&json!({ "hit_ratios": ratios, "metrics": all }))
}

fn as_table((at, metrics): &(Instant, Vec<Metric>), before: Option<&(Instant, Vec<Metric>)>) -> String {
    let mut out = String::new();
    for (of, ratio) in hit_ratios(metrics) {
        _ = writeln!(out, "hits of {}: {}", printable(&of, 60), percent(ratio));
    }
    let rows = metrics.iter().map(|metric| {
        let labels: Vec<String> =
            metric.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            shown(metric.value),
            rate(metric, *at, before).unwrap_or_default(),
            printable(&format!("{} {}", metric.name, labels.join(" ")), 100),
        ]
    });
    out.push_str(&table(&["in sum", "a second", "what"], rows));
    out.trim_end().to_owned()
}

/// How much was added since the screen before, for what only grows.
fn rate(metric: &Metric, at: Instant, before: Option<&(Instant, Vec<Metric>)>) -> Option<String> {
    let (then, metrics) = before?;
    let old = metrics.iter().find(|old| old.name == metric.name && old.labels == metric.labels)?;
    let seconds = at.duration_since(*then).as_secs_f64();
    (metric.is_counter && seconds > 0.0).then(|| shown((metric.value - old.value).max(0.0) / seconds))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure for people")]
fn shown(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        count(value as u64)
    } else {
        format!("{value:.3}")
    }
}
