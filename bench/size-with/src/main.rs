//! A small service: a line with a number comes in over TCP, a JSON answer goes out. Between them is a cache, whose store,
//! codec and format its configuration chooses; all that Larder has is there to be chosen.

use std::error::Error;
use std::io;

use larder::{Cache, Key, Larder, Metrics};
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

async fn serve(stream: TcpStream, answers: Cache<Answer>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let id = line.trim().parse()?;
        let answer = answers.get_or_load(&Key::new("answer").part(id), move || look_up(id)).await?;
        let mut text = serde_json::to_vec(&*answer)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|argument| argument == "--schema") {
        println!("{}", serde_json::to_string_pretty(&larder::schema(&larder::Registry::default()))?);
        return Ok(());
    }
    let larder = Larder::builder().listener(Metrics::new()).build()?;
    let answers: Cache<Answer> = larder.cache("answers")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let answers = answers.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, answers).await {
                eprintln!("{error}");
            }
        });
    }
}
