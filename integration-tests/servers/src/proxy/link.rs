//! One client's connection, and the one to the server that belongs to it.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::frames::Frames;
use super::writer::{Piece, Writer};
use super::{Fault, Shared};

/// A client that takes nothing for this long is hung up on, so that no thread stays for ever.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// What only a bus asks for.
const TRACKING: &[u8] = b"TRACKING\r\n";
const CHUNK: usize = 64 * 1024;

/// Both connections.
#[derive(Debug)]
pub(super) struct Link {
    /// How many connections came before.
    pub(super) number: u64,
    pub(super) client: TcpStream,
    server: TcpStream,
    /// Something is wrong on it that outlasts the fault.
    spoilt: AtomicBool,
    /// Requests were thrown away, so that replies to later ones would be taken for replies to those.
    deaf: AtomicBool,
    /// The client has asked to be told of changes.
    bus: AtomicBool,
}

impl Link {
    pub(super) fn new(number: u64, client: TcpStream, server: TcpStream) -> io::Result<Self> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(WRITE_LIMIT))?;
        }
        Ok(Self {
            number,
            client,
            server,
            spoilt: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            bus: AtomicBool::new(false),
        })
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Relaxed)
    }

    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_bus(&self) -> bool {
        self.bus.load(Ordering::Relaxed)
    }

    /// Looks whether this asks to be told of changes: the command comes in one piece with what opens the connection, or alone.
    fn look_for_bus(&self, request: &[u8]) {
        if request.windows(TRACKING.len()).any(|window| window == TRACKING) {
            self.bus.store(true, Ordering::Relaxed);
        }
    }

    fn deafen(&self) {
        self.spoil();
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Ends both in order. What fails here has ended already, and so below.
    pub(super) fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// The client's connection ends with a reset, which is sent when the threads have let go of it.
    pub(super) fn reset(&self) {
        let _ = SockRef::from(&self.client).set_linger(Some(Duration::ZERO));
        let _ = self.client.shutdown(Shutdown::Read);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// The client hears that the server will say nothing more.
    pub(super) fn half_close(&self) {
        self.spoil();
        let _ = self.client.shutdown(Shutdown::Write);
    }
}

/// Serves a connection in three threads, this one included, until either side ends it.
pub(super) fn run(link: &Arc<Link>, shared: &Arc<Shared>) {
    match shared.fault() {
        Fault::HalfClosed => link.half_close(),
        Fault::NeverAnswered => link.deafen(),
        _ => {}
    }
    let (pieces, inbox) = mpsc::channel();
    let writer = {
        let (link, shared) = (Arc::clone(link), Arc::clone(shared));
        thread::spawn(move || {
            if Writer::new(&link, &shared).run(&inbox).is_err() {
                link.close();
            }
        })
    };
    let reader = {
        let (link, shared) = (Arc::clone(link), Arc::clone(shared));
        thread::spawn(move || {
            // What was read before the server's end is still written; then the client hears of the end.
            let _ = down(&link, &shared, &pieces);
            drop(pieces);
            let _ = writer.join();
            let is_reset = SockRef::from(&link.client).linger().is_ok_and(|linger| linger.is_some());
            if is_reset {
                let _ = link.client.shutdown(Shutdown::Read);
            } else {
                link.close();
            }
        })
    };
    let _ = up(link, shared);
    let _ = link.server.shutdown(Shutdown::Write);
    let _ = reader.join();
}

/// What the client asks.
fn up(link: &Link, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = (&link.client).read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        if !link.is_bus() {
            link.look_for_bus(&buffer[..read]);
        }
        match shared.fault_after_black_hole() {
            Fault::HalfClosed | Fault::NeverAnswered => link.deafen(),
            Fault::Reset => {
                link.reset();
                return Ok(());
            }
            _ if link.deaf.load(Ordering::Relaxed) => {}
            _ => (&link.server).write_all(&buffer[..read])?,
        }
    }
}

/// What the server answers, with the moment at which it did.
fn down(link: &Link, shared: &Shared, pieces: &mpsc::Sender<Piece>) -> io::Result<()> {
    let mut frames = Frames::new(shared.protocol);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = (&link.server).read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        frames.push(&buffer[..read]);
        let came = Instant::now();
        while let Some(bytes) = frames.next() {
            if pieces.send(Piece { bytes, came }).is_err() {
                return Ok(());
            }
        }
    }
}
