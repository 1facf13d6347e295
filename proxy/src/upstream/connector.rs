//! Connections to an upstream: to one address after the other, passing over those that cannot be reached.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use super::{stream::Stream, tls::Tls};
use crate::configuration::Address;

/// Makes connections. Where to is decided here, whatever the URI says.
#[derive(Debug, Clone)]
pub(super) struct Connector(Arc<Places>);

#[derive(Debug)]
struct Places {
    addresses: Vec<Address>,
    tls: Option<Tls>,
    next: AtomicUsize,
    patience: Duration,
}

impl Connector {
    pub(super) fn new(addresses: Vec<Address>, tls: Option<Tls>, patience: Duration) -> Self {
        Self(Arc::new(Places { addresses, tls, next: AtomicUsize::new(0), patience }))
    }
}

impl Places {
    /// All addresses, beginning with another one each time.
    async fn connect(&self) -> io::Result<Stream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut why = io::Error::new(io::ErrorKind::NotFound, "no address is configured");
        for turn in 0..self.addresses.len() {
            let place = first.wrapping_add(turn) % self.addresses.len();
            let Some(address) = self.addresses.get(place) else { continue };
            match self.dial(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    tracing::debug!(host = address.host, port = address.port, %error, "not reached");
                    why = error;
                }
            }
        }
        Err(why)
    }

    /// TLS included, in the same time.
    async fn dial(&self, address: &Address) -> io::Result<Stream> {
        let dialling = async {
            let stream = TcpStream::connect((&*address.host, address.port)).await?;
            stream.set_nodelay(true)?;
            Ok(match &self.tls {
                None => Stream::Plain(stream),
                Some(tls) => Stream::Secret(Box::new(tls.secure(&address.host, stream).await?)),
            })
        };
        timeout(self.patience, dialling)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time")))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let places = Arc::clone(&self.0);
        Box::pin(async move { places.connect().await.map(TokioIo::new) })
    }
}
