//! A new configuration while the proxy runs: as a whole or not at all, and nobody is disconnected.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::common::{Answer, Asked, Origin, Running, answer, ask_at, configured, until};
use http::{Request, Response, uri::Scheme};
use larder_proxy::Proxy;
use larder_test_servers::{Certificates, RedisServer};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls};

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];
const SEARCH: (&str, &str) = ("routes.all.mode", "search-elasticsearch");

fn reload(proxy: &Proxy, origin: &Origin, settings: &[(&str, &str)]) -> Result<(), String> {
    let (larder, configuration) = configured(origin.address, settings);
    proxy.reload(&larder, &configuration).map_err(|why| why.to_string())
}

/// One answer with a body of a known length, on a connection that stays.
async fn on(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = timeout(crate::common::PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let length = text
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().ok());
        if let (Some((_, body)), Some(length)) = (text.split_once("\r\n\r\n"), length)
            && body.len() >= length
        {
            return text;
        }
    }
}

#[tokio::test]
async fn connections_and_what_is_stored_in_memory_stay() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let mut kept = TcpStream::connect(proxy.address).await.unwrap();
    assert!(on(&mut kept, "/x").await.contains("larder;fwd=uri-miss"));

    reload(
        &proxy.proxy,
        &origin,
        &[("routes.pages.upstream", "origin"), ("routes.pages.path", "/p"), ("routes.pages.mode", "pass")],
    )
    .unwrap();
    assert!(on(&mut kept, "/x").await.contains("larder;hit"), "on the same connection, from the same store");
    assert!(on(&mut kept, "/p").await.contains("larder;fwd=bypass"), "by the new route");

    reload(&proxy.proxy, &origin, &[("proxy.name", "other")]).unwrap();
    assert!(on(&mut kept, "/x").await.contains("other;hit"));

    // Another store is another store.
    reload(&proxy.proxy, &origin, &[("caches.http.ttl", "7s")]).unwrap();
    assert!(on(&mut kept, "/x").await.contains("larder;fwd=uri-miss"));
    assert!(on(&mut kept, "/x").await.contains("larder;hit"));

    // A cache that has been another mode's.
    let search = [SEARCH, ("routes.all.cache", "http"), ("caches.http.ttl", "7s")];
    reload(&proxy.proxy, &origin, &search).unwrap();
    assert!(on(&mut kept, "/_cat/nodes").await.contains("an endpoint that is never stored"));
}

#[tokio::test]
async fn all_or_nothing() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    proxy.get("/x").await;
    for (settings, said) in [
        (&[("proxy.listen", "127.0.0.1:1")][..], "proxy.listen: cannot be changed while the proxy runs"),
        (&[("proxy.admin", "127.0.0.1:1")], "proxy.admin: cannot be changed"),
        (&[("proxy.max_connections", "7")], "proxy.max_connections: cannot be changed"),
        (
            &[("proxy.name", "new"), ("routes.all.upstream", "absent")],
            "routes.all.upstream: there is no upstream",
        ),
        (&[("proxy.name", "new"), ("proxy.admin_token", "short")], "proxy.admin_token: is too short"),
        (
            &[("proxy.name", "new"), ("proxy.access_log.file", "/absent/log")],
            "proxy.access_log.file: \"/absent/log\" cannot be opened",
        ),
        (&[("proxy.name", "new"), ("proxy.access_log.queue", "0")], "proxy.access_log.queue: must be from 1"),
        (
            &[
                ("proxy.name", "new"),
                ("proxy.tls.certificate_file", "/absent/c"),
                ("proxy.tls.key_file", "/absent/k"),
            ],
            "proxy.tls.certificate_file: /absent/c: ",
        ),
        (&[("proxy.name", "new"), ("routes.all.mode", "observe")], "routes.all.observe.file: is needed"),
        (
            &[("proxy.name", "new"), ("upstreams.origin.health.interval", "0s")],
            "upstreams.origin.health.interval: must be greater",
        ),
    ] {
        let why = reload(&proxy.proxy, &origin, settings).unwrap_err();
        assert!(why.contains(said), "{settings:?}: {why}");
        assert!(proxy.get("/x").await.is_hit(), "the old one holds, as larder");
    }
}

#[tokio::test]
async fn what_is_under_way_ends_as_it_began() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_millis(300)).await;
        answer(FRESH, "slow")
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    let (slow, ()) = tokio::join!(proxy.get("/x"), async {
        sleep(Duration::from_millis(100)).await;
        reload(&proxy.proxy, &origin, &[("proxy.name", "new")]).unwrap();
    });
    assert_eq!((slow.status, slow.text()), (200, "slow"));
    assert!(slow.cache().starts_with("larder;"), "{}", slow.cache());
    let next = proxy.get("/x").await;
    assert!(next.cache().starts_with("new;hit"), "{}", next.cache());
}

fn hits(_: &Asked) -> Response<larder_proxy::body::Body> {
    answer(
        &[("content-type", "application/json")],
        r#"{"took":1,"timed_out":false,"_shards":{"failed":0},"hits":{}}"#,
    )
}

async fn search(proxy: &Running) -> Answer {
    let request = Request::post("/a/_search").header("content-type", "application/json");
    proxy.ask_with(request, "{}").await
}

/// What a store could not be told is not forgotten with the route that knows it.
#[tokio::test]
async fn invalidations_that_are_owed_are_handed_over() {
    let server = RedisServer::start();
    let origin = Origin::start(|asked: Asked| async move { hits(&asked) }).await;
    let store = [SEARCH, ("stores.main.backend", "redis"), ("stores.main.url", server.url())];
    let proxy = Running::start(origin.address, &store).await;
    search(&proxy).await;
    assert!(search(&proxy).await.is_hit());
    server.pause();
    proxy.ask_with(Request::post("/a/_doc/1").header("content-type", "application/json"), "{}").await;
    assert!(proxy.proxy.counters().invalidations_owed.get() > 0);
    let settings = [&store[..], &[("routes.all.search.ttl", "50s")]].concat();
    reload(&proxy.proxy, &origin, &settings).unwrap();
    server.resume();
    until("it is made up for", async || {
        let found = search(&proxy).await;
        assert!(!found.is_hit() || proxy.proxy.counters().invalidations_owed.get() == 0, "{}", found.cache());
        found.is_hit()
    })
    .await;
    // Once before the write, at least once after it.
    assert!(origin.asked().iter().filter(|asked| asked.target.ends_with("_search")).count() >= 2);
}

async fn secure(
    proxy: &Running,
    authorities: &Path,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(proxy.address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn files(certificates: &Certificates) -> (String, String) {
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    (text(certificates.server_certificate()), text(certificates.server_key()))
}

#[tokio::test]
async fn clients_by_tls_and_a_new_certificate() {
    let certificates = Certificates::generate();
    let (certificate, key) = files(&certificates);
    let origin = Origin::counting(FRESH).await;
    let settings = [("proxy.tls.certificate_file", &*certificate), ("proxy.tls.key_file", &*key)];
    let proxy = Running::start(origin.address, &settings).await;
    let mut kept = secure(&proxy, &certificates.ca(), b"http/1.1").await.unwrap();
    assert!(on(&mut kept, "/x").await.contains("larder;fwd=uri-miss"));
    assert!(on(&mut kept, "/x").await.contains("larder;hit"));

    // HTTP/2 by the same certificate; the address has another scheme than without TLS.
    let stream = secure(&proxy, &certificates.ca(), b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let url = http::Uri::builder().scheme(Scheme::HTTPS).authority("a").path_and_query("/x").build().unwrap();
    let request = Request::get(url).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let found = sender.send_request(request).await.unwrap();
    assert!(found.headers()["cache-status"].to_str().unwrap().contains("hit"));

    let new = Certificates::generate();
    let (certificate, key) = files(&new);
    // One that does not go with its key is refused, and nothing changes.
    let wrong = [("proxy.tls.certificate_file", &*certificate), ("proxy.tls.key_file", settings[1].1)];
    let why = reload(&proxy.proxy, &origin, &wrong).unwrap_err();
    assert!(why.contains("proxy.tls.key_file: ") && why.contains("does not go with"), "{why}");
    assert!(secure(&proxy, &certificates.ca(), b"http/1.1").await.is_ok());
    let right = [("proxy.tls.certificate_file", &*certificate), ("proxy.tls.key_file", &*key)];
    reload(&proxy.proxy, &origin, &right).unwrap();
    assert!(secure(&proxy, &certificates.ca(), b"http/1.1").await.is_err());
    let mut other = secure(&proxy, &new.ca(), b"http/1.1").await.unwrap();
    assert!(on(&mut other, "/x").await.contains("larder;hit"));
    assert!(on(&mut kept, "/x").await.contains("larder;hit"), "who was connected stays so");
}

#[tokio::test]
async fn a_handshake_that_does_not_come() {
    let certificates = Certificates::generate();
    let (certificate, key) = files(&certificates);
    let origin = Origin::counting(FRESH).await;
    let settings = [
        ("proxy.tls.certificate_file", &*certificate),
        ("proxy.tls.key_file", &*key),
        ("proxy.header_timeout", "300ms"),
    ];
    let proxy = Running::start(origin.address, &settings).await;
    let mut silent = TcpStream::connect(proxy.address).await.unwrap();
    let mut slow = TcpStream::connect(proxy.address).await.unwrap();
    // The first bytes of a hello, and no more.
    slow.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    let begun = Instant::now();
    // Nobody waits for them.
    let mut quick = secure(&proxy, &certificates.ca(), b"http/1.1").await.unwrap();
    assert!(on(&mut quick, "/x").await.contains("200 OK"));
    assert!(begun.elapsed() < Duration::from_millis(300));
    for stream in [&mut silent, &mut slow] {
        let mut byte = [0; 64];
        let ended = timeout(crate::common::PATIENCE, stream.read(&mut byte)).await.unwrap();
        assert!(ended.is_err() || ended.is_ok_and(|read| read == 0));
    }
    assert!(begun.elapsed() < Duration::from_secs(3));
    // In plain text, nobody is answered.
    let mut plain = TcpStream::connect(proxy.address).await.unwrap();
    plain.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(crate::common::PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200"), "{answer:?}");
    until("all are gone but one", async || proxy.proxy.counters().connections.get() == 1).await;
}

#[tokio::test]
async fn by_the_listener_for_operators() {
    let origin = Origin::counting(FRESH).await;
    let token = "a token of many characters";
    let proxy = Running::start(origin.address, &[("proxy.admin_token", token)]).await;
    let address = origin.address;
    let (again, count) = (proxy.proxy.clone(), std::sync::atomic::AtomicUsize::new(0));
    let admin = proxy
        .admin(move || {
            let name = if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 { "new" } else { "" };
            let settings = [
                ("proxy.admin_token", token),
                ("proxy.name", name),
                ("routes.all.path", if name.is_empty() { "x" } else { "/" }),
            ];
            let (larder, configuration) = configured(address, &settings);
            again.reload(&larder, &configuration).map_err(|why| why.to_string())
        })
        .await;
    let post = async || {
        ask_at(admin, Request::post("/reload").header("authorization", format!("Bearer {token}")), "").await
    };
    let done = post().await;
    assert_eq!((done.status, done.text()), (200, "the new configuration holds\n"));
    assert!(proxy.get("/x").await.cache().starts_with("new;"));
    let refused = post().await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text().starts_with("the old configuration still holds: routes.all.path: "),
        "{}",
        refused.text()
    );
    assert!(proxy.get("/x").await.cache().starts_with("new;"));
}

/// What a write by the old configuration could not invalidate is owed by the new one as well.
#[tokio::test]
async fn debts_that_are_made_after_a_reload_are_everybodys() {
    let server = RedisServer::start();
    let origin = Origin::start(|asked: Asked| async move {
        if asked.target.contains("_search") {
            let body =
                r#"{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{}}"#;
            return answer(&[("content-type", "application/json")], body);
        }
        sleep(Duration::from_millis(800)).await;
        answer(&[], "{}")
    })
    .await;
    let settings = |name| {
        [
            SEARCH,
            ("proxy.name", name),
            ("stores.main.backend", "redis"),
            ("stores.main.url", server.url()),
            ("caches.search.invalidation_lag", "0s"),
            // So that what is found while the write is under way lives for the whole test.
            ("routes.all.search.refresh_interval", "30s"),
        ]
    };
    let proxy = Running::start(origin.address, &settings("larder")).await;
    let search = async || proxy.ask_with(Request::post("/shop/_search"), "{}").await;
    let (written, ()) = tokio::join!(proxy.ask_with(Request::put("/shop/_doc/1"), "{}"), async {
        sleep(Duration::from_millis(200)).await;
        reload(&proxy.proxy, &origin, &settings("new")).unwrap();
        search().await;
        assert!(search().await.cache().starts_with("new;hit"));
        server.pause();
    });
    assert_eq!(written.status, 200);
    assert!(proxy.proxy.counters().invalidations_owed.get() > 0);
    server.resume();
    // Whatever it takes to reach the store again: what was stored before the answer of the write is not served.
    for _ in 0..40 {
        let found = search().await;
        if found.cache().contains("stored") {
            break;
        }
        assert!(!found.cache().contains(";hit"), "{}", found.cache());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(search().await.cache().contains(";hit"));
    assert_eq!(proxy.proxy.counters().invalidations_owed.get(), 0);
}

/// A write that was under way when the stores were made anew ends what the new ones have as well.
#[tokio::test]
async fn a_write_that_is_under_way_ends_what_new_stores_have() {
    let origin = Origin::start(|asked: Asked| async move {
        if asked.target.contains("_search") {
            let body =
                r#"{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{}}"#;
            return answer(&[("content-type", "application/json")], body);
        }
        sleep(Duration::from_millis(800)).await;
        answer(&[], "{}")
    })
    .await;
    let proxy = Running::start(origin.address, &[SEARCH]).await;
    let search = async || proxy.ask_with(Request::post("/shop/_search"), "{}").await;
    let (written, ()) = tokio::join!(proxy.ask_with(Request::put("/shop/_doc/1?refresh"), "{}"), async {
        sleep(Duration::from_millis(200)).await;
        reload(&proxy.proxy, &origin, &[SEARCH, ("caches.search.ttl", "7s")]).unwrap();
        assert!(search().await.cache().contains("stored"));
        assert!(search().await.cache().contains(";hit"));
    });
    assert_eq!(written.status, 200);
    assert!(!search().await.cache().contains(";hit"), "it was found before the write");
    until("it is stored again", async || search().await.cache().contains(";hit")).await;
    assert_eq!(proxy.proxy.counters().invalidations_owed.get(), 0);
}

/// A reload that is refused changes nothing of what is owed.
#[tokio::test]
async fn a_reload_that_is_refused_supersedes_nothing() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[SEARCH]).await;
    let refused = [SEARCH, ("caches.search.ttl", "7s"), ("proxy.access_log.file", "/absent/log")];
    reload(&proxy.proxy, &origin, &refused).unwrap_err();
    let refused =
        [SEARCH, ("caches.search.ttl", "7s"), ("routes.x.upstream", "origin"), ("routes.x.cache", "search")];
    reload(&proxy.proxy, &origin, &refused).unwrap_err();
    proxy.ask_with(Request::put("/shop/_doc/1"), "{}").await;
    assert_eq!(proxy.proxy.counters().invalidations_owed.get(), 0);
}

/// The refresh gap of a write is known to stores that were made after it.
#[tokio::test]
async fn new_stores_know_that_a_write_may_not_be_visible_yet() {
    let origin = Origin::start(|_| async {
        let body =
            r#"{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{}}"#;
        answer(&[("content-type", "application/json")], body)
    })
    .await;
    let settings = [SEARCH, ("routes.all.search.refresh_interval", "500ms")];
    let proxy = Running::start(origin.address, &settings).await;
    let left = async || {
        proxy.ask_with(Request::post("/shop/_search"), "{}").await;
        let again = proxy.ask_with(Request::post("/shop/_search"), "{}").await;
        again.cache().split("ttl=").nth(1).and_then(|ttl| ttl.parse::<u64>().ok())
    };
    proxy.ask_with(Request::put("/shop/_doc/1"), "{}").await;
    reload(&proxy.proxy, &origin, &[settings[0], settings[1], ("caches.search.ttl", "7s")]).unwrap();
    assert_eq!(left().await, Some(0));
    sleep(Duration::from_millis(1200)).await;
    assert!(left().await > Some(30));
}

/// Whoever asks after a write sees it, however often the stores are made anew meanwhile.
#[tokio::test]
async fn writes_are_seen_across_reloads() {
    let value = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&value);
    let origin = Origin::start(move |asked: Asked| {
        let value = Arc::clone(&shared);
        async move {
            if asked.target.contains("_search") {
                let seen = value.load(Ordering::SeqCst);
                sleep(Duration::from_millis(seen % 7)).await;
                let body = format!(
                    r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"failed":0}},"value":{seen}}}"#
                );
                return answer(&[("content-type", "application/json")], &body);
            }
            sleep(Duration::from_millis(3)).await;
            value.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_millis(3)).await;
            answer(&[], "{}")
        }
    })
    .await;
    let proxy = Running::start(origin.address, &[SEARCH]).await;
    let search = async || {
        let found = proxy.ask_with(Request::post("/shop/_search"), "{}").await;
        let seen =
            found.text().split("\"value\":").nth(1).unwrap().trim_end_matches('}').parse::<u64>().unwrap();
        (seen, found.cache().to_owned())
    };
    let end = Instant::now() + Duration::from_secs(3);
    let writing = async {
        while Instant::now() < end {
            proxy.ask_with(Request::put("/shop/_doc/1?refresh"), "{}").await;
            let written = value.load(Ordering::SeqCst);
            let (seen, how) = search().await;
            assert!(seen >= written, "{seen} after {written}: {how}");
            sleep(Duration::from_millis(written % 5)).await;
        }
    };
    let reading = async {
        while Instant::now() < end {
            search().await;
        }
    };
    let reloading = async {
        for number in 0.. {
            if Instant::now() >= end {
                break;
            }
            let ttl = ["7s", "8s"][number % 2];
            reload(&proxy.proxy, &origin, &[SEARCH, ("caches.search.ttl", ttl)]).unwrap();
            sleep(Duration::from_millis(11)).await;
        }
    };
    tokio::join!(writing, reading, reloading);
}
