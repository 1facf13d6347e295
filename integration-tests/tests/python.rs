//! Another language reads what Larder wrote: the reader in `python/`, against entries that the Redis backend has put into a
//! real server. `cargo xtask test` prepares a Python with the modules that it needs.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use larder_core::{
    Cache, Codec, Format, Key,
    cache::{CacheBuilder, Policy},
    codec::Compression,
    format::{Json, MessagePack, Postcard, Raw},
};
use larder_gzip::{Gzip, GzipConfig};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;
use larder_zstd::{Zstd, ZstdConfig};
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

fn python() -> Command {
    let program = std::env::var_os("LARDER_PYTHON").unwrap_or_else(|| "python3".into());
    let mut python = Command::new(program);
    python.current_dir(directory());
    python
}

/// What the reader shows of an entry.
fn shown(redis: &RedisServer, key: &str, more: &[&str]) -> Value {
    let mut command = python();
    let output = command
        .args(["larder_envelope.py", "--redis", &redis.address()])
        .args(more)
        .arg(key)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("the reader needs its modules, which `cargo xtask test` installs: {said}")
    })
}

fn cache<T: larder_core::cache::Value>(redis: &RedisServer) -> CacheBuilder<T> {
    let backend = RedisBackend::new(RedisConfig::new(redis.url())).unwrap();
    Cache::builder(backend).namespace("shop/answers").schema(2).ttl(Duration::from_mins(10))
}

fn compression(codec: impl Codec) -> Compression {
    Compression::new(Arc::new(codec), 64)
}

fn answer() -> Value {
    json!({"found": 3, "rate": 0.25, "names": ["Ada", "Grace Hopper", "ü🦀"], "text": "plums ".repeat(200), "none": null})
}

#[tokio::test]
async fn every_self_describing_format_under_every_codec() {
    let redis = RedisServer::start();
    let scratch = tempfile::tempdir().unwrap();
    let dictionary = scratch.path().join("plums.dictionary");
    let samples: Vec<Vec<u8>> = (0..2000)
        .map(|n| {
            serde_json::to_vec(&json!({"found": n, "text": format!("plum number {n} of many")})).unwrap()
        })
        .collect();
    std::fs::write(&dictionary, larder_zstd::train(&samples, 8 * 1024).unwrap()).unwrap();
    let with_dictionary = ZstdConfig::default().dictionary(&dictionary);

    let formats: [Arc<dyn Format>; 2] = [Arc::new(Json), Arc::new(MessagePack)];
    for format in formats {
        let codecs = [
            ("none", None),
            ("gzip", Some(compression(Gzip::new(&GzipConfig::default()).unwrap()))),
            ("zstd", Some(compression(Zstd::new(&ZstdConfig::default()).unwrap()))),
            ("zstd", Some(compression(Zstd::new(&with_dictionary).unwrap()))),
        ];
        for (codec, compression) in codecs {
            let cache = cache::<Value>(&redis).shared_format(Arc::clone(&format)).compression(compression);
            let cache = cache.build().unwrap();
            let key = Key::new("search").part("plums").part(format.name());
            let user = ("found", &b"3"[..]);
            cache.at(&key).tag("popular").user_meta(user.0, user.1).set(answer()).await.unwrap();

            let key = format!("shop/answers@2:search:plums:{}", format.name());
            let shown =
                shown(&redis, &key, &["--check-stamps", "--dictionary", dictionary.to_str().unwrap()]);
            assert_eq!(shown["value"], answer(), "{shown}");
            let header = &shown["header"];
            assert_eq!(header["key"], key);
            assert_eq!(header["format_name"], format.name());
            assert_eq!(header["codec_name"], codec);
            assert_eq!(header["schema"], 2);
            assert_eq!(header["user"], json!([{"name": "found", "text": "3"}]));
            assert!(header["stamps"].as_array().unwrap().iter().any(|stamp| stamp["tag"] == "popular"));
        }
    }
}

#[tokio::test]
async fn raw_bytes_postcard_and_a_long_key() {
    let redis = RedisServer::start();
    let key = Key::new("page").part("p".repeat(1000));
    let raw = cache::<String>(&redis).format(Raw).build().unwrap();
    raw.set(&key, "<html>ü</html>".into()).await.unwrap();
    let stored = redis.command(&["KEYS", "shop/answers@2:page*"]).to_string();
    let stored =
        stored.split('"').find(|part| part.starts_with("shop/")).unwrap_or_else(|| panic!("{stored}"));
    let shown_raw = shown(&redis, stored, &[]);
    assert_eq!((&shown_raw["value"], &shown_raw["value_is"]), (&json!("<html>ü</html>"), &json!("text")));
    assert!(shown_raw["header"]["whole_key_sha256"].is_string(), "{shown_raw}");

    let postcard = cache::<u64>(&redis).format(Postcard).build().unwrap();
    postcard.set(&Key::new("count"), 300).await.unwrap();
    // 300 as a varint, in base64.
    let shown = shown(&redis, "shop/answers@2:count", &[]);
    assert_eq!((&shown["value"], &shown["value_is"]), (&json!("rAI="), &json!("base64")));
}

#[tokio::test]
async fn what_is_overtaken_or_only_being_loaded_is_a_miss() {
    let redis = RedisServer::start();
    let cache =
        cache::<String>(&redis).policy(Policy::new(Duration::from_mins(10)).lease(Duration::from_mins(1)));
    let cache = cache.build().unwrap();
    let key = Key::new("k");
    cache.set(&key, "v".into()).await.unwrap();
    assert_eq!(shown(&redis, "shop/answers@2:k", &["--check-stamps"])["value"], "v");
    cache.clear().await.unwrap();
    assert_eq!(shown(&redis, "shop/answers@2:k", &["--check-stamps"])["miss"], "invalidated");

    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let loading = tokio::spawn(async move {
        let load = move || async move {
            let _ = begun.send(());
            std::future::pending::<Result<String, std::io::Error>>().await
        };
        cache.get_or_load(&Key::new("k"), load).await.map(drop)
    });
    has_begun.await.unwrap();
    assert_eq!(shown(&redis, "shop/answers@2:k", &[])["miss"], "leased");
    assert_eq!(shown(&redis, "shop/answers@2:other", &[])["miss"], "absent");
    loading.abort();
}

/// The reader's own tests, of damaged bytes above all.
#[test]
fn the_readers_own_tests() {
    let output = python().args(["-m", "unittest"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
