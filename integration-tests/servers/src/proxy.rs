//! A proxy in front of a server, which knows where a reply ends and does to replies what networks, machines and broken
//! programs do.

mod door;
mod fault;
mod frames;
mod link;
mod writer;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use self::door::Door;
pub use self::fault::{Fault, Protocol};
use self::link::Link;
use crate::error::or_panic;
use crate::{Error, port};

/// How long a connection to the server may take; it is on this machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A proxy on a loopback port of its own, in front of one server. Dropping it closes the port and every connection.
///
/// It starts without a [`Fault`]. One that is [`set`](Self::set) concerns connections that are open and those that are
/// opened later, until [`heal`](Self::heal).
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    door: Mutex<Door>,
}

/// What the proxy and its connections share.
struct Shared {
    protocol: Protocol,
    server: SocketAddr,
    fault: Mutex<Fault>,
    changed: Condvar,
    links: Mutex<Vec<Weak<Link>>>,
    accepted: AtomicU64,
}

impl Proxy {
    /// Starts a proxy in front of the server on this loopback port.
    #[track_caller]
    pub fn start(protocol: Protocol, port: u16) -> Self {
        or_panic(Self::try_start(protocol, port))
    }

    /// Starts a proxy in front of the server on this loopback port, or says why it cannot.
    pub fn try_start(protocol: Protocol, server: u16) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            protocol,
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, server)),
            fault: Mutex::new(Fault::None),
            changed: Condvar::new(),
            links: Mutex::default(),
            accepted: AtomicU64::new(0),
        });
        let (port, door) = port::with_free(|port| Ok((port, Door::open(port, &shared)?)))?;
        Ok(Self { port, shared, door: Mutex::new(door) })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections of clients were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Lets this happen from now on.
    #[track_caller]
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
        self.shared.changed.notify_all();
        let mut door = lock(&self.door);
        match fault {
            Fault::BlackHole => {
                door.shut();
                *door = or_panic(Door::blocked(self.port));
            }
            Fault::NeverAnswered | Fault::Reset => self.reset(),
            Fault::HalfClosed => self.shared.links().iter().for_each(|link| link.half_close()),
            _ => {}
        }
    }

    /// Ends the fault. Connections that have lost bytes by it are reset: nothing could be right on them any more.
    #[track_caller]
    pub fn heal(&self) {
        let before = std::mem::replace(&mut *lock(&self.shared.fault), Fault::None);
        if matches!(before, Fault::BlackHole) {
            let mut door = lock(&self.door);
            door.shut();
            *door = or_panic(Door::open(self.port, &self.shared));
        }
        self.shared.changed.notify_all();
        self.shared.links().iter().filter(|link| link.is_spoilt()).for_each(|link| link.reset());
    }

    /// Closes every connection in order, as a server that ends does.
    pub fn close(&self) {
        self.shared.links().iter().for_each(|link| link.close());
    }

    /// Resets every connection, as a machine that has restarted does.
    pub fn reset(&self) {
        self.shared.links().iter().for_each(|link| link.reset());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.door).shut();
        // Threads that wait for the end of a black hole continue, and end.
        *lock(&self.shared.fault) = Fault::None;
        self.shared.changed.notify_all();
        self.close();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .field("server", &self.shared.server)
            .field("fault", &*lock(&self.shared.fault))
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *lock(&self.fault)
    }

    /// What happens now, once that is not a black hole any more.
    fn fault_after_black_hole(&self) -> Fault {
        let guard = lock(&self.fault);
        let waited = self.changed.wait_while(guard, |fault| matches!(fault, Fault::BlackHole));
        *waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a client that has connected, in threads that end with the connection.
    fn serve(self: &Arc<Self>, client: TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(self);
        thread::spawn(move || {
            // Where the server is down the client is hung up on.
            if let Ok(server) = TcpStream::connect_timeout(&shared.server, CONNECT_LIMIT)
                && let Ok(link) = Link::new(number, client, server)
            {
                let link = Arc::new(link);
                let mut links = lock(&shared.links);
                links.retain(|link| link.strong_count() > 0);
                links.push(Arc::downgrade(&link));
                drop(links);
                link::run(&link, &shared);
            }
        });
    }

    fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.links).iter().filter_map(Weak::upgrade).collect()
    }
}

/// None of the locks here guards anything that a panic could leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
