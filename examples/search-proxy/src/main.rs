//! A real search server, `larder-proxy` in front of it, a question asked twice, and the address of the page that shows what the cache
//! was worth.

mod client;
mod server;

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use larder_proxy::{Configuration, Proxy, admin, listener};
use tokio::net::TcpListener;

use crate::{client::Client, server::Server};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How many documents are indexed, in requests of how many.
const DOCUMENTS: usize = 20_000;
const BATCH: usize = 2_000;
const WORDS: &[&str] =
    &["anchor", "basil", "copper", "drift", "ember", "fjord", "garnet", "harbour", "iris", "juniper"];
const QUESTION: &str = r#"{
  "query": {"match": {"text": "basil copper ember garnet iris"}},
  "aggs": {"kinds": {"terms": {"field": "kind"}}},
  "size": 3
}"#;

/// A real search server with a caching proxy in front of it.
///
/// Without options it fetches osmem-server (a pinned package of PyPI, into the build directory), fills it, asks it something twice
/// through the proxy, and stays until Ctrl-C.
#[derive(Debug, Parser)]
#[command(version, about, long_about)]
struct Arguments {
    /// The address for clients; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9280")]
    listen: SocketAddr,

    /// The address of the page; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9281")]
    admin: SocketAddr,

    /// A program that is an osmem-server, instead of the one of PyPI
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,

    /// Ends after the questions
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("search-proxy: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    let server = Server::start(arguments.server).await?;
    println!("a search server is listening on http://{}/", server.address);

    // The whole configuration: what `larder-proxy --upstream http://…` does.
    let upstream = format!("http://{}", server.address);
    let load = move || {
        Configuration::load(None, |builder| {
            builder
                .set("upstreams.default.addresses", [upstream.as_str()])
                .set("routes.default.upstream", "default")
                .set("routes.default.mode", "search-elasticsearch")
        })
    };
    let (larder, configuration) = load()?;
    let proxy = Proxy::new(&larder, &configuration)?;
    let clients = TcpListener::bind(arguments.listen).await?;
    let operators = TcpListener::bind(arguments.admin).await?;
    let (address, page) = (clients.local_addr()?, operators.local_addr()?);
    let reloaded = proxy.clone();
    tokio::spawn(admin::serve(operators, proxy.clone(), move || {
        let (larder, configuration) = load().map_err(|why| why.to_string())?;
        reloaded.reload(&larder, &configuration).map_err(|why| why.to_string())
    }));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(listener::serve(clients, proxy, async move {
        let _ = ended.await;
    }));
    println!("larder-proxy is listening on http://{address}/");

    questions(&Client::new(address)).await?;
    println!("\nwhat the cache was worth: http://{page}/");
    if !arguments.once {
        println!("ask more, such as: curl -s -D - http://{address}/shop/_search?q=text:basil -o /dev/null");
        println!("Ctrl-C ends all of it");
        tokio::signal::ctrl_c().await?;
    }
    drop(end);
    serving.await?;
    server.stop().await;
    Ok(())
}

async fn questions(client: &Client) -> Result<(), Failed> {
    let mapping = r#"{"mappings": {"properties": {"text": {"type": "text"}, "kind": {"type": "keyword"}}}}"#;
    client.ask("PUT", "/shop", mapping).await?.expect(200)?;
    print!("indexing {DOCUMENTS} documents through it ");
    for batch in 0..DOCUMENTS / BATCH {
        let body: String = (batch * BATCH..(batch + 1) * BATCH).map(document).collect();
        client.ask("POST", "/shop/_bulk", &body).await?.expect(200)?;
        print!(".");
        std::io::stdout().flush()?;
    }
    client.ask("POST", "/shop/_refresh", "").await?.expect(200)?;
    println!(" done\n");
    // What was written just now may not be seen yet, and what is asked meanwhile is not kept for long.
    tokio::time::sleep(Duration::from_millis(1600)).await;

    println!("{QUESTION}\n");
    for what in ["asked once", "asked again"] {
        let answer = client.ask("POST", "/shop/_search", QUESTION).await?.expect(200)?;
        println!("{what:<12} {:>8.2} ms  {}", answer.took.as_secs_f64() * 1e3, answer.cache);
    }
    client
        .ask("PUT", "/shop/_doc/new?refresh=true", r#"{"text": "basil", "kind": "new"}"#)
        .await?
        .expect(201)?;
    let answer = client.ask("POST", "/shop/_search", QUESTION).await?.expect(200)?;
    println!("{:<12} {:>8.2} ms  {}", "after a write", answer.took.as_secs_f64() * 1e3, answer.cache);
    Ok(())
}

/// One document and the action line before it.
fn document(number: usize) -> String {
    let word = |step: usize| WORDS[(number / step + number * step) % WORDS.len()];
    let text: Vec<&str> = [1, 3, 7, 11, 17].map(word).into();
    let kind = number % 7;
    format!(
        "{{\"index\":{{\"_id\":\"{number}\"}}}}\n{{\"text\":\"{}\",\"kind\":\"kind {kind}\"}}\n",
        text.join(" ")
    )
}
