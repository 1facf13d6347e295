//! Connections to an upstream: to one address after the other, passing over those that cannot be reached or are not well.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::{places::Places, tls::Tls, traffic::Known};
use crate::{configuration::Address, stream::Stream};

/// A connection to an upstream.
pub(super) type Connection = Stream<TlsStream<TcpStream>>;

/// Makes connections. Where to is decided here, whatever the URI says.
#[derive(Debug, Clone)]
pub(super) struct Connector(pub(super) Arc<Dialling>);

#[derive(Debug)]
pub(super) struct Dialling {
    places: Arc<Places>,
    tls: Option<Tls>,
    next: AtomicUsize,
    patience: Duration,
}

impl Connector {
    pub(super) fn new(places: Arc<Places>, tls: Option<Tls>, patience: Duration) -> Self {
        Self(Arc::new(Dialling { places, tls, next: AtomicUsize::new(0), patience }))
    }

    /// Does not keep what it connects with.
    pub(super) fn downgrade(&self) -> Weak<Dialling> {
        Arc::downgrade(&self.0)
    }

    /// A connection to this address.
    pub(super) async fn dial(&self, address: &Address) -> io::Result<Connection> {
        self.0.dial(address).await
    }
}

impl Dialling {
    /// All addresses that are well, beginning with another one each time; and then those that are not, since whoever says so may be
    /// wrong.
    async fn connect(&self) -> io::Result<Connection> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut why = io::Error::new(io::ErrorKind::NotFound, "no address is configured");
        for address in self.places.in_turn(first) {
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
    async fn dial(&self, address: &Address) -> io::Result<Connection> {
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
    type Response = TokioIo<Known<Connection>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialling = Arc::clone(&self.0);
        Box::pin(async move { dialling.connect().await.map(Known::new).map(TokioIo::new) })
    }
}
