//! How many connections were tried, seen on the loopback interface: those that were refused, too, and whoever they were
//! for. The kernel repeats a request that nobody answers; it counts once.

use std::{
    collections::HashSet,
    io::{self, Read as _},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

/// Both ports of a connection that was asked for: whose it is, and where it was to go.
type Pair = (u16, u16);

/// Counts requests for connections.
#[derive(Debug)]
pub(crate) struct Syns {
    seen: Arc<Mutex<HashSet<Pair>>>,
}

impl Syns {
    /// Begins to listen. Needs the right to (`CAP_NET_RAW`; root has it).
    pub(crate) fn listen() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
        socket.attach_filter(&requests_only())?;
        socket.set_recv_buffer_size(1 << 20)?;
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let kept = Arc::clone(&seen);
        // It ends with the process.
        thread::spawn(move || {
            let mut packet = [0; 256];
            while let Ok(length) = (&socket).read(&mut packet) {
                if let Some(pair) = ports(&packet[..length]) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).insert(pair);
                }
            }
        });
        Ok(Self { seen })
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many there were to these ports.
    pub(crate) fn count(&self, ports: &[u16]) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(_, to)| ports.contains(to)).count() as u64
    }
}

/// In the kernel, so that nobody else's traffic costs anything here: the flags `SYN` and not `ACK` (RFC 9293, 3.1), behind
/// an IP header of whatever length.
fn requests_only() -> [SockFilter; 6] {
    [
        // X = length of the IP header
        SockFilter::new(0xb1, 0, 0, 0),
        // A = flags
        SockFilter::new(0x50, 0, 0, 13),
        SockFilter::new(0x54, 0, 0, 0x12),
        // SYN alone, or not
        SockFilter::new(0x15, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0xffff),
        SockFilter::new(0x06, 0, 0, 0),
    ]
}

fn ports(packet: &[u8]) -> Option<Pair> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let port = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    Some((port(header)?, port(header + 2)?))
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn connections_are_counted_and_refused_ones_as_well() {
        let Ok(syns) = Syns::listen() else {
            eprintln!("not tried: this needs CAP_NET_RAW");
            return;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap().port();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let kept: Vec<_> = (0..3).map(|_| TcpStream::connect(("127.0.0.1", open)).unwrap()).collect();
        TcpStream::connect(("127.0.0.1", closed)).unwrap_err();
        let begun = Instant::now();
        while (syns.count(&[open]), syns.count(&[closed])) != (3, 1) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", syns.count(&[open, closed]));
            thread::sleep(Duration::from_millis(1));
        }
        drop(kept);
        syns.forget();
        assert_eq!(syns.count(&[open, closed]), 0);
    }
}
