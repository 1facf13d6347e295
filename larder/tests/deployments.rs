//! One program, deployed in several ways: in memory, on a real Redis, on a real Memcached, and with a store that is
//! down. The program's code is the same each time.

#![cfg(all(
    feature = "redis",
    feature = "memcached",
    feature = "gzip",
    feature = "zstd",
    any(feature = "quick-cache", feature = "moka")
))]
// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    time::{Duration, Instant},
};

use larder::{Cache, Error, Key, Larder, cache::Status};
use larder_test_servers::{MemcachedServer, RedisServer};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// What the team has in its repository.
const FILE: &str = r#"
[defaults]
ttl = "60s"
codec = "gzip"

[stores.main]
backend = "memory"
max_entries = 1000

[caches.answers]
namespace = "shop/answers"
"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Answer {
    found: u64,
    text: String,
}

fn answer() -> Answer {
    Answer { found: 3, text: "plums ".repeat(1000) }
}

struct Deployment {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Deployment {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("larder.toml"), FILE).unwrap();
        Self { directory, variables: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A process of the program.
    fn start(&self) -> Larder {
        Larder::builder()
            .directory(self.directory.path())
            .environment(self.variables.clone())
            .build()
            .unwrap()
    }
}

/// The program.
async fn ask(larder: &Larder) -> Result<(Answer, Status), Error> {
    let answers: Cache<Answer> = larder.cache("answers")?;
    let key = Key::new("search").part("plums");
    let found = answers.get_or_load(&key, || async { Ok::<_, Error>(answer()) }).await?;
    Ok((Answer::clone(&found), found.status()))
}

async fn is_shared_between_processes(deployment: &Deployment) {
    let (one, other) = (deployment.start(), deployment.start());
    assert_eq!(ask(&one).await.unwrap(), (answer(), Status::Loaded));
    assert_eq!(ask(&other).await.unwrap(), (answer(), Status::Hit));
    let answers: Cache<Answer> = other.cache("answers").unwrap();
    assert!(answers.capabilities().shared);
    let encoded = answers.get_encoded(&Key::new("search").part("plums")).await.unwrap().unwrap();
    assert_eq!(encoded.content_encoding(), Some("gzip"));
    one.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn in_memory() {
    let deployment = Deployment::new();
    let (one, other) = (deployment.start(), deployment.start());
    assert_eq!(ask(&one).await.unwrap(), (answer(), Status::Loaded));
    assert_eq!(ask(&one).await.unwrap(), (answer(), Status::Hit));
    assert_eq!(ask(&other).await.unwrap(), (answer(), Status::Loaded));
}

/// In front of Redis a chain listens, unless the configuration says not to; then its copies have the TTL that was set.
#[tokio::test]
async fn a_chain_listens_unless_it_is_told_not_to() {
    let redis = RedisServer::start();
    let chain = || {
        Deployment::new()
            .with("LARDER_STORES__SHARED__BACKEND", "redis")
            .with("LARDER_STORES__SHARED__URL", redis.url())
            .with("LARDER_STORES__SHARED__DEADLINE", "5s")
            .with("LARDER_CACHES__ANSWERS__STORE", "main,shared")
    };
    let listening = || {
        let clients = redis.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).to_string();
        clients.lines().filter(|line| line.contains(" name=larder ")).count()
    };
    let silent = chain()
        .with("LARDER_CACHES__ANSWERS__NEAR__BUS", "false")
        .with("LARDER_CACHES__ANSWERS__NEAR__TTL_WITHOUT_BUS", "200ms");
    let larder = silent.start();
    let begun = Instant::now();
    let answers: Cache<Answer> = larder.cache("answers").unwrap();
    while answers.stats().near_hits == 0 {
        ask(&larder).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is near");
    }
    tokio::time::sleep(Duration::from_millis(250)).await;
    let before = answers.stats();
    ask(&larder).await.unwrap();
    let after = answers.stats();
    assert_eq!((after.hits - before.hits, after.near_hits - before.near_hits), (1, 0), "its copy has ended");
    assert_eq!(listening(), 0);

    let larder = chain().start();
    let begun = Instant::now();
    while listening() == 0 {
        ask(&larder).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody listens");
    }
}

#[tokio::test]
async fn on_redis_by_two_variables() {
    let redis = RedisServer::start();
    let deployment = Deployment::new()
        .with("LARDER_STORES__MAIN__BACKEND", "redis")
        .with("LARDER_STORES__MAIN__URL", redis.url())
        .with("LARDER_STORES__MAIN__DEADLINE", "5s");
    is_shared_between_processes(&deployment).await;
    let keys = redis.command(&["KEYS", "shop/answers*"]).to_string();
    assert!(keys.contains("shop/answers:search:plums"), "{keys}");
}

/// The store of the file, in memory, is a near tier of all processes. As such it leaves no snapshot: the store goes on without it.
#[tokio::test]
async fn on_a_chain_by_variables() {
    let redis = RedisServer::start();
    let deployment = Deployment::new();
    let snapshot = deployment.directory.path().join("near.snapshot");
    let deployment = deployment
        .with("LARDER_STORES__MAIN__SNAPSHOT", snapshot.to_str().unwrap())
        .with("LARDER_STORES__SHARED__BACKEND", "redis")
        .with("LARDER_STORES__SHARED__URL", redis.url())
        .with("LARDER_STORES__SHARED__DEADLINE", "5s")
        .with("LARDER_DEFAULTS__INVALIDATION_LAG", "10m")
        .with("LARDER_DEFAULTS__NEAR__TTL", "10m")
        .with("LARDER_CACHES__ANSWERS__STORE", "main,shared");
    is_shared_between_processes(&deployment).await;

    let larder = deployment.start();
    let answers: Cache<Answer> = larder.cache("answers").unwrap();
    let begun = Instant::now();
    // What was read before the channel was there is asked for again.
    while answers.stats().near_hits == 0 {
        assert_eq!(ask(&larder).await.unwrap(), (answer(), Status::Hit));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", answers.stats());
    }
    larder.close().await.unwrap();
    assert!(!snapshot.exists());
    // In front of nothing the same store leaves one.
    let alone = deployment.with("LARDER_CACHES__ANSWERS__STORE", "main");
    let larder = alone.start();
    ask(&larder).await.unwrap();
    larder.close().await.unwrap();
    assert!(snapshot.exists());
}

#[tokio::test]
async fn on_redis_with_a_password_of_digits_in_a_file() {
    let redis = RedisServer::builder().password("007").start();
    let deployment = Deployment::new();
    let secret = deployment.directory.path().join("secret");
    fs::write(&secret, "007\n").unwrap();
    let url = format!("redis://{}", redis.address());
    let deployment = deployment
        .with("LARDER_STORES__MAIN__BACKEND", "redis")
        .with("LARDER_STORES__MAIN__URL", &url)
        .with("LARDER_STORES__MAIN__DEADLINE", "5s");
    let by_file = deployment.with("LARDER_STORES__MAIN__PASSWORD__FILE", secret.to_str().unwrap());
    is_shared_between_processes(&by_file).await;

    let by_variable = Deployment::new()
        .with("LARDER_STORES__MAIN__BACKEND", "redis")
        .with("LARDER_STORES__MAIN__URL", &url)
        .with("LARDER_STORES__MAIN__DEADLINE", "5s")
        .with("LARDER_STORES__MAIN__PASSWORD", "007");
    assert_eq!(ask(&by_variable.start()).await.unwrap(), (answer(), Status::Hit));
    let explained = by_variable.start().explain().to_string();
    assert!(explained.contains("stores.main.password = ***") && !explained.contains("007"), "{explained}");
}

#[tokio::test]
async fn on_memcached_by_two_variables() {
    let memcached = MemcachedServer::start();
    let deployment = Deployment::new()
        .with("LARDER_STORES__MAIN__BACKEND", "memcached")
        .with("LARDER_STORES__MAIN__URL", format!("memcached://{}", memcached.address()))
        .with("LARDER_STORES__MAIN__DEADLINE", "5s");
    is_shared_between_processes(&deployment).await;
}

/// What a codec wrote stays readable when another is configured, or none.
#[tokio::test]
async fn a_codec_is_changed_on_a_live_cache() {
    let redis = RedisServer::start();
    let deployment = || {
        Deployment::new()
            .with("LARDER_STORES__MAIN__BACKEND", "redis")
            .with("LARDER_STORES__MAIN__URL", redis.url())
            .with("LARDER_STORES__MAIN__DEADLINE", "5s")
    };
    let stored_by = async |larder: &Larder| {
        let answers: Cache<Answer> = larder.cache("answers").unwrap();
        let encoded = answers.get_encoded(&Key::new("search").part("plums")).await.unwrap().unwrap();
        encoded.content_encoding().map(str::to_owned)
    };
    assert_eq!(ask(&deployment().start()).await.unwrap(), (answer(), Status::Loaded));
    for codec in ["zstd", "none", "gzip"] {
        let changed = deployment().with("LARDER_CACHES__ANSWERS__CODEC", codec).start();
        assert_eq!(ask(&changed).await.unwrap(), (answer(), Status::Hit), "{codec}");
        assert_eq!(stored_by(&changed).await.as_deref(), Some("gzip"), "{codec}");
        let answers: Cache<Answer> = changed.cache("answers").unwrap();
        answers.set(&Key::new("search").part("plums"), answer()).await.unwrap();
        let written = (codec != "none").then_some(codec);
        assert_eq!(stored_by(&changed).await.as_deref(), written);
        // Back, for the next.
        assert_eq!(ask(&deployment().start()).await.unwrap(), (answer(), Status::Hit), "{codec}");
        let answers: Cache<Answer> = deployment().start().cache("answers").unwrap();
        answers.set(&Key::new("search").part("plums"), answer()).await.unwrap();
    }
}

#[tokio::test]
async fn on_memcached_by_a_profile() {
    let memcached = MemcachedServer::start();
    let deployment = Deployment::new().with("LARDER_PROFILE", "fleet");
    let profile = format!(
        "[stores.main]\nbackend = \"memcached\"\nservers = [{:?}]\ndeadline = \"5s\"\n",
        memcached.address()
    );
    fs::write(deployment.directory.path().join("larder.fleet.toml"), profile).unwrap();
    is_shared_between_processes(&deployment).await;
}

#[tokio::test]
async fn on_a_store_that_is_down_from_the_start() {
    let redis = RedisServer::start();
    redis.stop();
    let deployment = Deployment::new()
        .with("LARDER_STORES__MAIN__BACKEND", "redis")
        .with("LARDER_STORES__MAIN__URL", redis.url());
    // Neither building nor a request fails, and a request waits no longer than the deadline, once for the read.
    let larder = deployment.start();
    let start = Instant::now();
    assert_eq!(ask(&larder).await.unwrap().0, answer());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let answers: Cache<Answer> = larder.cache("answers").unwrap();
    let error = answers.get(&Key::new("search")).await.unwrap_err();
    assert_eq!(error.store(), Some("main"), "{error}");
}
