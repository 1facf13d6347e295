//! The row `proxy`: hits of caching HTTP proxies in front of one origin, by the same clients, with the same bodies.
//!
//! Each is set up by its manual for what is asked here: nginx with its cache on files that the kernel keeps in memory, Varnish with
//! its cache in memory. Neither has searches (`POST`) in a key of its own: both are given the method and the whole body as a part of
//! it, which is right as long as nothing is written.

mod client;
mod origin;
mod programs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::client::{Client, Request};
use self::origin::Origin;
use self::programs::Program;
use super::redis::lanes::Lanes;
use super::redis::{counted, throughput};
use crate::harness::values::zipf;
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef, Sample};

/// Different requests.
const REQUESTS: u32 = 1_000;
const PICKS: usize = 1 << 14;
/// Connections at once.
const CONNECTIONS: [usize; 2] = [8, 64];
/// Callers of one cold key.
const CALLERS: usize = 1_000;

const OURS: &str = "larder-proxy";
const NGINX: &str = "nginx";
const VARNISH: &str = "varnish";

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    vec![RowDef {
        name: "proxy",
        about: "hits of caching HTTP proxies in front of one origin on this machine: a GET of 1 KiB, and a search of 2 KiB by POST \
                with an answer of 4 KiB, 1000 of each, by 8 and 64 connections on 2 workers",
        run,
    }]
}

fn run(bench: &mut Bench) -> Outcome {
    let origin = bench.block_on(Origin::start())?;
    let mut proxies = Vec::new();
    for (name, start) in [
        (OURS, programs::larder as fn(u16) -> Outcome<Program>),
        (NGINX, programs::nginx),
        (VARNISH, programs::varnish),
    ] {
        match start(origin.port()) {
            Ok(program) => proxies.push((name, program)),
            Err(why) => bench.left_out(name, &why.to_string()),
        }
    }
    for (what, request) in [("GET", client::get as fn(u32) -> Request), ("search", client::search)] {
        let requests: Arc<[Request]> = (0..REQUESTS).map(request).collect();
        for (_, program) in &proxies {
            bench.block_on(fill(&Client::of(program.port()), &requests)).map_err(|why| why.to_string())?;
        }
        for connections in CONNECTIONS {
            let before = origin.asked();
            hits(bench, what, connections, &requests, &proxies)?;
            let passed = origin.asked() - before;
            if passed > u64::from(REQUESTS) {
                return Err(
                    format!("{passed} requests of {what} reached the origin: they were no hits").into()
                );
            }
        }
    }
    cold(bench, &origin, &proxies)
}

/// Every request, twice: some caches store nothing the first time.
async fn fill(client: &Client, requests: &Arc<[Request]>) -> super::redis::lanes::Done {
    for _ in 0..2 {
        for request in requests.iter() {
            client.ask(request).await?;
        }
    }
    Ok(())
}

fn hits(
    bench: &mut Bench,
    what: &str,
    connections: usize,
    requests: &Arc<[Request]>,
    proxies: &[(&str, Program)],
) -> Outcome {
    let Some((_, first)) = proxies.first() else { return Err("no proxy could be started".into()) };
    let picks = zipf(REQUESTS, PICKS, 11);
    let mut lanes = Lanes::new(bench, connections, first.server(), &picks);
    for (name, program) in proxies {
        let (client, requests) = (Arc::new(Client::of(program.port())), Arc::clone(requests));
        let ask = move |pick: u32| {
            let (client, requests) = (Arc::clone(&client), Arc::clone(&requests));
            async move { client.ask(&requests[pick as usize]).await }
        };
        lanes.of(program.server());
        if *name == OURS { lanes.add_ours(name, ask) } else { lanes.add(name, ask) }
    }
    let mut compared = Vec::new();
    for theirs in [NGINX, VARNISH] {
        compared.push(throughput(format!("{what}.{theirs}.{connections}"), OURS, theirs));
        for (measure, suffix) in [(Measure::P99, "p99"), (Measure::ServerCpu, "server-cpu")] {
            let name = format!("{what}.{theirs}-{suffix}.{connections}");
            compared.push(Comparison::ratio(name, OURS, theirs).measure(measure).unit("µs", 1000.0));
        }
    }
    lanes.measure(bench, &format!("{what}, {}", counted(connections)), compared)
}

/// Callers of one key that nobody has asked for; the figure is how often the origin was asked.
fn cold(bench: &mut Bench, origin: &Origin, proxies: &[(&str, Program)]) -> Outcome {
    let handle = bench.handle().clone();
    let mut number = 0;
    let lanes = proxies.iter().map(|(name, program)| {
        let (handle, client) = (handle.clone(), Arc::new(Client::of(program.port())));
        number += 1_000_000;
        let mut key = number;
        let turn = move |operations| {
            let before = origin.asked();
            let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
            let mut sample = Sample::of(operations, Some(program.server()), || {
                for _ in 0..operations {
                    key += 1;
                    slowest = slowest.max(handle.block_on(all(&client, key)));
                }
            });
            debug_assert!(slowest <= begun.elapsed());
            #[allow(clippy::cast_precision_loss, reason = "few")]
            let asked = (origin.asked() - before) as f64 / operations.max(1) as f64;
            sample.figure = Some(asked);
            sample
        };
        let lane = Lane::new(*name, turn).fixed(1);
        if *name == OURS { lane.ours() } else { lane }
    });
    let lanes = lanes.collect();
    let compared = vec![
        Comparison::alone("cold.requests", OURS).measure(Measure::Figure),
        Comparison::alone("cold.requests.nginx", NGINX).measure(Measure::Figure),
        Comparison::alone("cold.requests.varnish", VARNISH).measure(Measure::Figure),
    ];
    bench.group("1000 callers of a cold key", lanes, compared)
}

/// All callers of one key; how long the last of them waited.
async fn all(client: &Arc<Client>, key: u32) -> Duration {
    let begun = Instant::now();
    let request = Arc::new(client::slow(key));
    let callers = (0..CALLERS).map(|_| {
        let (client, request) = (Arc::clone(client), Arc::clone(&request));
        tokio::spawn(async move { client.ask(&request).await.is_ok() })
    });
    for caller in callers.collect::<Vec<_>>() {
        // A caller that got an error would make a proxy look fast.
        crate::harness::values::expect(caller.await.unwrap_or(false));
    }
    begun.elapsed()
}
