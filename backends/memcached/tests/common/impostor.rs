//! Servers that are none: they greet as memcached does and then answer what a test makes them.

use std::{future::Future, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A port where something answers. It goes when this is dropped.
pub struct Impostor {
    pub address: String,
    task: JoinHandle<()>,
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a connection is after the greeting.
pub type Connection = BufReader<TcpStream>;

/// Answers every connection with this.
pub async fn raw<F, W>(answer: F) -> Impostor
where
    F: Fn(Connection) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move { answer(BufReader::new(stream)).await });
        }
    });
    Impostor { address, task }
}

/// Greets as memcached 1.6.18 does, and answers each request line with what `reply` makes of it; `None` hangs up.
pub async fn greeting(reply: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Impostor {
    let reply = Arc::new(reply);
    raw(move |mut connection| {
        let reply = Arc::clone(&reply);
        async move {
            while let Some(line) = line(&mut connection).await {
                let answer = match &*line {
                    "version" => Some(b"VERSION 1.6.18\r\n".to_vec()),
                    "stats settings" => Some(b"STAT item_size_max 1048576\r\nEND\r\n".to_vec()),
                    request => reply(request),
                };
                let Some(answer) = answer else { return };
                if connection.get_mut().write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// The next line without its end.
pub async fn line(connection: &mut Connection) -> Option<String> {
    let mut line = String::new();
    connection.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

/// The opaque of a request line: `Of` of `mg k v Of`.
pub fn opaque(request: &str) -> &str {
    request.split(' ').find(|word| word.starts_with('O')).unwrap()
}
