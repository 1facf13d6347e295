//! Opening a stream of bytes to a server: looking up its name, connecting, TLS.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    address::Address,
    failure::Failure,
    stream::{Kind, Stream},
};

/// When nothing has been heard for this long, the kernel asks whether the other side is still there. Firewalls and load
/// balancers forget idle connections after some minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Where a stream leads, and through what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where the server listens.
    pub address: Address,
    /// TLS, if it is spoken.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::Tls>,
}

impl Endpoint {
    /// An endpoint in clear text.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The same through TLS, where there is some.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, tls: Option<crate::tls::Tls>) -> Self {
        self.tls = tls;
        self
    }
}

/// Opens streams to one server.
#[derive(Debug, Default)]
pub struct Dialer {
    /// A lookup that outlived the attempt that it was for. The system's resolver cannot be interrupted: without this, each
    /// attempt while it hangs would leave another thread in it.
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Dialer {
    /// Opens a stream until `deadline`, trying each address of the name.
    ///
    /// # Errors
    /// Why none could be opened. Of several addresses, the last one's reason.
    pub async fn open(&mut self, endpoint: &Endpoint, deadline: Instant) -> Result<Stream, Failure> {
        match &endpoint.address {
            Address::Unix(path) => open_unix(path, deadline).await,
            Address::Tcp { host, port } => {
                let addresses = self.look_up(host, *port, deadline).await?;
                let tcp = open_tcp(&addresses, deadline).await?;
                #[cfg(feature = "tls")]
                if let Some(tls) = &endpoint.tls {
                    return tls.secure(host, tcp, deadline).await;
                }
                Ok(Kind::Tcp(tcp).into())
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
        let found = timeout_at(deadline, &mut *lookup).await.map_err(|_| {
            Failure::unavailable(format!("looking up \"{host}\" took longer than `connect_timeout`"))
        })?;
        self.lookup = None;
        let addresses = found
            .map_err(io::Error::other)
            .and_then(|found| found)
            .map_err(|why| Failure::unavailable(format!("the name \"{host}\" is not known: {why}")))?;
        if addresses.is_empty() {
            return Err(Failure::unavailable(format!("the name \"{host}\" has no address")));
        }
        Ok(addresses)
    }
}

/// Connects to the first address that answers. Each gets its share of the time, so that one that swallows everything does
/// not hide the next.
async fn open_tcp(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut last = Failure::unavailable("there is no address to connect to");
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        let opened = if let Ok(opened) = timeout(share, TcpStream::connect(address)).await {
            opened.and_then(|stream| prepare(&stream).map(|()| stream))
        } else {
            last = Failure::unavailable(format!("{address} did not answer within `connect_timeout`"));
            continue;
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(why) => last = Failure::unavailable(format!("cannot connect to {address}: {why}")),
        }
    }
    Err(last)
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // The driver collects what is to be sent; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(unix)]
async fn open_unix(path: &Path, deadline: Instant) -> Result<Stream, Failure> {
    let stream = timeout_at(deadline, tokio::net::UnixStream::connect(path))
        .await
        .map_err(|_| Failure::unavailable("the socket did not answer within `connect_timeout`"))?
        .map_err(|why| Failure::unavailable(format!("cannot connect to {}: {why}", path.display())))?;
    Ok(Kind::Unix(stream).into())
}

#[cfg(not(unix))]
async fn open_unix(_: &Path, _: Instant) -> Result<Stream, Failure> {
    Err(Failure::new(larder_core::ErrorKind::Unsupported, "this system has no unix sockets"))
}
