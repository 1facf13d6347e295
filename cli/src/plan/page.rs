//! A plan as one HTML page with plots: no script, no font, nothing from a network.

mod plot;

use std::fmt::Write as _;

use self::plot::escape;
pub(crate) use self::plot::{Line, Plot};
use super::{
    by_ttl::{self, whole},
    report::{Report, Size},
};
use crate::screen::{bytes, count, day_and_time, percent, seconds};

/// So many keys are drawn.
const KEYS: usize = 20;
const GIB: u64 = 1 << 30;

/// The page.
pub(super) fn write(report: &Report) -> String {
    let log = &report.log;
    let mut out = begin("What a cache would bring");
    let _ = write!(
        out,
        "<p class=\"soft\">{}; {} to {} UTC: {} requests for {} distinct keys, {} of answers. {}</p>",
        escape(&log.files.join(", ")),
        day_and_time(log.first),
        day_and_time(log.last),
        count(log.requests),
        count(log.distinct_keys),
        bytes(log.bytes),
        if log.is_exact { "Every key was looked at." } else { "Estimated from a sample of the keys." }
    );
    ttls(report, &mut out);
    sizes(report, &mut out);
    over_time(report, &mut out);
    keys(report, &mut out);
    by_hand(report, &mut out);
    what_is_missing(report, &mut out);
    end(&mut out);
    out
}

/// A page up to its heading.
pub(crate) fn begin(title: &str) -> String {
    let title = escape(title);
    let style = include_str!("page/style.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><style>{style}</style>\
        </head><body><main><h1>{title}</h1>"
    )
}

/// Its end.
pub(crate) fn end(out: &mut String) {
    out.push_str("</main></body></html>\n");
}

fn ttls(report: &Report, out: &mut String) {
    let line = |name: &str, figure: fn(&super::report::Ttl) -> f64| Line {
        name: name.to_owned(),
        points: report.ttls.iter().map(|ttl| (ttl.ttl_seconds, figure(ttl))).collect(),
    };
    section(
        out,
        "By TTL",
        "With room for everything: how much of the requests, and of their bytes, would be answered from the cache.",
    );
    let plot = Plot {
        about: "Hit ratio by TTL".to_owned(),
        lines: vec![line("requests", |ttl| ttl.hit_ratio), line("bytes", |ttl| ttl.byte_hit_ratio)],
        is_log: true,
        ticks: report.ttls.iter().map(|ttl| (ttl.ttl_seconds, seconds(ttl.ttl_seconds))).collect(),
        top: 1.0,
        figure: whole_percent,
    };
    figure(out, &plot);
    table(out, &by_ttl::HEADS, by_ttl::rows(report));
}

fn sizes(report: &Report, out: &mut String) {
    section(
        out,
        "By size",
        "Without a TTL, where what was used least recently leaves first: by bytes of values.",
    );
    let curve = &report.curves.bytes;
    let line = |name: &str, figure: fn(&Size) -> f64| Line {
        name: name.to_owned(),
        points: curve.iter().map(|point| (approximately(point.size), figure(point))).collect(),
    };
    let plot = Plot {
        about: "Hit ratio by bytes of values".to_owned(),
        lines: vec![line("requests", |size| size.hit_ratio), line("bytes", |size| size.byte_hit_ratio)],
        is_log: true,
        ticks: size_ticks(curve, bytes),
        top: 1.0,
        figure: whole_percent,
    };
    figure(out, &plot);
    let entries = Plot {
        about: "Hit ratio by number of entries".to_owned(),
        lines: vec![Line {
            name: "requests".to_owned(),
            points: report
                .curves
                .entries
                .iter()
                .map(|point| (approximately(point.size), point.hit_ratio))
                .collect(),
        }],
        is_log: true,
        ticks: size_ticks(&report.curves.entries, count),
        top: 1.0,
        figure: whole_percent,
    };
    section(out, "By number of entries", "The same, by how many there are.");
    figure(out, &entries);
    out.push_str("<p>Larder's own store in memory does not drop what was used least recently, but what is asked for least: with little room it answers more.</p>");
    let rows = report
        .lru_entries
        .iter()
        .map(|size| vec![count(size.size), percent(size.hit_ratio), report.in_memory(size.size)]);
    table(out, &["entries", "hits", "hits in memory"], rows);
    section(
        out,
        "What the next GiB buys",
        "How much more of the requests would be answered with 1 GiB more.",
    );
    let rows = report.lru_bytes.iter().map(|size| {
        let more = ratio_at(curve, size.size.saturating_add(GIB));
        vec![
            bytes(size.size),
            percent(size.hit_ratio),
            percent(size.byte_hit_ratio),
            percent((more - size.hit_ratio).max(0.0)),
        ]
    });
    table(out, &["size", "hits", "of bytes", "hits more with 1 GiB more"], rows);
}

fn over_time(report: &Report, out: &mut String) {
    section(out, "Over time", "How much would have been answered from the cache, by TTL.");
    let time = |begin: i64| approximately(u64::try_from(begin - report.log.first).unwrap_or_default());
    let lines = report.ttls.iter().enumerate().map(|(number, ttl)| Line {
        name: seconds(ttl.ttl_seconds),
        points: report
            .over_time
            .iter()
            .filter_map(|moment| Some((time(moment.begin), (*moment.hit_ratios.get(number)?)?)))
            .collect(),
    });
    let ticks = || {
        let every = report.over_time.len().div_ceil(5).max(1);
        report
            .over_time
            .iter()
            .step_by(every)
            .map(|moment| (time(moment.begin), day_and_time(moment.begin)[..16].to_owned()))
            .collect()
    };
    let plot = Plot {
        about: "Hit ratio over time, by TTL".to_owned(),
        lines: lines.collect(),
        is_log: false,
        ticks: ticks(),
        top: 1.0,
        figure: whole_percent,
    };
    figure(out, &plot);
    let most = report.over_time.iter().map(|moment| moment.requests).fold(0.0, f64::max);
    let plot = Plot {
        about: "Requests over time".to_owned(),
        lines: vec![Line {
            name: "requests".to_owned(),
            points: report.over_time.iter().map(|moment| (time(moment.begin), moment.requests)).collect(),
        }],
        is_log: false,
        ticks: ticks(),
        top: most,
        figure: |figure| count(whole(figure)),
    };
    figure(out, &plot);
}

fn keys(report: &Report, out: &mut String) {
    section(out, "Traffic by key", "What is asked for most.");
    let most = report.keys.first().map_or(1, |key| key.requests.max(1));
    out.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>requests</th><th>share</th><th></th><th>last size</th>\
        <th class=\"text\">key</th></tr></thead><tbody>",
    );
    for key in report.keys.iter().take(KEYS) {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"bar\"><span style=\"width:{:.1}%\"></span></td><td>{}</td><td class=\"text\">{}</td></tr>",
            count(key.requests.into()),
            percent(f64::from(key.requests) / approximately(report.log.requests.max(1))),
            f64::from(key.requests) / f64::from(most) * 100.0,
            bytes(key.bytes.into()),
            escape(&key.key)
        );
    }
    out.push_str("</tbody></table></div>");
}

fn by_hand(report: &Report, out: &mut String) {
    section(
        out,
        "The sums by hand",
        "Duplicates in each window of the clock, and the bytes of the distinct answers in the fullest one. A window of the clock \
         cuts lives in two, so both are too low: compare them with the TTL of the same length above.",
    );
    let rows = report.chef.iter().map(|chef| {
        vec![seconds(chef.window_seconds), percent(chef.duplicate_ratio), bytes(whole(chef.distinct_bytes))]
    });
    table(out, &["window", "duplicates", "distinct bytes"], rows);
}

fn what_is_missing(report: &Report, out: &mut String) {
    let log = &report.log;
    section(out, "What the figures rest on", "");
    let _ = write!(
        out,
        "<p>{} lines: {} requests, {} writes, {} others, {} headings, {} that could not be read.</p><ul>",
        count(log.lines),
        count(log.requests),
        count(log.writes),
        count(log.others),
        count(log.headings),
        count(log.lost)
    );
    for note in &report.notes {
        let _ = write!(out, "<li>{}</li>", escape(note));
    }
    for bad in &report.bad {
        let _ = write!(out, "<li>{} {}<ul>", count(bad.count), escape(bad.text));
        for example in &bad.examples {
            let _ = write!(out, "<li><code>{}</code></li>", escape(example));
        }
        out.push_str("</ul></li>");
    }
    out.push_str("</ul>");
}

pub(crate) fn section(out: &mut String, head: &str, about: &str) {
    let _ = write!(out, "<h2>{}</h2><p>{}</p>", escape(head), escape(about));
}

pub(crate) fn figure(out: &mut String, plot: &Plot) {
    let _ = write!(out, "<figure>{}</figure>", plot.svg());
}

pub(crate) fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<div class=\"scroll\"><table><thead><tr>");
    heads.iter().for_each(|head| _ = write!(out, "<th>{}</th>", escape(head)));
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| _ = write!(out, "<td>{}</td>", escape(cell)));
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

/// Sizes at powers of ten, no more than six.
fn size_ticks(curve: &[Size], text: fn(u64) -> String) -> Vec<(f64, String)> {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return Vec::new() };
    let powers: Vec<u64> = std::iter::successors(Some(1_u64), |power| power.checked_mul(10))
        .filter(|power| (first.size..=last.size).contains(power))
        .collect();
    let every = powers.len().div_ceil(6).max(1);
    powers.iter().step_by(every).map(|power| (approximately(*power), text(*power))).collect()
}

/// The hit ratio of a size: that of the largest one below it that is known.
fn ratio_at(curve: &[Size], size: u64) -> f64 {
    curve.iter().rev().find(|point| point.size <= size).map_or(0.0, |point| point.hit_ratio)
}

fn whole_percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

#[allow(clippy::cast_precision_loss, reason = "a place in a plot")]
fn approximately(figure: u64) -> f64 {
    figure as f64
}
