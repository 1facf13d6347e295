//! The program: reads its configuration, listens, and ends in good order.

mod arguments;
mod signals;

use std::{io::IsTerminal as _, net::SocketAddr, process::ExitCode, sync::Arc};

use clap::Parser as _;
use larder_proxy::{Configuration, Loaded, Proxy, admin, listener};
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
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("larder-proxy: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    let (larder, configuration) = load(&arguments)?;
    if arguments.check {
        Proxy::new(&larder, &configuration)?;
        println!("{}", larder.explain());
        return Ok(());
    }
    let proxy = Proxy::new(&larder, &configuration)?;
    drop(larder);
    let reloaded = proxy.clone();
    let reload = Arc::new(move || {
        let done = load(&arguments)
            .map_err(Failed::from)
            .and_then(|(larder, configuration)| reloaded.reload(&larder, &configuration));
        match &done {
            Ok(()) => tracing::info!("the configuration was read again, and holds"),
            Err(why) => tracing::error!(%why, "the configuration was not accepted; the old one still holds"),
        }
        done.map_err(|why| why.to_string())
    });
    signals::reload_on_hangup(reload.clone());
    let clients = listen(configuration.listen(), "proxy.listen").await?;
    if let Some(address) = configuration.admin() {
        let listener = listen(address, "proxy.admin").await?;
        eprintln!("for operators: http://{}/", listener.local_addr()?);
        let reload = Arc::clone(&reload);
        tokio::spawn(admin::serve(listener, proxy.clone(), move || reload()));
    }
    let scheme = if configuration.has_tls() { "https" } else { "http" };
    eprintln!("listening on {scheme}://{}/", clients.local_addr()?);
    listener::serve(clients, proxy.clone(), signals::end()).await;
    proxy.close().await;
    Ok(())
}

fn load(arguments: &Arguments) -> larder::Result<Loaded> {
    Configuration::load(arguments.config.as_deref(), |builder| arguments.over(builder))
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
