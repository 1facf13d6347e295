//! Clients: connections, limits on what they may send and how slowly, and an end in good order.

mod guard;
mod scanner;

use std::{sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{configuration::ProxySection, counters::Counters, service::Proxy};

pub use guard::{Guard, Patience};

/// What clients may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many may be connected.
    pub connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How many header fields it may have.
    pub headers: usize,
    /// How large it may be, in bytes.
    pub header_bytes: usize,
    /// How long a client may take for its first line, and for reading something of an answer.
    pub patience: Patience,
    /// How long requests may still take in the end.
    pub shutdown: Duration,
}

impl Limits {
    /// What is configured.
    pub fn of(section: &ProxySection) -> Self {
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

/// Serves until `end` says that it is enough, and then for as long as requests may still take.
pub async fn serve(listener: TcpListener, proxy: Proxy, limits: Limits, end: impl Future<Output = ()>) {
    let server = Arc::new(server(&limits));
    let permits = Arc::new(Semaphore::new(limits.connections));
    let counters = Arc::clone(proxy.counters());
    let graceful = GracefulShutdown::new();
    tokio::pin!(end);
    loop {
        // Who cannot be served yet is not accepted: the system keeps a queue.
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let service = TowerToHyperService::new(proxy.clone());
        let connection =
            server.serve_connection(TokioIo::new(Guard::new(stream, limits.patience)), service).into_owned();
        let connection = graceful.watch(connection);
        let open = Open::new(&counters);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection of a client ended");
            }
            drop((permit, open));
        });
    }
    drop(listener);
    if timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that took too long were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Without it, small answers wait for acknowledgements.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
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
