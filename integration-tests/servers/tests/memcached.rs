//! memcached: started in each way that a backend's test needs, and disturbed in each.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use larder_test_servers::{Certificates, Error, MemcachedRing, MemcachedServer};

/// Checks what a client without any cleverness gets for a request.
fn talk(mut stream: impl Read + Write, request: &str, expected: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}

fn connect(memcached: &MemcachedServer) -> TcpStream {
    let stream = TcpStream::connect(memcached.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

#[test]
fn the_default_server_is_reachable() {
    let memcached = MemcachedServer::start();
    talk(connect(&memcached), "set plum 0 0 4\r\nripe\r\n", "STORED\r\n");
    assert_eq!(memcached.command("mg plum t v"), "VA 4 t-1\r\nripe\r\n");
    assert_eq!(memcached.command("mg pear v"), "EN\r\n");
    assert_eq!(memcached.command("mg plum\r\nmg pear"), "HD\r\nEN\r\n");
    assert_eq!(memcached.command("get plum pear"), "VALUE plum 0 4\r\nripe\r\nEND\r\n");
    assert!(memcached.command("nonsense").starts_with("ERROR"));
}

#[test]
fn values_are_bytes() {
    let memcached = MemcachedServer::start();
    let value = b"\0\xff\r\nMN\r\nEND\r\n";
    let request = [format!("set raw 0 0 {}\r\n", value.len()).as_bytes(), value].concat();
    assert_eq!(memcached.command_bytes(&request), b"STORED\r\n");
    let expected = [b"VA 13\r\n".as_slice(), value, b"\r\n"].concat();
    assert_eq!(memcached.command_bytes(b"mg raw v"), expected);
}

#[test]
fn a_unix_socket_instead_of_a_port() {
    let memcached = MemcachedServer::builder().unix_socket().start();
    assert_eq!(memcached.port(), None);
    let socket = memcached.socket().unwrap();
    assert_eq!(memcached.address(), socket.display().to_string());
    talk(UnixStream::connect(socket).unwrap(), "mn\r\n", "MN\r\n");
}

#[test]
fn sizes_and_threads_are_taken_over() {
    let memcached = MemcachedServer::builder().memory_mb(3).max_item_kb(100).threads(1).start();
    let settings = memcached.command("stats settings");
    for setting in ["maxbytes 3145728", "item_size_max 102400", "num_threads 1"] {
        assert!(settings.contains(&format!("STAT {setting}\r\n")), "{setting}: {settings}");
    }
}

#[test]
fn the_largest_item_may_be_of_any_size() {
    for kilobytes in [1, 7, 100, 512, 1000, 1024, 1536, 8192] {
        let memcached = MemcachedServer::builder().max_item_kb(kilobytes).start();
        let set = |bytes: usize| memcached.command(&format!("set plum 0 0 {bytes}\r\n{}", "x".repeat(bytes)));
        let largest = kilobytes as usize * 1024;
        assert_eq!(set(largest - 100), "STORED\r\n", "{kilobytes}");
        assert_eq!(set(largest), "SERVER_ERROR object too large for cache\r\n", "{kilobytes}");
    }
}

#[test]
fn users_are_asked_for_their_password() {
    let memcached = MemcachedServer::builder().auth("larder", "secret").start();
    talk(connect(&memcached), "mg plum v\r\n", "CLIENT_ERROR unauthenticated\r\n");
    talk(connect(&memcached), "set a 0 0 12\r\nlarder wrong\r\n", "CLIENT_ERROR authentication failure\r\n");
    talk(connect(&memcached), "set a 0 0 13\r\nlarder secret\r\nmg plum v\r\n", "STORED\r\nEN\r\n");
    assert_eq!(memcached.command("mg plum v"), "EN\r\n");
}

#[test]
fn tls_with_a_certificate_that_only_its_own_authority_vouches_for() {
    let certificates = Certificates::generate();
    let memcached = MemcachedServer::builder().tls(&certificates).start();
    assert!(openssl(&memcached, &certificates).contains("VERSION 1."));
    assert!(!openssl(&memcached, &Certificates::generate()).contains("VERSION"));
    memcached.restart();
    assert!(openssl(&memcached, &certificates).contains("VERSION 1."));
}

/// What OpenSSL's client gets for the command `version`, if it trusts the certificate's authority and name.
fn openssl(memcached: &MemcachedServer, trusted: &Certificates) -> String {
    openssl_with(memcached, trusted, &[])
}

fn openssl_with(memcached: &MemcachedServer, trusted: &Certificates, more: &[&str]) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-CAfile"])
        .arg(trusted.ca())
        .args(["-connect", &memcached.address()])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the Debian package openssl is needed");
    // A client that refused the certificate may be gone already.
    let _ = client.stdin.take().unwrap().write_all(b"version\r\nquit\r\n");
    String::from_utf8_lossy(&client.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn a_paused_server_accepts_and_does_not_answer_until_it_is_resumed() {
    let memcached = MemcachedServer::start();
    for _ in 0..20 {
        memcached.pause();
        let mut client = connect(&memcached);
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        client.write_all(b"mn\r\n").unwrap();
        let mut answer = [0; 4];
        assert_eq!(client.read_exact(&mut answer).unwrap_err().kind(), ErrorKind::WouldBlock);

        memcached.resume();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"MN\r\n");
    }
}

#[test]
fn a_stopped_server_refuses_and_comes_back_empty_at_the_same_address() {
    for builder in [MemcachedServer::builder(), MemcachedServer::builder().unix_socket()] {
        let memcached = builder.start();
        let address = memcached.address();
        memcached.command("set plum 0 0 4\r\nripe");
        memcached.stop();
        let refused = match memcached.socket() {
            Some(socket) => UnixStream::connect(socket).map(drop),
            None => TcpStream::connect(&address).map(drop),
        };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);

        memcached.restart();
        assert_eq!(memcached.address(), address);
        assert_eq!(memcached.command("mg plum v"), "EN\r\n");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let missing = MemcachedServer::builder().program("no-such-memcached").try_start().unwrap_err();
    assert!(matches!(missing, Error::NotInstalled { .. }));
    assert!(missing.to_string().contains("apt-get install memcached"), "{missing}");

    let misspelt = MemcachedServer::builder().argument("--no-such-option").try_start().unwrap_err();
    assert!(matches!(misspelt, Error::Exited { .. }));
    assert!(misspelt.to_string().contains("no-such-option"), "{misspelt}");
}

#[test]
fn tls_can_ask_for_the_clients_certificate() {
    let certificates = Certificates::generate();
    let memcached = MemcachedServer::builder().client_certificates(&certificates).start();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let (certificate, key) = (path(certificates.client_certificate()), path(certificates.client_key()));
    assert!(!openssl(&memcached, &certificates).contains("VERSION"));
    let with = ["-cert", &certificate, "-key", &key];
    assert!(openssl_with(&memcached, &certificates, &with).contains("VERSION 1."));
    assert!(memcached.command("version").starts_with("VERSION"));
}

#[test]
fn a_password_can_change() {
    let memcached = MemcachedServer::builder().auth("shop", "old").start();
    memcached.change_password("new");
    assert!(memcached.command("version").starts_with("VERSION"));
    talk(connect(&memcached), "set a 0 0 8\r\nshop old\r\n", "CLIENT_ERROR authentication failure\r\n");
    talk(connect(&memcached), "set a 0 0 8\r\nshop new\r\n", "STORED\r\n");
}

#[test]
fn the_operator_can_have_a_port_of_its_own() {
    let memcached = MemcachedServer::builder().own_operator_port().start();
    talk(connect(&memcached), "mn\r\n", "MN\r\n");
    memcached.pause();
    memcached.resume();
    memcached.restart();
    assert!(memcached.command("stats").contains("STAT pid"));
}

#[test]
fn three_of_them_share_nothing() {
    let ring = MemcachedRing::start();
    ring[0].command("set plum 0 0 4\r\nripe");
    assert_eq!(ring[1].command("mg plum v"), "EN\r\n");
    assert_eq!(ring.addresses().len(), ring.iter().collect::<Vec<_>>().len());
    ring[0].stop();
    assert_eq!(ring[2].command("mg plum v"), "EN\r\n");
}
