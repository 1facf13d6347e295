//! Who we are, and whether the server is who it should be.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{config, get, look_up, recovery, set};
use larder_core::{Backend, ErrorKind, settings::Secret};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;

const PASSWORD: &str = "hunter2";

fn with_password(mut config: MemcachedConfig, password: &str) -> MemcachedBackend {
    config.username = Some("larder".to_owned());
    config.password = Some(Secret::new(password));
    MemcachedBackend::new(config).unwrap()
}

#[tokio::test]
async fn a_server_that_asks_is_told_and_told_again_after_a_restart() {
    let server = MemcachedServer::builder().auth("larder", PASSWORD).start();
    let store = with_password(config(&server), PASSWORD);
    for _ in 0..2 {
        set(&store, "plum", "ripe").await.unwrap();
        assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ripe"[..]));
        server.restart();
        recovery(&store).await;
    }
}

#[tokio::test]
async fn a_wrong_password_and_none_are_told_apart_from_a_server_that_is_down() {
    let server = MemcachedServer::builder().auth("larder", PASSWORD).start();
    let wrong = with_password(config(&server), "hunter3");
    let none = MemcachedBackend::new(config(&server)).unwrap();
    for store in [&wrong, &none] {
        for _ in 0..3 {
            let error = look_up(store, "plum").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
            let shown = format!("{error} {error:?} {store:?}");
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
    assert!(!server.log().contains("hunter"));
}

#[tokio::test]
async fn a_password_that_changes_in_its_file_is_used_by_the_next_connection() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "not yet\n").unwrap();
    let server = MemcachedServer::builder().auth("larder", PASSWORD).start();
    let mut config = config(&server);
    config.username = Some("larder".to_owned());
    config.password_file = Some(file.path().to_owned());
    let store = MemcachedBackend::new(config).unwrap();
    assert_eq!(look_up(&store, "plum").await.unwrap_err().kind(), ErrorKind::Auth);
    std::fs::write(file.path(), format!("{PASSWORD}\n")).unwrap();
    recovery(&store).await;
}

#[tokio::test]
async fn a_server_that_does_not_ask_gets_no_password_to_store() {
    let server = MemcachedServer::start();
    let store = with_password(config(&server), PASSWORD);
    set(&store, "plum", "ripe").await.unwrap();
    assert_eq!(common::statistic(&server, "stats", "curr_items"), 1);
    assert_eq!(server.command("mg auth v"), "EN\r\n");
}

#[tokio::test]
async fn what_happens_is_reported_without_the_password() {
    let server = MemcachedServer::builder().auth("larder", PASSWORD).start();
    let store = with_password(config(&server), PASSWORD);
    set(&store, "plum", "ripe").await.unwrap();
    server.stop();
    let error = look_up(&store, "plum").await.unwrap_err();
    let shown = format!("{error} {error:?} {store:?} {:?}", store.capabilities());
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[cfg(feature = "tls")]
mod tls {
    use larder_test_servers::Certificates;

    use super::*;

    fn secured(server: &MemcachedServer, trusted: &Certificates) -> MemcachedConfig {
        let mut config = MemcachedConfig::new([format!("tls://{}", server.address())]);
        config.ca_file = Some(trusted.ca());
        config
    }

    #[tokio::test]
    async fn values_of_all_sizes_go_through_tls() {
        let certificates = Certificates::generate();
        let server = MemcachedServer::builder().tls(&certificates).start();
        let store = MemcachedBackend::new(secured(&server, &certificates)).unwrap();
        for size in [0, 1, 1000, 16_383, 16_384, 100_000, 1_000_000] {
            set(&store, "plum", vec![5; size]).await.unwrap();
            assert!(get(&store, "plum").await.unwrap() == vec![5; size], "{size}");
        }
        server.restart();
        recovery(&store).await;
        set(&store, "plum", "ripe").await.unwrap();
    }

    #[tokio::test]
    async fn many_at_once_through_tls() {
        let certificates = Certificates::generate();
        let server = MemcachedServer::builder().tls(&certificates).start();
        let store = std::sync::Arc::new(MemcachedBackend::new(secured(&server, &certificates)).unwrap());
        let running: Vec<_> = (0..50)
            .map(|n: usize| {
                let store = std::sync::Arc::clone(&store);
                tokio::spawn(async move {
                    for round in 0..20 {
                        let value = format!("{n} {round} ").repeat(n * 20);
                        set(&*store, &n.to_string(), value.clone()).await.unwrap();
                        assert_eq!(get(&*store, &n.to_string()).await.unwrap(), value);
                    }
                })
            })
            .collect();
        for running in running {
            running.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_is_refused() {
        let certificates = Certificates::generate();
        let server = MemcachedServer::builder().tls(&certificates).start();
        let strangers = Certificates::generate();
        let error =
            look_up(&MemcachedBackend::new(secured(&server, &strangers)).unwrap(), "plum").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");

        // Without TLS on one side of the two.
        let plain = MemcachedServer::start();
        let error = look_up(&MemcachedBackend::new(secured(&plain, &certificates)).unwrap(), "plum")
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Auth), "{error}");
        let store = MemcachedBackend::new(MemcachedConfig::new([server.address()])).unwrap();
        let error = look_up(&store, "plum").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol), "{error}");
    }

    #[tokio::test]
    async fn a_server_may_ask_for_the_clients_certificate() {
        let certificates = Certificates::generate();
        let authority = certificates.ca().display().to_string();
        let server = MemcachedServer::builder()
            .tls(&certificates)
            .argument("-o")
            .argument(format!("ssl_verify_mode=2,ssl_ca_cert={authority}"))
            .start();
        let without = secured(&server, &certificates);
        let mut with = without.clone();
        with.client_certificate_file = Some(certificates.client_certificate());
        with.client_key_file = Some(certificates.client_key());
        set(&MemcachedBackend::new(with).unwrap(), "plum", "ripe").await.unwrap();
        look_up(&MemcachedBackend::new(without).unwrap(), "plum").await.unwrap_err();
    }

    #[tokio::test]
    async fn user_and_password_go_through_tls() {
        let certificates = Certificates::generate();
        let server = MemcachedServer::builder().tls(&certificates).auth("larder", PASSWORD).start();
        let store = with_password(secured(&server, &certificates), PASSWORD);
        set(&store, "plum", "ripe").await.unwrap();
    }
}
