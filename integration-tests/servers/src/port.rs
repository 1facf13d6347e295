//! Ports of the loopback address that nobody uses.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Below the range from which Linux takes the ports of outgoing connections (32768 on): no client's connection can take
/// the port of a server that is stopped and will be restarted.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports are tried, one after another.
const ATTEMPTS: u32 = 20;

/// Runs `start` with a free port, and again with another if somebody else took that port in between.
pub(crate) fn with_free<T>(mut start: impl FnMut(u16) -> Result<T, Error>) -> Result<T, Error> {
    let mut attempt = 1;
    loop {
        match start(free()?) {
            Err(error) if error.is_address_in_use() && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// A port that was free a moment ago. The choice is random, since tests in other processes choose too.
pub(crate) fn free() -> Result<u16, Error> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let random = RandomState::new().hash_one(()) % u64::from(COUNT);
        // The remainder is below `COUNT`, which is a `u16`.
        #[allow(clippy::cast_possible_truncation)]
        let port = FIRST + random as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(Error::io("looking for a free port")(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn taken() -> Error {
        Error::Exited {
            program: "server".into(),
            status: ExitStatus::from_raw(256),
            log: "bind: Address already in use".into(),
        }
    }

    #[test]
    fn a_taken_port_is_replaced_by_another() {
        let mut ports = Vec::new();
        let result = with_free(|port| {
            ports.push(port);
            if ports.len() < 4 { Err(taken()) } else { Ok(port) }
        });
        assert_eq!(result.unwrap(), ports[3]);
        assert!(ports.iter().any(|port| *port != ports[0]), "{ports:?}");
    }

    #[test]
    fn it_gives_up_in_the_end() {
        assert!(with_free(|_| Err::<(), _>(taken())).unwrap_err().is_address_in_use());
    }
}
