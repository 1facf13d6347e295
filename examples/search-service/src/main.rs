//! A search API over source code whose answers are cached: what it takes to put a cache in front of a real search, and
//! whether it is worth it. `README.md` tells the story.

mod arguments;
mod caching;
mod compare;
mod configuration;
mod engine;
mod http;
mod service;
mod shutdown;
mod sources;
mod tally;

use std::{error::Error, io::IsTerminal as _, net::TcpListener, process::ExitCode, sync::Arc, time::Instant};

use clap::Parser as _;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{arguments::Arguments, engine::Engine, http::Shared, service::Service, sources::Sources};

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("search-service: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    // What can be wrong is found before anything that takes time.
    let (larder, setup) = configuration::load(arguments.config.as_deref())?;
    let listener = if arguments.compare { None } else { Some(listen(&arguments)?) };
    let engine = index(&arguments)?;
    let service = Service::new(engine, &larder)?;
    let Some(listener) = listener else {
        return compare::compare(&service, &setup, arguments.runs).await;
    };

    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    eprintln!("answers are kept in the store \"{}\" ({})", setup.search.store, setup.search.backend);
    eprintln!("listening on http://{}/", listener.local_addr()?);
    let routes = http::routes(Shared { service, setup: Arc::new(setup) });
    shutdown::serve(listener, routes).await?;
    if let Err(why) = larder.close().await {
        // A store that is gone cannot be left in good order, and there is nothing more to lose.
        tracing::warn!(%why, "a store was not closed");
    }
    Ok(())
}

fn listen(arguments: &Arguments) -> Result<TcpListener, Failed> {
    TcpListener::bind(arguments.listen)
        .map_err(|why| format!("cannot listen on {}: {why}", arguments.listen).into())
}

/// Indexes the sources, and says what and how long.
fn index(arguments: &Arguments) -> Result<Engine, Failed> {
    let begun = Instant::now();
    let limit = arguments.limit.get();
    let sources = match &arguments.sources {
        Some(folder) => Sources::in_folder(folder, limit)?,
        None => Sources::of_dependencies(limit)?,
    };
    let (files, folders, mebibytes) = (sources.len(), sources.folders, mebibytes(sources.bytes));
    let (left_out, too_long, origin) = (sources.left_out, sources.too_long, sources.origin.clone());
    let engine = Engine::new(sources.documents())?;
    eprintln!(
        "indexed {files} files of {folders} folders in {origin} ({mebibytes:.1} MiB) in {:.1?}",
        begun.elapsed()
    );
    if left_out > 0 {
        eprintln!(
            "left out: the {left_out} largest folders, to stay below {} (see --limit)",
            arguments.limit
        );
    }
    if too_long > 0 {
        eprintln!("left out: {too_long} files of more than {} KiB", engine::MAX_TEXT / 1024);
    }
    Ok(engine)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// `RUST_LOG` says how much: `warn`, or `info,larder_core=debug` to see what stores fail at.
fn log_to_stderr() {
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let filter: Targets = filter.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(stderr.with_filter(filter)).init();
}
