//! `/metrics`, `/health` and `/ready`.

use std::fmt::Write as _;

use crate::{counters::family, mode::search::PollHealth, service::Proxy};

/// All metrics in Prometheus' text format.
pub(super) fn text(proxy: &Proxy) -> String {
    let mut text = proxy.counters().text();
    let (upstream, saved) = proxy.statistics().times();
    for (name, help, time) in [
        ("larder_proxy_upstream_seconds_total", "How long upstreams took for requests.", upstream),
        (
            "larder_proxy_upstream_seconds_saved_total",
            "How long upstreams took for the answers that were taken from the store in their place.",
            saved,
        ),
    ] {
        family(&mut text, name, "counter", help, &[(String::new(), time.as_secs_f64())]);
    }
    let running = proxy.running();
    let mut lines = Vec::new();
    for (name, upstream) in &running.upstreams {
        for health in upstream.healths() {
            let labels = format!("{{upstream=\"{}\",address=\"{}\"}}", label(name), label(&health.address));
            lines.push((labels, u8::from(health.is_well)));
        }
    }
    let help = "Whether an address is well, as far as is known; 1 where nobody asks.";
    family(&mut text, "larder_proxy_upstream_healthy", "gauge", help, &lines);
    let polls: Vec<_> = running
        .routes
        .iter()
        .filter_map(|route| {
            Some((format!("{{route=\"{}\"}}", label(&route.name)), route.mode.poll_health()?))
        })
        .collect();
    if !polls.is_empty() {
        let lines: Vec<_> =
            polls.iter().map(|(route, health)| (route.clone(), u8::from(health.is_well))).collect();
        let help = "Whether sequence numbers could be had the last time.";
        family(&mut text, "larder_proxy_poll_healthy", "gauge", help, &lines);
        let age = |(route, health): &(String, PollHealth)| Some((route.clone(), health.age?.as_secs_f64()));
        let lines: Vec<_> = polls.iter().filter_map(age).collect();
        let help = "How long ago sequence numbers were known last.";
        family(&mut text, "larder_proxy_poll_age_seconds", "gauge", help, &lines);
    }
    text
}

/// What a label's value may not hold.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Whether each upstream has an address that is well, and what there is to say of each.
pub(super) fn health(proxy: &Proxy) -> (bool, String) {
    let running = proxy.running();
    let (mut is_ready, mut all_well, mut text) = (true, true, String::new());
    for (name, upstream) in &running.upstreams {
        let healths = upstream.healths();
        let well = healths.iter().filter(|health| health.is_well).count();
        is_ready &= well > 0;
        all_well &= well == healths.len();
        let _ = writeln!(text, "upstream {name}: {well} of {} addresses are well", healths.len());
        for health in healths.iter().filter(|health| !health.is_well) {
            let why = health.why.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  {}: {}", health.address, why.replace(char::is_control, " "));
        }
    }
    (is_ready, format!("{}\n{text}", if all_well { "ok" } else { "degraded" }))
}
