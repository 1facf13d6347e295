//! The proxy, before real servers: what passes is right, and what is broken is broken in the way that was asked for.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::eventually;
use larder_test_servers::{Fault, MemcachedServer, Protocol, Proxy, RedisServer};

const PONG: &[u8] = b"+PONG\r\n";

fn redis() -> (RedisServer, Proxy) {
    let redis = RedisServer::start();
    let proxy = Proxy::start(Protocol::Resp, redis.port().unwrap());
    (redis, proxy)
}

struct Client(TcpStream);

impl Client {
    fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn send(&mut self, request: &[u8]) {
        self.0.write_all(request).unwrap();
    }

    fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).map(|()| bytes)
    }

    fn ask(&mut self, request: &[u8], length: usize) -> io::Result<Vec<u8>> {
        self.0.write_all(request)?;
        self.read(length)
    }

    fn ping(&mut self) -> io::Result<Vec<u8>> {
        self.ask(b"PING\r\n", PONG.len())
    }

    /// All that comes until the connection ends, and how it does.
    fn rest(&mut self) -> (Vec<u8>, Option<ErrorKind>) {
        let mut bytes = Vec::new();
        let end = self.0.read_to_end(&mut bytes).err().map(|why| why.kind());
        (bytes, end)
    }

    fn is_silent(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let silent = self.0.read(&mut [0]).is_err_and(|why| why.kind() == ErrorKind::WouldBlock);
        self.0.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        silent
    }
}

#[test]
fn without_a_fault_everything_passes_in_both_protocols() {
    let (_redis, proxy) = redis();
    let mut client = Client::connect(&proxy);
    for _ in 0..100 {
        assert_eq!(client.ping().unwrap(), PONG);
    }
    let value = vec![b'v'; 3_000_000];
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len()).as_bytes());
    client.send(&value);
    assert_eq!(client.ask(b"\r\n", 5).unwrap(), b"+OK\r\n");
    let reply = client.ask(b"GET k\r\n", value.len() + 12).unwrap();
    assert_eq!(reply, [b"$3000000\r\n".as_slice(), &value, b"\r\n"].concat());

    let memcached = MemcachedServer::start();
    let proxy = Proxy::start(Protocol::Meta, memcached.port().unwrap());
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask(b"ms k 4 T0 O1\r\nripe\r\n", 7).unwrap(), b"HD O1\r\n");
    assert_eq!(client.ask(b"mg k v O2\r\nmg l v\r\n", 19).unwrap(), b"VA 4 O2\r\nripe\r\nEN\r\n");
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn delays_are_not_added_up_in_a_pipeline() {
    let (_redis, proxy) = redis();
    let mut client = Client::connect(&proxy);
    client.ping().unwrap();
    proxy.set(Fault::Delay(Duration::from_millis(100)));
    let begun = Instant::now();
    client.ask(&b"PING\r\n".repeat(50), 50 * PONG.len()).unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(2), "{took:?}");
    proxy.heal();
    assert_eq!(client.ping().unwrap(), PONG);
}

#[test]
fn replies_come_twice_in_another_order_or_unasked() {
    let (_redis, proxy) = redis();
    let echo = |word: &str| format!("ECHO {word}\r\n").into_bytes();
    let mut client = Client::connect(&proxy);
    client.ping().unwrap();
    proxy.set(Fault::Doubled(1));
    assert_eq!(client.ask(&echo("a"), 14).unwrap(), b"$1\r\na\r\n$1\r\na\r\n");

    proxy.heal();
    let mut client = Client::connect(&proxy);
    client.ping().unwrap();
    proxy.set(Fault::Swapped(1));
    client.send(&[echo("a"), echo("b")].concat());
    assert_eq!(client.read(14).unwrap(), b"$1\r\nb\r\n$1\r\na\r\n");
    // A reply that no other follows is not kept for ever.
    assert_eq!(client.ask(&echo("c"), 7).unwrap(), b"$1\r\nc\r\n");

    proxy.heal();
    let mut client = Client::connect(&proxy);
    proxy.set(Fault::Unsolicited(Duration::from_millis(5)));
    assert_eq!(client.read(11).unwrap(), b"$5\r\nnever\r\n");
}

#[test]
fn connections_that_were_spoilt_end_with_the_fault() {
    for fault in [Fault::Doubled(1), Fault::Garbage, Fault::HugeLength, Fault::NeverAnswered] {
        let (_redis, proxy) = redis();
        proxy.set(fault);
        let mut client = Client::connect(&proxy);
        client.send(b"PING\r\n");
        if fault == Fault::NeverAnswered {
            assert!(client.is_silent());
        } else {
            client.read(1).unwrap();
        }
        proxy.heal();
        assert_eq!(client.rest().1, Some(ErrorKind::ConnectionReset), "{fault:?}");
        assert_eq!(Client::connect(&proxy).ping().unwrap(), PONG);
    }
}

#[test]
fn lengths_that_lie_are_those_of_the_protocol() {
    let (_redis, proxy) = redis();
    proxy.set(Fault::HugeLength);
    let expected = b"$999999999\r\n";
    assert_eq!(Client::connect(&proxy).ask(b"PING\r\n", expected.len()).unwrap(), expected);

    let memcached = MemcachedServer::start();
    let proxy = Proxy::start(Protocol::Meta, memcached.port().unwrap());
    proxy.set(Fault::HugeLength);
    let expected = b"VA 999999999 Oab\r\n";
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask(b"mg k v Oab\r\n", expected.len()).unwrap(), expected);
}

#[test]
fn connections_are_cut_after_some_bytes_reset_or_closed_on_one_side() {
    let (_redis, proxy) = redis();
    proxy.set(Fault::Cut);
    for length in [0, 1, 5, 17] {
        let mut client = Client::connect(&proxy);
        client.send(&b"PING\r\n".repeat(3));
        assert_eq!(client.rest().0.len(), length);
    }
    proxy.heal();

    proxy.set(Fault::Reset);
    let mut client = Client::connect(&proxy);
    client.send(b"PING\r\n");
    assert_eq!(client.rest(), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    proxy.heal();

    let mut open = Client::connect(&proxy);
    open.ping().unwrap();
    proxy.set(Fault::HalfClosed);
    for mut client in [open, Client::connect(&proxy)] {
        assert_eq!(client.rest(), (Vec::new(), None));
        // The other direction is still there.
        for _ in 0..10 {
            client.send(b"PING\r\n");
        }
    }
}

#[test]
fn a_black_hole_swallows_nothing_and_lets_nobody_in() {
    let (_redis, proxy) = redis();
    let address: SocketAddr = proxy.address().parse().unwrap();
    for _ in 0..3 {
        let mut client = Client::connect(&proxy);
        client.ping().unwrap();
        proxy.set(Fault::BlackHole);
        client.send(b"PING\r\n");
        assert!(client.is_silent());
        let refused = TcpStream::connect_timeout(&address, Duration::from_millis(200)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
        proxy.heal();
        assert_eq!(client.read(PONG.len()).unwrap(), PONG);
        assert_eq!(Client::connect(&proxy).ping().unwrap(), PONG);
    }
}

#[test]
fn a_server_that_is_down_is_hung_up_on_and_a_dropped_proxy_leaves_nothing() {
    let (redis, proxy) = redis();
    let mut client = Client::connect(&proxy);
    client.ping().unwrap();
    redis.stop();
    assert_eq!(client.rest().0, b"");
    assert_eq!(Client::connect(&proxy).rest().0, b"");
    redis.restart();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ping().unwrap(), PONG);

    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let (before, address) = (threads(), proxy.address());
    drop(proxy);
    assert_eq!(client.rest().0, b"");
    assert!(TcpStream::connect(&address).is_err());
    eventually("threads of the proxy are left", || threads() < before);
}
