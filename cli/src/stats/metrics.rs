//! Prometheus' text format: the metrics whose names begin with `larder`.

use std::collections::BTreeMap;

/// Names and values.
type Labels = Vec<(String, String)>;

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    /// Its name without `_total`.
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) value: f64,
    /// Whether it only grows.
    pub(super) is_counter: bool,
}

/// Reads what can be read; anything else is somebody else's.
pub(super) fn read(text: &str) -> Vec<Metric> {
    let mut counters = Vec::new();
    let mut metrics = Vec::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let mut words = kind.split_ascii_whitespace();
            if let (Some(name), Some("counter")) = (words.next(), words.next()) {
                counters.push(name);
            }
        } else if line.starts_with("larder")
            && let Some((name, labels, value)) = metric(line)
        {
            let is_counter = name.ends_with("_total") || counters.contains(&name);
            metrics.push(Metric {
                name: name.trim_end_matches("_total").to_owned(),
                labels,
                value,
                is_counter,
            });
        }
    }
    metrics
}

/// `name{label="value",…} number`
fn metric(line: &str) -> Option<(&str, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, after) = inner.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.trim_start_matches(',').trim().to_owned(), value));
            inner = after;
        }
        rest = inner.strip_prefix('}')?;
    }
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name, labels, value))
}

/// A text up to its quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// For each cache, and for a proxy, the share of reads that were answered from the store.
pub(super) fn hit_ratios(metrics: &[Metric]) -> Vec<(String, f64)> {
    // Of each, the hits and all.
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for metric in metrics {
        let label = |name: &str| {
            metric.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
        };
        let (of, is_hit) = match metric.name.as_str() {
            "larder_reads" => {
                (format!("cache {}", label("cache").unwrap_or_default()), label("result") == Some("hit"))
            }
            "larder_proxy_requests" => match label("outcome") {
                Some("hit" | "stale" | "revalidated" | "joined") => ("the proxy".to_owned(), true),
                Some("miss") => ("the proxy".to_owned(), false),
                _ => continue,
            },
            _ => continue,
        };
        let sum = sums.entry(of).or_default();
        sum.0 += if is_hit { metric.value } else { 0.0 };
        sum.1 += metric.value;
    }
    sums.into_iter().filter(|(_, (_, all))| *all > 0.0).map(|(of, (hits, all))| (of, hits / all)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_a_program_and_of_a_proxy() {
        let text = "# TYPE larder_reads counter\nlarder_reads{cache=\"a\\\"b\",result=\"hit\"} 3\n\
                    larder_reads{cache=\"a\\\"b\",result=\"miss\",reason=\"absent\"} 1 1700000000\n\
                    larder_proxy_requests_total{outcome=\"hit\"} 1\nlarder_proxy_requests_total{outcome=\"miss\"} 3\n\
                    larder_proxy_requests_total{outcome=\"pass\"} 9\nlarder_proxy_connections 7\nother 1\n\
                    larder_broken{a=\"b} 1\nlarder_broken\nlarder_broken NaN\nlarder_broken{ 1\n";
        let metrics = read(text);
        assert_eq!(metrics.len(), 6);
        assert_eq!(metrics.iter().filter(|metric| metric.is_counter).count(), 5);
        assert_eq!(hit_ratios(&metrics), [("cache a\"b".to_owned(), 0.75), ("the proxy".to_owned(), 0.25)]);
    }
}
