//! Clients: connections, limits on what they may send and how slowly, and an end in good order.

mod guard;
mod scanner;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, uri::Scheme};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

use crate::{
    client::Client, configuration::ProxySection, counters::Counters, service::Proxy, stream::Stream,
};
use guard::{Guard, Patience};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What clients may do.
#[derive(Debug, Clone)]
struct Limits {
    /// How many may be connected.
    connections: usize,
    /// How long the head of a request may take.
    header_timeout: Duration,
    /// How many header fields it may have.
    headers: usize,
    /// How large it may be, in bytes.
    header_bytes: usize,
    /// How long a client may take for its first line, and for reading something of an answer.
    patience: Patience,
    /// How long requests may still take in the end.
    shutdown: Duration,
}

impl Limits {
    /// What is configured.
    fn of(section: &ProxySection) -> Self {
        Self {
            connections: section.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            header_timeout: section.header_timeout.get(),
            headers: section.max_headers,
            // Below 8 KiB hyper refuses to work.
            header_bytes: usize::try_from(section.max_header_bytes.get())
                .unwrap_or(usize::MAX)
                .clamp(8192, 1 << 20),
            patience: Patience { opening: section.header_timeout.get(), reading: section.body_timeout.get() },
            shutdown: section.shutdown.get(),
        }
    }
}

/// Serves until `end` says that it is enough, and then for as long as requests may still take. The configuration that holds when a
/// client connects is the one for its connection.
pub async fn serve(listener: TcpListener, proxy: Proxy, end: impl Future<Output = ()>) {
    proxy.watch_health();
    let permits = Limits::of(&proxy.running().configuration.proxy).connections;
    let permits = Arc::new(Semaphore::new(permits));
    let graceful = GracefulShutdown::new();
    tokio::pin!(end);
    loop {
        // Who cannot be served yet is not accepted: the system keeps a queue.
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let open = Open::new(proxy.counters());
        let connection = connection(stream, peer, proxy.clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection of a client ended");
            }
            drop((permit, open));
        });
    }
    drop(listener);
    let patience = Limits::of(&proxy.running().configuration.proxy).shutdown;
    if timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that took too long were cut off");
    }
}

/// One connection, from its handshake to its end.
fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    proxy: Proxy,
    watcher: Watcher,
) -> impl Future<Output = Result<(), Failed>> + Send {
    let running = proxy.running();
    let limits = Limits::of(&running.configuration.proxy);
    let tls = running.tls.clone();
    async move {
        let (stream, scheme) = match tls {
            None => (Stream::Plain(stream), Scheme::HTTP),
            Some(tls) => {
                // Who takes too long for it is as slow as who takes too long for a request.
                let secret = timeout(limits.header_timeout, tls.accept(stream)).await;
                let secret = secret.map_err(|_| "no TLS handshake in time")??;
                (Stream::Secret(Box::new(secret)), Scheme::HTTPS)
            }
        };
        let client = Client { address: Some(peer.ip().to_canonical()), scheme };
        let service = service_fn(move |request: Request<Incoming>| {
            let (proxy, client) = (proxy.clone(), client.clone());
            // Boxed: a connection has room for it even while nobody asks.
            Box::pin(async move { Ok::<_, Infallible>(proxy.answer_to(&client, request).await) })
        });
        let stream: Stream<TlsStream<TcpStream>> = stream;
        let guarded = TokioIo::new(Guard::new(stream, limits.patience));
        let connection = server(&limits).serve_connection(guarded, service).into_owned();
        watcher.watch(connection).await
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Without it, small answers wait for acknowledgements.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(error) => {
            // Such as too many open files: what ends them is time.
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn server(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(128)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}

/// A connection that is counted while it is open.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.connections.up();
        Self(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.down();
    }
}
