//! The first ten seconds after a restart, with a snapshot and without: `cargo run --release -p larder --example warm_start`.
//!
//! A service with 20 000 keys, of which few are asked for most (Zipf), 500 requests a second, a loader that takes 20 ms. It runs for
//! a while, is closed, and begins twice: with what it has left, and empty. A request is answered at once by a hit, or by a stale
//! value while another is being loaded; the others wait for the loader.

use std::{convert::Infallible, error::Error, time::Duration};

use larder::{Cache, Key, Larder, cache::Status};

const KEYS: usize = 20_000;
const RATE: u64 = 500;
const SECONDS: usize = 10;
const LOADER: Duration = Duration::from_millis(20);

/// Which key is asked for next: xorshift, and Zipf with exponent 1 by the inverse of its approximate distribution.
struct Requests(u64);

impl Requests {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a random number between 0 and 20 000"
    )]
    fn next(&mut self) -> Key {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (KEYS as f64).powf(unit) as usize;
        Key::new("page").part(rank)
    }
}

fn start(snapshot: Option<&str>) -> Result<Larder, larder::Error> {
    let builder = Larder::builder()
        .set("stores.main.backend", "memory")
        .set("defaults.ttl", "10m")
        // How long what was left may be served while it is made anew.
        .set("defaults.stale_while_revalidate", "1h");
    match snapshot {
        Some(path) => builder.set("stores.main.snapshot", path).build(),
        None => builder.build(),
    }
}

async fn ask(cache: &Cache<String>, key: Key, loader: Duration) -> Result<Status, larder::Error> {
    let load = move || async move {
        tokio::time::sleep(loader).await;
        Ok::<_, Infallible>("<html>".repeat(100))
    };
    Ok(cache.get_or_load(&key, load).await?.status())
}

/// The share of requests that were answered at once, in percent, second by second.
async fn serve(larder: Larder) -> Result<Vec<u64>, Box<dyn Error + Send + Sync>> {
    let (cache, mut requests) = (larder.cache::<String>("pages")?, Requests(7));
    let mut shares = Vec::new();
    for _ in 0..SECONDS {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(RATE)?);
        let mut asked = Vec::new();
        for _ in 0..RATE {
            tick.tick().await;
            let (cache, key) = (cache.clone(), requests.next());
            asked.push(tokio::spawn(async move { ask(&cache, key, LOADER).await }));
        }
        let mut at_once = 0;
        for request in asked {
            at_once += u64::from(matches!(request.await??, Status::Hit | Status::Stale));
        }
        shares.push(100 * at_once / RATE);
    }
    Ok(shares)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = std::env::temp_dir().join(format!("larder-warm-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("pages.snapshot").display().to_string();

    let before = start(Some(&path))?;
    let (pages, mut requests) = (before.cache("pages")?, Requests(3));
    for _ in 0..50_000 {
        ask(&pages, requests.next(), Duration::ZERO).await?;
    }
    before.close().await?;
    println!("closed; the snapshot has {} KiB", std::fs::metadata(&path)?.len() / 1024);

    let (with, without) = (start(Some(&path))?, start(None)?);
    let (with, without) = tokio::join!(tokio::spawn(serve(with)), tokio::spawn(serve(without)));
    let (with, without) = (with??, without??);
    println!("second   with snapshot   without");
    for (second, (with, without)) in with.iter().zip(&without).enumerate() {
        println!("{:>6} {with:>13} % {without:>7} %", second + 1);
    }
    let mean = |shares: &[u64]| shares.iter().sum::<u64>() / SECONDS as u64;
    println!("   all {:>13} % {:>7} %", mean(&with), mean(&without));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
