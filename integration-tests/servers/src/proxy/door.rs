//! Where clients come in: a port that is open, or one that neither accepts nor refuses.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::Shared;
use crate::Error;

/// A port that was just in use is free again within microseconds; this is for machines that are very busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listening port. It does not close on drop.
#[derive(Debug)]
pub(super) struct Door {
    listener: Arc<TcpListener>,
    is_shut: Arc<AtomicBool>,
    guard: Option<JoinHandle<()>>,
    /// Connections that fill the queue of a port that accepts nobody.
    crowd: Vec<TcpStream>,
}

impl Door {
    /// Accepts clients, and has them served.
    pub(super) fn open(port: u16, shared: &Arc<Shared>) -> Result<Self, Error> {
        let listener = Arc::new(listen(port, 1024)?);
        let is_shut = Arc::new(AtomicBool::new(false));
        let (inside, end, shared) = (Arc::clone(&listener), Arc::clone(&is_shut), Arc::clone(shared));
        let guard = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match inside.accept() {
                    Ok((client, _)) => shared.serve(client),
                    // No descriptors left, for one; `shut` ends the wait with an error as well.
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Ok(Self { listener, is_shut, guard: Some(guard), crowd: Vec::new() })
    }

    /// A port that is there, with a full queue: whoever connects hears nothing, neither yes nor no.
    pub(super) fn blocked(port: u16) -> Result<Self, Error> {
        let listener = Arc::new(listen(port, 0)?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Linux queues one more than it was asked to.
        let first = TcpStream::connect_timeout(&address, PATIENCE).map_err(Error::io("filling a queue"))?;
        Ok(Self { listener, is_shut: Arc::default(), guard: None, crowd: vec![first] })
    }

    /// Closes the port. Connections that came in stay.
    pub(super) fn shut(&mut self) {
        self.is_shut.store(true, Ordering::Relaxed);
        self.crowd.clear();
        // Ends a wait for clients, which closing would not.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        if let Some(guard) = self.guard.take() {
            let _ = guard.join();
        }
    }
}

fn listen(port: u16, queue: i32) -> Result<TcpListener, Error> {
    let doing = || Error::io(format!("listening on port {port}"));
    let begun = Instant::now();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(doing())?;
        socket.set_reuse_address(true).map_err(doing())?;
        let bound = socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
            .and_then(|()| socket.listen(queue));
        match bound {
            Ok(()) => return Ok(socket.into()),
            Err(why) if begun.elapsed() > PATIENCE => return Err(doing()(why)),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}
