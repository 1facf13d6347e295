//! Opening a stream of bytes to a server: looking up its name, connecting, TLS.

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{address::Address, error::Failure, server::Server};

/// When nothing has been heard for so long, the kernel asks whether the other side is still there. Firewalls
/// and load balancers forget idle connections after some minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// What a connection runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream to a server, of whichever kind.
pub(crate) type Stream = Box<dyn Io>;

/// Opens streams to one server.
#[derive(Debug)]
pub(crate) struct Opener {
    /// A lookup that outlived the attempt it was for. The system's resolver cannot be interrupted: without
    /// this, each attempt while it hangs would leave another thread in it.
    lookup: Option<JoinHandle<std::io::Result<Vec<SocketAddr>>>>,
}

impl Opener {
    pub(crate) fn new() -> Self {
        Self { lookup: None }
    }

    /// Opens a stream until `deadline`, trying each address of the name.
    pub(crate) async fn open(&mut self, server: &Server, deadline: Instant) -> Result<Stream, Failure> {
        match &server.address {
            Address::Unix(path) => open_unix(path, deadline).await,
            Address::Tcp { host, port, .. } => {
                let addresses = self.look_up(host, *port, deadline).await?;
                let tcp = open_tcp(&addresses, deadline).await?;
                #[cfg(feature = "tls")]
                if server.address.is_tls()
                    && let Some(tls) = &server.settings.tls
                {
                    return tls.secure(host, tcp, deadline).await;
                }
                Ok(Box::new(tcp))
            }
        }
    }

    async fn look_up(
        &mut self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let lookup = self.lookup.get_or_insert_with(|| {
            let host = host.to_owned();
            tokio::spawn(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        });
        let found = timeout_at(deadline, &mut *lookup)
            .await
            .map_err(|_| Failure::unavailable("looking up the name takes longer than `connect_timeout`"))?;
        self.lookup = None;
        let addresses = found
            .map_err(std::io::Error::other)
            .and_then(|found| found)
            .map_err(|why| Failure::unavailable(format!("the name is not known: {why}")))?;
        if addresses.is_empty() {
            return Err(Failure::unavailable("the name has no address"));
        }
        Ok(addresses)
    }
}

/// Connects to the first address that answers. Each gets its share of the time, so that one that swallows
/// everything does not hide the next.
async fn open_tcp(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut last = Failure::unavailable("there is no address to connect to");
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        let opened = if let Ok(opened) = timeout(share, TcpStream::connect(address)).await {
            opened.and_then(|stream| prepare(&stream).map(|()| stream))
        } else {
            last = Failure::unavailable(format!("{address} does not answer within `connect_timeout`"));
            continue;
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(why) => last = Failure::unavailable(format!("cannot connect to {address}: {why}")),
        }
    }
    Err(last)
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    // The driver gathers what is to be sent by itself; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(unix)]
async fn open_unix(path: &Path, deadline: Instant) -> Result<Stream, Failure> {
    let stream = timeout_at(deadline, tokio::net::UnixStream::connect(path))
        .await
        .map_err(|_| Failure::unavailable("the socket does not answer within `connect_timeout`"))?
        .map_err(|why| Failure::unavailable(format!("cannot connect: {why}")))?;
    Ok(Box::new(stream))
}

#[cfg(not(unix))]
async fn open_unix(_: &Path, _: Instant) -> Result<Stream, Failure> {
    Err(Failure::new(larder_core::ErrorKind::Unsupported, "this system has no unix sockets"))
}
