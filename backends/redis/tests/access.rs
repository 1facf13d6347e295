//! Ways in: passwords, users, databases, unix sockets, TLS. And no secret in any error.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use common::{ANY, GET, Keys, always, bytes, entry, store, store_with, until_it_works};
use larder_core::{
    Backend, Error, ErrorKind,
    backend::{CounterOptions, SetOptions, TouchOptions},
    settings::Secret,
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{Certificates, RedisServer};

async fn works(store: &impl Backend) {
    let keys = Keys::new(1);
    assert!(store.set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "value");
}

async fn refusal(store: &RedisBackend, kind: ErrorKind) -> String {
    let error = store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let shown = format!("{error} {error:?} {store:?} {}", chain(&error));
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
    shown
}

fn chain(error: &Error) -> String {
    let mut shown = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        writeln!(shown, "{error} {error:?}").unwrap();
        source = error.source();
    }
    shown
}

#[tokio::test]
async fn passwords_right_wrong_and_missing() {
    let server = RedisServer::builder().password("open sesame/@:%").start();
    works(&store(&server)).await;
    let bare = format!("redis://{}", server.address());
    let with = |change: &dyn Fn(&mut RedisConfig)| {
        let mut config = RedisConfig::new(&bare);
        change(&mut config);
        RedisBackend::new(config).unwrap()
    };
    works(&with(&|config| config.password = Some(Secret::new("open sesame/@:%")))).await;

    let wrong =
        refusal(&with(&|config| config.password = Some(Secret::new("hunter2"))), ErrorKind::Auth).await;
    assert!(wrong.contains("does not accept"), "{wrong}");
    let missing = refusal(&with(&|_| {}), ErrorKind::Auth).await;
    assert!(missing.contains("set `password`"), "{missing}");

    // The attempts go on, but not as fast as to fill the server's log.
    let refused = with(&|config| config.password = Some(Secret::new("hunter2")));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        refusal(&refused, ErrorKind::Auth).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let failures = server.command(&["INFO", "errorstats"]).to_string();
    let count = failures.lines().find_map(|line| line.strip_prefix("errorstat_WRONGPASS:count=")).unwrap();
    assert!(count.trim().parse::<u32>().unwrap() < 20, "{failures}");
}

#[tokio::test]
async fn a_password_that_the_server_does_not_have_is_an_error() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| config.password = Some(Secret::new("hunter2")));
    let why = refusal(&store, ErrorKind::Auth).await;
    assert!(why.contains("remove `password`"), "{why}");
}

#[tokio::test]
async fn a_password_in_a_file_may_change() {
    let server = RedisServer::builder().password("first").start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let mut config = RedisConfig::new(format!("redis://{}", server.address()));
    config.password_file = Some(file.path().to_owned());
    let store = RedisBackend::new(config).unwrap();
    works(&store).await;

    server.command(&["CONFIG", "SET", "requirepass", "second"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    std::fs::write(file.path(), "second\n").unwrap();
    until_it_works(&store, &Keys::new(1).at(0)).await;
    works(&store).await;
}

/// The rights that the README lists, and no others.
const RIGHTS: &str = "-@all +get +mget +exists +set +unlink +evalsha +eval +client|setname +info \
                      +select +getrange +setrange +persist +pexpire +incrby";

#[tokio::test]
async fn the_rights_in_the_readme_are_enough_and_all_are_needed() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(RIGHTS), "the README lists other rights");

    let server = RedisServer::builder().acl_user("app", &format!("on >sesame ~test:* {RIGHTS}")).start();
    let as_app = |config: &mut RedisConfig| {
        config.username = Some("app".into());
        config.password = Some(Secret::new("sesame"));
        config.database = Some(1);
    };
    let store = store_with(&server, as_app);
    let everything = || async {
        let keys = Keys::new(2);
        let key = keys.at(0);
        store.set(&key, &entry("value"), &always()).await?;
        let Some(found) = store.get(&key, &GET).await?.entry() else { panic!("a miss") };
        let unchanged = common::when(larder_core::backend::Condition::Unchanged(found.token()));
        assert!(store.set(&key, &entry("next"), &unchanged).await?.took_place());
        for ttl in [larder_core::Ttl::Never, Duration::from_secs(9).into()] {
            assert!(store.touch(&key, &TouchOptions::new(found.meta().lifetime, ttl)).await?);
        }
        for lookup in store.get_many(&keys.all(), &GET).await {
            lookup?;
        }
        let options = CounterOptions::new(larder_core::Ttl::Never).with_initial(Some(1));
        for _ in 0..2 {
            store.counters().unwrap().increment(&key, 1, &options).await?;
        }
        assert!(store.delete(&key, &ANY).await?);
        Ok::<_, Error>(())
    };
    everything().await.unwrap();
    assert_eq!(server.command(&["ACL", "LOG"]).list().len(), 0, "{}", server.command(&["ACL", "LOG"]));

    for right in RIGHTS.split_whitespace().filter_map(|word| word.strip_prefix('+')) {
        // Whole or not at all, so that `EVAL` is needed where `EVALSHA` fails.
        server.command(&["SCRIPT", "FLUSH"]);
        server.command(&["ACL", "SETUSER", "app", &format!("-{right}")]);
        if ["client|setname", "info"].contains(&right) {
            everything()
                .await
                .expect("the name is only a name, and what the server says of itself only for advice");
        } else if right == "exists" {
            everything().await.expect("each key is asked alone instead");
        } else if right != "select" {
            // Selecting is done once for each connection, before.
            let error = everything().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "without {right}: {error}");
        }
        server.command(&["ACL", "SETUSER", "app", &format!("+{right}")]);
    }
}

#[tokio::test]
async fn a_user_without_the_right_is_refused_call_by_call() {
    let server = RedisServer::builder().acl_user("reader", "on >sesame ~test:* +get").start();
    let store = store_with(&server, |config| {
        config.username = Some("reader".into());
        config.password = Some(Secret::new("sesame"));
    });
    let keys = Keys::new(1);
    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_none());
    let error = store.set(&keys.at(0), &entry("value"), &always()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().contains("rights"), "{error}");
    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_none());
}

#[tokio::test]
async fn databases_are_apart() {
    let server = RedisServer::start();
    let third = store_with(&server, |config| config.database = Some(3));
    works(&third).await;
    assert!(store(&server).get(&Keys::new(1).at(0), &GET).await.unwrap().entry().is_none());
    let same = RedisBackend::new(RedisConfig::new(format!("{}/3", server.url()))).unwrap();
    assert!(same.get(&Keys::new(1).at(0), &GET).await.unwrap().entry().is_some());

    // After the connection has been opened anew it is still the third.
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    until_it_works(&third, &Keys::new(1).at(0)).await;
    assert!(third.get(&Keys::new(1).at(0), &GET).await.unwrap().entry().is_some());

    let why = refusal(&store_with(&server, |config| config.database = Some(99)), ErrorKind::Config).await;
    assert!(why.contains("`database`"), "{why}");
}

#[tokio::test]
async fn a_unix_socket_with_and_without_a_password() {
    works(&store(&RedisServer::builder().unix_socket().start())).await;
    let server = RedisServer::builder().unix_socket().password("open sesame").start();
    works(&store(&server)).await;

    let socket = server.socket().unwrap().display().to_string();
    let wrong = RedisBackend::new(RedisConfig::new(format!("unix://{socket}?pass=hunter2&db=1"))).unwrap();
    refusal(&wrong, ErrorKind::Auth).await;
    let missing = RedisBackend::new(RedisConfig::new(format!("unix://{socket}.not"))).unwrap();
    refusal(&missing, ErrorKind::Unavailable).await;

    let store = store(&server);
    works(&store).await;
    server.stop();
    server.restart();
    until_it_works(&store, &Keys::new(1).at(0)).await;
}

#[tokio::test]
async fn names_are_looked_up() {
    let server = RedisServer::start();
    let local = RedisConfig::new(format!("redis://localhost:{}", server.port().unwrap()));
    works(&RedisBackend::new(local).unwrap()).await;
    let unknown = RedisBackend::new(RedisConfig::new("redis://no-such-host.invalid")).unwrap();
    refusal(&unknown, ErrorKind::Unavailable).await;
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;

    fn trusting(server: &RedisServer, certificates: &Certificates) -> RedisConfig {
        let mut config = RedisConfig::new(server.url());
        config.ca_file = Some(certificates.ca());
        config
    }

    #[tokio::test]
    async fn a_server_that_the_named_authority_vouches_for() {
        let certificates = Certificates::generate();
        let server = RedisServer::builder().tls(&certificates).password("open sesame").start();
        let store = RedisBackend::new(trusting(&server, &certificates)).unwrap();
        works(&store).await;

        let keys = Keys::new(1);
        let value: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0]).collect();
        assert!(
            store
                .set(&keys.at(0), &entry(value.clone()), &SetOptions::new(larder_core::Ttl::Never))
                .await
                .unwrap()
                .took_place()
        );
        assert!(bytes(store.get(&keys.at(0), &GET).await.unwrap()) == value);

        server.stop();
        server.restart();
        until_it_works(&store, &keys.at(0)).await;
    }

    #[tokio::test]
    async fn a_server_that_somebody_else_vouches_for_is_refused() {
        let certificates = Certificates::generate();
        let server = RedisServer::builder().tls(&certificates).start();
        let stranger = RedisBackend::new(trusting(&server, &Certificates::generate())).unwrap();
        let why = refusal(&stranger, ErrorKind::Auth).await;
        assert!(why.contains("certificate"), "{why}");
        // Nor do the authorities of the system vouch for it; without any there, that is said at once.
        match RedisBackend::new(RedisConfig::new(server.url())) {
            Ok(store) => drop(refusal(&store, ErrorKind::Auth).await),
            Err(error) => assert!(error.to_string().contains("`ca_file`"), "{error}"),
        }
    }

    #[tokio::test]
    async fn a_server_under_another_name_is_refused() {
        let certificates = Certificates::generate();
        let server = RedisServer::builder().tls(&certificates).start();
        let mut config = RedisConfig::new(format!("rediss://127.0.0.2:{}", server.port().unwrap()));
        config.ca_file = Some(certificates.ca());
        // It listens on 127.0.0.1 only.
        let error = RedisBackend::new(config).unwrap().get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }

    #[tokio::test]
    async fn a_server_that_wants_to_see_a_certificate() {
        let certificates = Certificates::generate();
        let server = RedisServer::builder().tls(&certificates).config("tls-auth-clients", "yes").start();
        let mut config = trusting(&server, &certificates);
        let anonymous = RedisBackend::new(config.clone()).unwrap();
        let error = anonymous.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unavailable), "{error}");

        config.client_certificate_file = Some(certificates.client_certificate());
        let without_key = RedisBackend::new(config.clone()).unwrap_err();
        assert!(without_key.message().starts_with("`client_key_file`"), "{without_key}");
        config.client_key_file = Some(certificates.client_key());
        works(&RedisBackend::new(config).unwrap()).await;
    }

    #[tokio::test]
    async fn tls_to_a_server_without_it_and_the_other_way_round() {
        let certificates = Certificates::generate();
        let plain = RedisServer::start();
        let mut config = RedisConfig::new(format!("rediss://{}", plain.address()));
        config.ca_file = Some(certificates.ca());
        refusal(&RedisBackend::new(config).unwrap(), ErrorKind::Unavailable).await;

        let secured = RedisServer::builder().tls(&certificates).start();
        let config = RedisConfig::new(format!("redis://{}", secured.address()));
        refusal(&RedisBackend::new(config).unwrap(), ErrorKind::Unavailable).await;
    }
}
