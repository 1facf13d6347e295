//! A server that talks nonsense.

// Each test file uses its part, and Clippy's exception for tests does not reach the functions that tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_redis::{RedisBackend, RedisConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// What a server answers to a name and to a question that it does not know.
pub const GREETED: &[u8] = b"+OK\r\n-ERR unknown command\r\n";

/// A server that accepts every greeting and answers each later burst of bytes with this.
pub struct Liar {
    url: String,
    pub connections: Arc<AtomicUsize>,
}

impl Liar {
    pub async fn start(greeting: &'static [u8], answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut heard = [0; 4096];
                    let mut words = greeting;
                    while stream.read(&mut heard).await.is_ok_and(|len| len > 0) {
                        if stream.write_all(words).await.is_err() {
                            break;
                        }
                        words = answer;
                    }
                });
            }
        });
        Self { url, connections }
    }

    /// A store on it, with short limits.
    pub fn store(&self) -> RedisBackend {
        let mut config = RedisConfig::new(&self.url);
        config.response_timeout = Duration::from_millis(200).into();
        config.connect_timeout = Duration::from_millis(200).into();
        RedisBackend::new(config).unwrap()
    }
}
