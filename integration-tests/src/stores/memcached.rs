//! Memcached: one server, and three that share the keys.

use larder_conformance::{Store, Suite, Time};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;

use super::{PATIENCE, Subject, lazily::Lazily};

/// Enough that nothing a case has written is evicted before the case has read it.
const MEGABYTES: u32 = 512;

pub(super) type Servers = Vec<MemcachedServer>;

pub(super) fn subjects() -> Vec<Subject> {
    let suite =
        |name: &str, servers: Lazily<Servers>| Suite::new(name, move |_| store(&servers)).time(Time::Real);
    vec![
        Subject::new("memcached", "one Memcached", |name| suite(name, Lazily::new(|| start(1)))),
        Subject::new("memcached-ring", "three Memcached that share the keys", |name| {
            suite(name, Lazily::new(|| start(3)))
        }),
    ]
}

pub(super) fn start(count: usize) -> Servers {
    (0..count).map(|_| MemcachedServer::builder().memory_mb(MEGABYTES).start()).collect()
}

fn store(servers: &Lazily<Servers>) -> Store {
    let (peer, vandal, spy) = (servers.clone(), servers.clone(), servers.clone());
    Store::new(connect(servers.get()))
        .with_peer(move |_| connect(peer.get()))
        // Nobody here knows which server has the key: all of them get the bytes.
        .with_vandal(move |key, bytes| vandal.get().iter().for_each(|server| put(server, key, bytes)))
        .with_spy(move |key| spy.get().iter().find_map(|server| look(server, key)))
}

pub(super) fn connect(servers: &Servers) -> MemcachedBackend {
    let mut config = MemcachedConfig::new(servers.iter().map(MemcachedServer::address));
    config.connect_timeout = PATIENCE.into();
    config.response_timeout = PATIENCE.into();
    MemcachedBackend::new(config).unwrap()
}

/// Puts bytes under a key, to stay as long as what is there now.
fn put(server: &MemcachedServer, key: &str, bytes: &[u8]) {
    let answer = server.command(&format!("mg {key} t"));
    // `HD t<seconds>`, -1 for ever, which is written as 0; `EN` if there is nothing.
    let seconds = answer.strip_prefix("HD t").map_or("0", str::trim_end);
    let seconds = if seconds == "-1" { "0" } else { seconds };
    let mut command = format!("ms {key} {} T{seconds}\r\n", bytes.len()).into_bytes();
    command.extend(bytes);
    assert_eq!(server.command_bytes(&command), b"HD\r\n", "{key}");
}

/// `VA <length>\r\n<bytes>\r\n`, or `EN`.
fn look(server: &MemcachedServer, key: &str) -> Option<Vec<u8>> {
    let answer = server.command_bytes(format!("mg {key} v").as_bytes());
    let line_end = answer.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&answer[..line_end]).unwrap();
    let length: usize = line.strip_prefix("VA ")?.trim_end().parse().unwrap();
    Some(answer[line_end + 2..][..length].to_vec())
}
