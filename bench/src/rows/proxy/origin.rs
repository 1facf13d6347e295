//! What the proxies stand in front of: pages, and a search engine that finds the same again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::harness::Outcome;

/// How long a page below `/static/slow` takes.
const SLOW: Duration = Duration::from_millis(50);

/// The origin, until the runtime ends.
pub(super) struct Origin {
    port: u16,
    asked: Arc<AtomicU64>,
}

impl Origin {
    pub(super) async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                // A connection that breaks is the proxy's affair, which is seen in its answers.
                tokio::spawn(async move { drop(serve(stream, &counted).await) });
            }
        });
        Ok(Self { port, asked })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many requests have reached it.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }
}

async fn serve(mut stream: TcpStream, asked: &AtomicU64) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some((head, length)) = whole_head(&mut stream, &mut buffer).await? else { return Ok(()) };
        while buffer.len() < head.len() + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        asked.fetch_add(1, Relaxed);
        let body = String::from_utf8_lossy(&buffer[head.len()..head.len() + length]).into_owned();
        buffer.drain(..head.len() + length);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path.contains("/slow/") {
            sleep(SLOW).await;
        }
        stream.write_all(answer(&path, &body).as_bytes()).await?;
    }
}

/// The head of the next request, and how long its body is; nothing at the end of the connection.
async fn whole_head(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<(String, usize)>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end + 4]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap_or(0))
            });
            return Ok(Some((head, length.unwrap_or(0))));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn answer(path: &str, body: &str) -> String {
    let (kind, text) = if path.starts_with("/static/") {
        let id = path.rsplit('/').next().unwrap_or_default();
        ("text/plain", format!("page {id}\n{}", "plum ".repeat(200)))
    } else if path.contains("/_search") {
        let query =
            body.split("\"title\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        ("application/json", found(query))
    } else {
        // What a proxy asks to know its upstream.
        ("application/json", "{\"version\":{\"number\":\"8.0.0\"}}".to_owned())
    };
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncache-control: max-age=3600\r\nx-elastic-product: Elasticsearch\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// An answer of 4 KiB.
fn found(query: &str) -> String {
    let hit = |n| {
        format!(
            "{{\"_index\":\"items\",\"_id\":\"{n}\",\"_score\":null,\"_source\":{{\"title\":\"{}\"}},\"sort\":[{n}]}}",
            "plum and pear ".repeat(22)
        )
    };
    let hits: Vec<String> = (0..10).map(hit).collect();
    format!(
        "{{\"took\":3,\"query\":\"{query}\",\"timed_out\":false,\"_shards\":{{\"total\":1,\"successful\":1,\"skipped\":0,\"failed\":0}},\
         \"hits\":{{\"total\":{{\"value\":10,\"relation\":\"eq\"}},\"max_score\":null,\"hits\":[{}]}}}}",
        hits.join(",")
    )
}
