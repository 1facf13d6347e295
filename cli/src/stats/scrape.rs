//! One GET over plain HTTP, bounded in time and size.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use crate::exit::Failure;

/// For connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No more is read.
const MAX_ANSWER: u64 = 8 << 20;

/// The body of an answer with status 200.
pub(super) fn get(url: &str) -> Result<String, Failure> {
    let fail = |why: String| Failure::new(format!("{url}: {why}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| {
        fail("expected an address that begins with http://, such as http://127.0.0.1:9281/metrics".to_owned())
    })?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') || host.contains('@') {
        return Err(fail(
            "expected a host, perhaps a port, and a path, without user, spaces or control characters"
                .to_owned(),
        ));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { host.to_owned() } else { format!("{host}:80") };
    let address = address
        .to_socket_addrs()
        .map_err(|error| fail(format!("the host was not found: {error}")))?
        .next()
        .ok_or_else(|| fail("the host has no address".to_owned()))?;
    let answer = ask(address, host, path).map_err(|error| fail(format!("no answer: {error}")))?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| fail("the answer is no HTTP".to_owned()))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(fail(format!("the answer has the status {status:?}, expected 200; is the path right?")));
    }
    Ok(body.to_owned())
}

fn ask(address: std::net::SocketAddr, host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // An answer to HTTP/1.0 has no chunks.
    stream
        .write_all(format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
