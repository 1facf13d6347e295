//! Starts a Redis and a Memcached to play with, until its input ends or it is interrupted:
//! `cargo run -p larder-test-servers`.

use std::io;

use larder_test_servers::{Error, MemcachedServer, RedisServer};

fn main() -> Result<(), Error> {
    let redis = RedisServer::builder().try_start()?;
    let memcached = MemcachedServer::builder().try_start()?;
    println!("redis {} {}", redis.pid().unwrap_or_default(), redis.url());
    println!("memcached {} {}", memcached.pid().unwrap_or_default(), memcached.address());
    // Whether the input ended or broke, it is over.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    Ok(())
}
