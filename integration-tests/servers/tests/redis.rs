//! redis-server: started in each way that a backend's test needs, and disturbed in each.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::output;
use larder_test_servers::{Certificates, Error, RedisServer, Reply, old_redis, valkey};

fn redis_cli(redis: &RedisServer, arguments: &[&str]) -> String {
    let port = redis.port().unwrap().to_string();
    output("redis-cli", &[&["-h", "127.0.0.1", "-p", &port], arguments].concat())
}

#[test]
fn the_default_server_is_reachable_and_persists_nothing() {
    let redis = RedisServer::start();
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}", redis.port().unwrap()));
    assert_eq!(redis_cli(&redis, &["SET", "plum", "ripe"]), "OK");
    assert_eq!(redis.command(&["GET", "plum"]).bytes(), Some(b"ripe".as_slice()));
    assert_eq!(redis.command(&["TTL", "plum"]).integer(), Some(-1));
    assert_eq!(redis.command(&["GET", "pear"]), Reply::Nil);
    assert_eq!(redis.command(&["CONFIG", "GET", "save"]).to_string(), "save\n");
    assert_eq!(redis.command(&["CONFIG", "GET", "appendonly"]).to_string(), "appendonly\nno");
}

#[test]
fn values_are_bytes() {
    let redis = RedisServer::start();
    let value = [0, 13, 10, 255, 36];
    redis.command(&[b"SET".as_slice(), b"raw", &value]);
    assert_eq!(redis.command(&["GET", "raw"]).bytes(), Some(value.as_slice()));
}

#[test]
#[should_panic(expected = "NO-SUCH-COMMAND now: ERR unknown command")]
fn a_refused_command_fails_the_test() {
    RedisServer::start().command(&["NO-SUCH-COMMAND", "now"]);
}

#[test]
fn two_servers_share_nothing() {
    let (one, two) = (RedisServer::start(), RedisServer::start());
    one.command(&["SET", "plum", "ripe"]);
    assert_eq!(two.command(&["DBSIZE"]).integer(), Some(0));
}

#[test]
fn a_unix_socket_instead_of_a_port() {
    let redis = RedisServer::builder().unix_socket().start();
    assert_eq!(redis.port(), None);
    let socket = redis.socket().unwrap();
    assert_eq!(redis.url(), format!("redis+unix://{}", socket.display()));
    assert_eq!(output("redis-cli", &["-s", socket.to_str().unwrap(), "PING"]), "PONG");
    assert_eq!(redis.command(&["CONFIG", "GET", "port"]).to_string(), "port\n0");
}

#[test]
fn a_password_is_asked_of_clients_and_not_of_the_operator() {
    let redis = RedisServer::builder().password("two words, a \"quote\"").start();
    assert!(redis_cli(&redis, &["PING"]).contains("NOAUTH"));
    assert_eq!(redis_cli(&redis, &["--no-auth-warning", "-a", "two words, a \"quote\"", "PING"]), "PONG");
    assert_eq!(redis.command(&["PING"]).to_string(), "PONG");

    redis.command(&["CONFIG", "SET", "requirepass", "changed"]);
    assert_eq!(redis.command(&["PING"]).to_string(), "PONG");
}

#[test]
fn acl_users_have_the_rights_they_were_given() {
    let redis = RedisServer::builder().acl_user("reader", "on >secret ~app:* +get").start();
    let reader = ["--no-auth-warning", "--user", "reader", "-a", "secret"];
    let run = |command: &[&str]| redis_cli(&redis, &[&reader, command].concat());
    assert_eq!(run(&["GET", "app:plum"]), "");
    assert!(run(&["GET", "other"]).contains("NOPERM"));
    assert!(run(&["SET", "app:plum", "ripe"]).contains("NOPERM"));
}

#[test]
fn configuration_lines_are_taken_over() {
    let redis =
        RedisServer::builder().config("maxmemory", "2mb").config("maxmemory-policy", "allkeys-lru").start();
    assert_eq!(redis.command(&["CONFIG", "GET", "maxmemory"]).to_string(), "maxmemory\n2097152");
    assert_eq!(redis.command(&["CONFIG", "GET", "maxmemory-policy"]).list()[1].to_string(), "allkeys-lru");
}

#[test]
fn tls_with_a_certificate_that_only_its_own_authority_vouches_for() {
    let certificates = Certificates::generate();
    let redis = RedisServer::builder().tls(&certificates).start();
    assert_eq!(redis.url(), format!("rediss://127.0.0.1:{}", redis.port().unwrap()));

    let ca = certificates.ca();
    assert_eq!(redis_cli(&redis, &["--tls", "--cacert", ca.to_str().unwrap(), "PING"]), "PONG");
    let stranger = Certificates::generate().ca();
    let refusal = redis_cli(&redis, &["--tls", "--cacert", stranger.to_str().unwrap(), "PING"]);
    assert!(!refusal.contains("PONG"), "{refusal}");
    assert!(!redis_cli(&redis, &["PING"]).contains("PONG"));
    assert_eq!(redis.command(&["PING"]).to_string(), "PONG");
}

#[test]
fn tls_can_ask_for_the_clients_certificate() {
    let certificates = Certificates::generate();
    let redis = RedisServer::builder().client_certificates(&certificates).start();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let ca = path(certificates.ca());
    let (certificate, key) = (path(certificates.client_certificate()), path(certificates.client_key()));
    assert!(!redis_cli(&redis, &["--tls", "--cacert", &ca, "PING"]).contains("PONG"));
    let with = ["--tls", "--cacert", &ca, "--cert", &certificate, "--key", &key, "PING"];
    assert_eq!(redis_cli(&redis, &with), "PONG");
}

#[test]
fn a_paused_server_accepts_and_does_not_answer_until_it_is_resumed() {
    let redis = RedisServer::start();
    for _ in 0..20 {
        redis.pause();
        redis.pause();
        let mut client = TcpStream::connect(redis.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        client.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        let error = client.read_exact(&mut answer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);

        redis.resume();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
    }
}

#[test]
fn a_stopped_server_refuses_and_comes_back_empty_on_the_same_port() {
    let redis = RedisServer::start();
    let (address, pid) = (redis.address(), redis.pid());
    let mut client = TcpStream::connect(&address).unwrap();
    redis.command(&["SET", "plum", "ripe"]);

    redis.stop();
    redis.stop();
    assert_eq!(redis.pid(), None);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(TcpStream::connect(&address).unwrap_err().kind(), ErrorKind::ConnectionRefused);

    redis.restart();
    assert_eq!(redis.address(), address);
    assert_ne!(redis.pid(), pid);
    assert_eq!(redis_cli(&redis, &["DBSIZE"]), "0");
    redis.restart();
    assert_eq!(redis_cli(&redis, &["DBSIZE"]), "0");
}

#[test]
fn a_paused_server_can_be_stopped_and_restarted() {
    let redis = RedisServer::builder().unix_socket().start();
    redis.pause();
    redis.stop();
    assert_eq!(
        UnixStream::connect(redis.socket().unwrap()).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    redis.restart();
    assert_eq!(redis.command(&["PING"]).to_string(), "PONG");
}

#[test]
#[should_panic(expected = "was stopped")]
fn a_stopped_server_cannot_be_paused() {
    let redis = RedisServer::start();
    redis.stop();
    redis.pause();
}

#[test]
fn what_is_wrong_is_said() {
    let missing = RedisServer::builder().program("no-such-redis").try_start().unwrap_err();
    assert!(matches!(missing, Error::NotInstalled { .. }));
    assert!(missing.to_string().contains("no-such-redis"), "{missing}");
    assert!(missing.to_string().contains("apt-get install redis-server"), "{missing}");

    let misspelt = RedisServer::builder().config("maxmemroy", "2mb").try_start().unwrap_err();
    assert!(matches!(misspelt, Error::Exited { .. }));
    assert!(misspelt.to_string().contains("maxmemroy"), "{misspelt}");

    let impossible =
        RedisServer::builder().unix_socket().tls(&Certificates::generate()).try_start().unwrap_err();
    assert!(matches!(impossible, Error::Options(_)));
}

#[test]
fn other_servers_that_speak_redis_run_as_well() {
    for (program, version) in [(valkey(), "valkey_version:9."), (old_redis(), "redis_version:6.2.")] {
        let Some(program) = program else {
            eprintln!("not tried, since it is not here: {version}; `cargo xtask test` gets it");
            continue;
        };
        let server = RedisServer::builder().program(program).password("secret").start();
        assert!(server.command(&["INFO", "server"]).to_string().contains(version));
        assert!(redis_cli(&server, &["PING"]).contains("NOAUTH"));
        server.restart();
        assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
    }
}
