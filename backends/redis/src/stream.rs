//! Opening a stream of bytes to the server: looking up its name, connecting, TLS.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use larder_core::{Error, ErrorKind, Result, error::Operation};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{address::Address, config::Settings};

/// When nothing has been heard for so long, the kernel asks whether the other side is still there. Firewalls
/// and load balancers forget idle connections after some minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// What a connection runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens streams to one server.
pub(crate) struct Opener {
    settings: Arc<Settings>,
    /// A lookup that outlived the attempt it was for. The system's resolver cannot be interrupted: without
    /// this, each attempt while it hangs would leave another thread in it.
    lookup: Option<JoinHandle<std::io::Result<Vec<SocketAddr>>>>,
}

impl Opener {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, lookup: None }
    }

    /// Opens a stream until `deadline`, trying each address of the name.
    pub(crate) async fn open(&mut self, deadline: Instant) -> Result<Box<dyn Io>> {
        let settings = Arc::clone(&self.settings);
        match &settings.address {
            Address::Unix(path) => open_unix(path, deadline).await,
            Address::Tcp { host, port, .. } => {
                let addresses = self.look_up(host, *port, deadline).await?;
                let tcp = open_tcp(&addresses, deadline).await?;
                #[cfg(feature = "tls")]
                if let Some(connector) = &settings.tls {
                    return secure(connector, host, tcp, deadline).await;
                }
                Ok(Box::new(tcp))
            }
        }
    }

    async fn look_up(&mut self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let lookup = self.lookup.get_or_insert_with(|| {
            let host = host.to_owned();
            tokio::spawn(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        });
        let found = timeout_at(deadline, &mut *lookup)
            .await
            .map_err(|_| unavailable(format!("looking up \"{host}\" takes longer than `connect_timeout`")))?;
        self.lookup = None;
        let addresses = found
            .map_err(std::io::Error::other)
            .and_then(|found| found)
            .map_err(|why| unavailable(format!("the name \"{host}\" is not known")).with_source(why))?;
        if addresses.is_empty() {
            return Err(unavailable(format!("the name \"{host}\" has no address")));
        }
        Ok(addresses)
    }
}

/// Connects to the first address that answers. Each gets its share of the time, so that one that swallows
/// everything does not hide the next.
async fn open_tcp(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream> {
    let mut last = unavailable("there is no address to connect to");
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => match prepare(&stream) {
                Ok(()) => return Ok(stream),
                Err(why) => last = unavailable(format!("{address} hung up")).with_source(why),
            },
            Ok(Err(why)) => {
                last = unavailable(format!("{address} does not take connections")).with_source(why);
            }
            Err(_) => last = unavailable(format!("{address} does not answer within `connect_timeout`")),
        }
    }
    Err(last)
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    // redis-rs gathers what is to be sent by itself; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(feature = "tls")]
async fn secure(
    connector: &tokio_rustls::TlsConnector,
    host: &str,
    tcp: TcpStream,
    deadline: Instant,
) -> Result<Box<dyn Io>> {
    let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned())
        .map_err(|why| unavailable(format!("\"{host}\" is no name for TLS")).with_source(why))?;
    let stream = timeout_at(deadline, connector.connect(name, tcp))
        .await
        .map_err(|_| unavailable("TLS takes longer than `connect_timeout`; does the server speak it?"))?
        .map_err(|why| {
            // rustls wraps what it thinks of the other side's certificate as invalid data.
            if why.kind() == std::io::ErrorKind::InvalidData {
                Error::new(ErrorKind::Auth, Operation::Connect, "TLS failed").with_source(why)
            } else {
                unavailable("the server hung up during TLS; does it speak it?").with_source(why)
            }
        })?;
    Ok(Box::new(stream))
}

#[cfg(unix)]
async fn open_unix(path: &Path, deadline: Instant) -> Result<Box<dyn Io>> {
    let stream = timeout_at(deadline, tokio::net::UnixStream::connect(path))
        .await
        .map_err(|_| unavailable("the socket does not answer within `connect_timeout`"))?
        .map_err(|why| unavailable(format!("{} takes no connections", path.display())).with_source(why))?;
    Ok(Box::new(stream))
}

#[cfg(not(unix))]
async fn open_unix(_: &Path, _: Instant) -> Result<Box<dyn Io>> {
    Err(Error::new(ErrorKind::Unsupported, Operation::Connect, "this system has no unix sockets"))
}

pub(crate) fn unavailable(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Connect, why)
}
