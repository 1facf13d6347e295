//! Answering.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{line, read_line};

/// What the processes of a run are answered.
pub(crate) trait Service: Send + Sync + 'static {
    /// The numbers of the answer; `None` for what makes no sense.
    fn answer(&self, word: &str, numbers: &[u64]) -> impl Future<Output = Option<Vec<u64>>> + Send;
}

/// Answers on a free port of the loopback address for as long as the runtime lives.
pub(crate) async fn serve(service: Arc<impl Service>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = Arc::clone(&service);
            // Whoever was sent away, or ended, is missed by the run itself.
            tokio::spawn(async move { converse(stream, &*service).await });
        }
    });
    Ok(address)
}

async fn converse(stream: TcpStream, service: &impl Service) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((word, numbers)) = read_line(&mut stream).await? {
        let answer = match service.answer(&word, &numbers).await {
            Some(numbers) => line("ok", &numbers),
            None => line("no", &[]),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Client;

    struct Sum;

    impl Service for Sum {
        async fn answer(&self, word: &str, numbers: &[u64]) -> Option<Vec<u64>> {
            match word {
                "sum" => Some(vec![numbers.iter().sum()]),
                "wait" => std::future::pending().await,
                _ => None,
            }
        }
    }

    #[tokio::test]
    async fn answers_reach_who_asked() {
        let client = Client::new(serve(Arc::new(Sum)).await.unwrap());
        assert_eq!(client.ask_one("sum", &[2, 3]).await.unwrap(), 5);
        assert!(client.ask("product", &[2, 3]).await.is_err());
        // A caller who went away before his answer: the next one gets his own.
        let gone = tokio::time::timeout(std::time::Duration::from_millis(20), client.ask("wait", &[]));
        assert!(gone.await.is_err());
        for number in 0..100 {
            assert_eq!(client.ask_one("sum", &[number, 1]).await.unwrap(), number + 1);
        }
    }
}
