//! A small service: a line with a number comes in over TCP, a JSON answer goes out.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    id: u64,
    title: String,
}

/// What takes a while in a real one.
async fn look_up(id: u64) -> io::Result<Answer> {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    Ok(Answer { id, title: format!("number {id}") })
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let id = line.trim().parse().map_err(io::Error::other)?;
        let answer = look_up(id).await?;
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("{error}");
            }
        });
    }
}
