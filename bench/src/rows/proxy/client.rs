//! A client that costs little beside what it measures: connections that stay open, requests that were written beforehand.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rows::redis::lanes::Done;

/// Longer than any answer here.
const LONGEST: usize = 64 * 1024;

/// The bytes of a request, and what its answer's body begins with.
pub(crate) struct Request {
    bytes: Vec<u8>,
    begins: String,
}

/// A page of 1 KiB.
pub(super) fn get(id: u32) -> Request {
    page("static", id)
}

/// One that the origin takes its time for.
pub(super) fn slow(id: u32) -> Request {
    page("static/slow", id)
}

fn page(folder: &str, id: u32) -> Request {
    let bytes =
        format!("GET /{folder}/{id} HTTP/1.1\r\nhost: bench\r\naccept: */*\r\nuser-agent: bench\r\n\r\n");
    Request { bytes: bytes.into_bytes(), begins: format!("page {id}\n") }
}

/// A search of 2 KiB: a filter of many terms, as a shop's menu makes it.
pub(super) fn search(id: u32) -> Request {
    let mut terms = String::new();
    for term in 0..120 {
        let _ = write!(terms, "{}\"term-{:08}\"", if term == 0 { "" } else { "," }, id * 1000 + term);
    }
    let body = format!(
        "{{\"query\":{{\"bool\":{{\"must\":[{{\"match\":{{\"title\":\"plum {id}\"}}}}],\"filter\":[{{\"terms\":{{\"label\":[{terms}]}}}}]}}}},\
         \"size\":10,\"sort\":[{{\"price\":\"asc\"}}],\"aggs\":{{\"by_label\":{{\"terms\":{{\"field\":\"label\",\"size\":20}}}}}}}}"
    );
    let bytes = format!(
        "POST /items/_search HTTP/1.1\r\nhost: bench\r\naccept: */*\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Request { bytes: bytes.into_bytes(), begins: format!("{{\"took\":3,\"query\":\"plum {id}\"") }
}

/// Connections to one proxy: as many as are asked on at once.
pub(crate) struct Client {
    port: u16,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) fn of(port: u16) -> Self {
        Self { port, idle: Mutex::default() }
    }

    /// Asks, and looks whether it is answered with what belongs to it.
    pub(super) async fn ask(&self, request: &Request) -> Done {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.port).await?,
        };
        let is_right = connection.ask(request).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        if is_right { Ok(()) } else { Err("another answer".into()) }
    }
}

impl Connection {
    async fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(LONGEST) })
    }

    async fn ask(&mut self, request: &Request) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        let (body, length) = loop {
            self.more().await?;
            if let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break (head + 4, length(&self.buffer[..head])?);
            }
        };
        while self.buffer.len() < body + length {
            self.more().await?;
        }
        if self.buffer.len() > body + length {
            return Err("more than one answer".into());
        }
        Ok(self.buffer.starts_with(b"HTTP/1.1 200")
            && self.buffer[body..].starts_with(request.begins.as_bytes()))
    }

    async fn more(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.buffer.len() >= LONGEST {
            return Err("a longer answer than any".into());
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the connection was closed".into()),
            _ => Ok(()),
        }
    }
}

/// What an answer's head says of its body's length.
fn length(head: &[u8]) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let head = std::str::from_utf8(head)?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.ok_or("an answer without a length")?.1.trim().parse()?)
}
