//! The program: reads its configuration, listens, and ends in good order.

mod arguments;
mod shutdown;

use std::{io::IsTerminal as _, net::SocketAddr, process::ExitCode};

use clap::Parser as _;
use larder_proxy::{Configuration, Proxy, admin, listener};
use tokio::net::TcpListener;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::arguments::Arguments;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("larder-proxy: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failed> {
    let (larder, configuration) =
        Configuration::load(arguments.config.as_deref(), |builder| arguments.over(builder))?;
    let proxy = Proxy::new(&larder, &configuration)?;
    if arguments.check {
        println!("{}", larder.explain());
        return Ok(());
    }
    let section = &configuration.proxy;
    let clients = listen(section.listen, "proxy.listen").await?;
    if let Some(address) = section.admin {
        let listener = listen(address, "proxy.admin").await?;
        eprintln!("health and metrics on http://{}/", listener.local_addr()?);
        tokio::spawn(admin::serve(listener, proxy.counters().clone()));
    }
    eprintln!("listening on http://{}/", clients.local_addr()?);
    listener::serve(clients, proxy, listener::Limits::of(section), shutdown::asked_for()).await;
    if let Err(why) = larder.close().await {
        // A store that is gone cannot be left in good order, and there is nothing more to lose.
        tracing::warn!(%why, "a store was not closed");
    }
    Ok(())
}

async fn listen(address: SocketAddr, key: &str) -> Result<TcpListener, Failed> {
    TcpListener::bind(address)
        .await
        .map_err(|why| format!("{key}: cannot listen on {address}: {why}; choose another address").into())
}

/// `RUST_LOG` says how much: `warn`, or `info,larder_proxy=debug`.
fn log_to_stderr() {
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let filter: Targets = filter.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(stderr.with_filter(filter)).init();
}
