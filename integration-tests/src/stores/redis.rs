//! Redis: as it is, and with the formats and codecs that a store of bytes makes a difference to. One server for all.

use larder_conformance::{Store, Suite, Time};
use larder_core::{
    Clock, Codec,
    codec::Compression,
    format::{Json, Postcard},
    settings::ByteSize,
};
use larder_gzip::Gzip;
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{RedisServer, Reply};
use larder_zstd::Zstd;
use std::{sync::Arc, time::Duration};

use super::{PATIENCE, Subject, lazily::Lazily, memory};

/// Far below what Redis takes, so that what happens beyond it can be tried.
const MAX_VALUE: ByteSize = ByteSize(2 << 20);

/// How long a breaker stays open: longer than a few calls take on a busy machine.
const OPEN_FOR: Duration = Duration::from_millis(1500);

pub(super) fn subjects() -> Vec<Subject> {
    let server = Lazily::new(RedisServer::start);
    let suite = |name: &str| {
        let server = server.clone();
        Suite::new(name, move |_| store(&server)).time(Time::Real)
    };
    vec![
        Subject::new("redis", "one Redis, values as MessagePack", suite),
        Subject::new("redis-json", "the same, values as JSON", |name| {
            suite(name)
                .format(Json)
                .skip("values::floats_come_back_bit_for_bit", "JSON has no way to say NaN or infinity")
        }),
        Subject::new("redis-postcard", "the same, values as Postcard", |name| suite(name).format(Postcard)),
        Subject::new("redis-gzip", "the same, every value compressed by gzip", |name| {
            suite(name).compression(everything(Gzip::default()))
        }),
        Subject::new("redis-breaker", "the layers `Trace`, `Breaker` and `Fault` around one Redis", |name| {
            let server = server.clone();
            Suite::new(name, move |clock| breaking(&server, &clock)).time(Time::Real)
        }),
        Subject::new("redis-zstd", "the same, every value compressed by zstd", |name| {
            suite(name).compression(everything(Zstd::default()))
        }),
    ]
}

fn everything(codec: impl Codec) -> Compression {
    Compression::new(Arc::new(codec), 0)
}

fn store(server: &Lazily<RedisServer>) -> Store {
    with_hooks(Store::new(connect(server.get())), server)
}

fn breaking(server: &Lazily<RedisServer>, clock: &Clock) -> Store {
    with_hooks(memory::breaking(connect(server.get()), clock, OPEN_FOR), server)
}

pub(super) fn with_hooks(store: Store, server: &Lazily<RedisServer>) -> Store {
    let (peer, vandal, spy) = (server.clone(), server.clone(), server.clone());
    store
        .with_peer(move |_| connect(peer.get()))
        .with_vandal(move |key, bytes| {
            let command: [&[u8]; 4] = [b"SET", key.as_bytes(), bytes, b"KEEPTTL"];
            vandal.get().command(&command);
        })
        .with_spy(move |key| match spy.get().command(&["GET", key]) {
            Reply::Bytes(bytes) => Some(bytes),
            _ => None,
        })
}

pub(super) fn connect(server: &RedisServer) -> RedisBackend {
    let mut config = RedisConfig::new(server.url());
    config.max_value = MAX_VALUE;
    config.connect_timeout = PATIENCE.into();
    config.response_timeout = PATIENCE.into();
    RedisBackend::new(config).unwrap()
}
