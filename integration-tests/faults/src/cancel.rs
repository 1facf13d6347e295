//! Reads that are dropped at random points, mixed with reads that are not: each answer is checked against its key. A client
//! that gives one caller's reply to another is caught by it.

mod asked;
mod broken;
mod pass;
mod polls;

use std::{env, ops::RangeInclusive, process::ExitCode, sync::Arc};

use larder_core::Backend;
use larder_test_servers::{Fault as Break, Protocol, Proxy};
use loading_trials::random;

use self::{
    asked::Asked,
    broken::Broken,
    pass::{Pass, Sum},
};
use crate::{
    Outcome,
    store::{Client, Store, Wants},
};

/// How often replies are disturbed in a pass, where some are.
const DISTURBANCES: u64 = 50;
/// One reply in this many is disturbed: often enough to meet callers who went away, and seldom enough that a connection,
/// which each of them may end, is open for a while.
const ONE_IN: RangeInclusive<u64> = 160..=4000;

/// What happens to one reply in this many.
type Disturbing = fn(u64) -> Break;

/// Of ten reads, how many are made on undisturbed connections; the others are made through a proxy.
const PASSES: [(&str, u64, Option<Disturbing>); 3] =
    [("undisturbed", 6, None), ("doubled", 2, Some(Break::Doubled)), ("swapped", 2, Some(Break::Swapped))];

/// The program.
pub fn main() -> ExitCode {
    let run = || {
        let asked = Asked::parse(env::args().skip(1).collect())?;
        let runtime = loading_trials::runtime(2)?;
        let end = runtime.block_on(run(&asked));
        // A read that hangs must not keep the program from ending.
        runtime.shutdown_background();
        end
    };
    run().unwrap_or_else(|why: Box<dyn std::error::Error + Send + Sync>| {
        eprintln!("cancel: {why}");
        ExitCode::FAILURE
    })
}

/// Makes all passes. The last line is `N gets, W wrong`.
async fn run(asked: &Asked) -> Outcome<ExitCode> {
    let seed = asked.seed.unwrap_or_else(random::seed);
    println!("seed: {seed}");
    let (mut sum, mut problems) = (Sum::default(), Vec::new());
    for store in &asked.stores {
        for (name, tenths, fault) in PASSES {
            if asked.broken && fault.is_some() {
                continue;
            }
            let gets = asked.gets * if asked.broken { 10 } else { tenths } / 10;
            // Of Redis, reads that wait are asked for together: one reply for many.
            let reads_per_reply = if store.protocol == Protocol::Resp { 16 } else { 1 };
            let one_in = (gets / DISTURBANCES).clamp(*ONE_IN.start(), *ONE_IN.end()) / reads_per_reply;
            let disturbing = fault.map(|fault| fault(one_in));
            let found = try_pass(store, gets, disturbing, asked.broken, seed).await?;
            println!("{:10} {name:12} {found}", store.name);
            problems.extend(
                found
                    .problems(fault.is_some())
                    .into_iter()
                    .map(|why| format!("{}, {name}: {why}", store.name)),
            );
            sum.add(&found);
        }
    }
    problems.iter().for_each(|problem| eprintln!("cancel: {problem}"));
    println!("{} gets, {} wrong", sum.gets, sum.wrong);
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn try_pass(store: &Store, gets: u64, fault: Option<Break>, broken: bool, seed: u64) -> Outcome<Sum> {
    let servers = (store.start)(Wants::default())?;
    let mut proxies = Vec::new();
    let mut ports = Vec::new();
    for server in &servers {
        let mut port = server.port()?;
        if fault.is_some() {
            let proxy = Proxy::try_start(store.protocol, port)?;
            port = proxy.port();
            proxies.push(proxy);
        }
        ports.push(port);
    }
    let client = Client {
        addresses: ports.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
        password_file: None,
    };
    let mut backend: Arc<dyn Backend> = (store.open)(&client)?;
    if broken {
        let address = client.addresses.first().ok_or("there is no address")?;
        backend = Arc::new(Broken::connect(backend, address).await?);
    }
    let pass = Pass::prepare(backend, seed).await?;
    if let Some(fault) = fault {
        proxies.iter().for_each(|proxy| proxy.set(fault));
    }
    let mut sum = pass.run(gets).await?;
    // Each proxy has seen one at least.
    let accepted: u64 = proxies.iter().map(Proxy::accepted).sum();
    sum.reconnected = accepted.saturating_sub(proxies.len() as u64);
    Ok(sum)
}
