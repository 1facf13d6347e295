//! Asking.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{line, read_line};

type Connection = BufReader<TcpStream>;

/// Asks the process that hosts the run. Whoever asks has a connection alone, which is kept for the next one only once
/// its answer was read: a caller who goes away takes his connection along, and no answer reaches anybody else.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Asks, and waits as long as it takes: this process ends with the one that answers.
    pub(crate) async fn ask(&self, word: &str, numbers: &[u64]) -> io::Result<Vec<u64>> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.write_all(line(word, numbers).as_bytes()).await?;
        let answer = read_line(&mut connection).await?;
        let (said, numbers) = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.idle().push(connection);
        if said == "ok" { Ok(numbers) } else { Err(io::Error::other(format!("{word} was refused"))) }
    }

    /// The same where the answer is one number.
    pub(crate) async fn ask_one(&self, word: &str, numbers: &[u64]) -> io::Result<u64> {
        match self.ask(word, numbers).await?[..] {
            [number] => Ok(number),
            _ => Err(io::Error::other(format!("{word} was answered otherwise"))),
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list that nobody can leave half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
