//! What a real Redis spends on its listeners. The processor time of its main thread is taken, not time that passes: the listeners
//! and whoever writes run on the same machine.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use larder_core::{
    Backend as _, Key,
    backend::{Ear, GetOptions, Notice},
    key::{Namespace, StoreKey},
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{RedisServer, Reply};
use loading_trials::{Outcome, runtime};

/// How many connections listen.
const LISTENERS: [usize; 4] = [0, 1, 10, 100];
/// How often each is measured, of which the middle one counts, and for how long.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_millis(500);
/// How many writes come at once where the server can tell of many keys in one message.
const MANY: usize = 100;
/// How long it then is until the next ones: the listeners, on the same machine, have to keep up.
const PAUSE: Duration = Duration::from_millis(10);
/// How many clients there are where each of them has one command at the same time.
const CLIENTS: usize = 50;

/// How the writes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// One, and the next when it is answered.
    One,
    /// [`MANY`] keys by one client.
    Many,
    /// One by each of several clients, of keys that nobody listens to.
    Clients,
}

impl Manner {
    const ALL: [Self; 3] = [Self::One, Self::Many, Self::Clients];

    /// Clients, and writes of each at once.
    fn counts(self) -> (usize, usize) {
        match self {
            Self::One => (1, 1),
            Self::Many => (1, MANY),
            Self::Clients => (CLIENTS, 1),
        }
    }
}

#[derive(Debug, Default)]
struct Counting {
    notices: AtomicU64,
    beats: AtomicU64,
}

impl Ear for Counting {
    fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(_) => self.notices.fetch_add(1, Relaxed),
            Notice::Alive(_) => self.beats.fetch_add(1, Relaxed),
            _ => 0,
        };
    }
}

/// What some writes cost.
struct Seen {
    listeners: usize,
    manner: Manner,
    /// Nanoseconds of the server for all writes that came at once.
    each: f64,
    notices: u64,
    /// How many there had to be.
    expected: u64,
}

/// Measures, and prints what the constants of the simulation are to be.
pub(crate) fn run() -> Outcome {
    let runtime = runtime(1)?;
    let mut seen = Vec::new();
    for listeners in LISTENERS {
        let server = RedisServer::start();
        let ear = Arc::new(Counting::default());
        let stores = runtime.block_on(listen(&server, listeners, &ear))?;
        for manner in Manner::ALL {
            let mut turns =
                (0..TURNS).map(|_| write(&server, listeners, manner, &ear)).collect::<Outcome<Vec<_>>>()?;
            turns.sort_by(|one, other| one.each.total_cmp(&other.each));
            seen.push(turns.swap_remove(TURNS / 2));
        }
        runtime.block_on(async {
            for store in stores {
                let _ = store.close().await;
            }
        });
    }
    runtime.shutdown_background();
    tell(&seen);
    Ok(())
}

async fn listen(server: &RedisServer, listeners: usize, ear: &Arc<Counting>) -> Outcome<Vec<RedisBackend>> {
    let namespace = Namespace::new("s", 0)?;
    let mut stores = Vec::new();
    for _ in 0..listeners {
        let store = RedisBackend::new(RedisConfig::new(server.url()))?;
        let there: Arc<dyn Ear> = Arc::clone(ear) as _;
        store.bus().ok_or("no bus")?.listen(&namespace, Arc::downgrade(&there));
        store.get(&StoreKey::new(&namespace, &Key::new("k")), &GetOptions::new()).await?;
        stores.push(store);
    }
    // Each has connected, and each has given a sign of life.
    let begun = Instant::now();
    while ear.beats.load(Relaxed) < 3 * listeners as u64 {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err("not all listeners hear".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(stores)
}

/// Microseconds of the server's main thread since it began.
fn spent(server: &RedisServer) -> Outcome<f64> {
    let Reply::Bytes(told) = server.command(&["INFO", "cpu"]) else { return Err("no INFO".into()) };
    let told = String::from_utf8_lossy(&told);
    let sum: f64 = ["used_cpu_sys_main_thread:", "used_cpu_user_main_thread:"]
        .iter()
        .filter_map(|name| told.lines().find_map(|line| line.strip_prefix(name)))
        .filter_map(|seconds| seconds.trim().parse::<f64>().ok())
        .sum();
    Ok(sum * 1e9)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn write(server: &RedisServer, listeners: usize, manner: Manner, ear: &Counting) -> Outcome<Seen> {
    let (clients, at_once) = manner.counts();
    let mut connections = (0..clients)
        .map(|_| {
            let connection = TcpStream::connect(server.address())?;
            connection.set_nodelay(true)?;
            Ok(connection)
        })
        .collect::<Outcome<Vec<_>>>()?;
    let (value, namespace) = ("v".repeat(100), if manner == Manner::Clients { "t" } else { "s" });
    let command = |n: usize| {
        let key = format!("{namespace}:key/{n:03}");
        format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$100\r\n{value}\r\n", key.len())
    };
    // Answers, of five bytes each.
    let mut said = vec![0; at_once * 5];
    let mut ask = |round: usize| -> Outcome {
        let words: String = (0..at_once).map(|n| command((round + n) % 1000)).collect();
        for connection in &mut connections {
            connection.write_all(words.as_bytes())?;
        }
        for connection in &mut connections {
            connection.read_exact(&mut said)?;
            if said.chunks(5).any(|answer| answer != b"+OK\r\n") {
                return Err("a write failed".into());
            }
        }
        if manner == Manner::Many {
            thread::sleep(PAUSE);
        }
        Ok(())
    };
    (0..100).try_for_each(&mut ask)?;
    thread::sleep(Duration::from_millis(300));
    let heard = ear.notices.load(Relaxed);
    let (before, begun, mut rounds) = (spent(server)?, Instant::now(), 0_usize);
    while begun.elapsed() < TURN {
        ask(rounds)?;
        rounds += 1;
    }
    let cost = spent(server)? - before;
    thread::sleep(Duration::from_millis(300));
    let told = if manner == Manner::Clients { 0 } else { rounds * at_once * listeners };
    Ok(Seen {
        listeners,
        manner,
        each: cost / rounds as f64,
        notices: ear.notices.load(Relaxed) - heard,
        expected: told as u64,
    })
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn tell(seen: &[Seen]) {
    println!("| listeners | clients | writes at once, of each | server time for them | notices heard |");
    println!("|---|---|---|---|---|");
    for Seen { listeners, manner, each, notices, expected } in seen {
        let (clients, at_once) = manner.counts();
        let micros = each / 1e3;
        println!("| {listeners} | {clients} | {at_once} | {micros:.1} µs | {notices} of {expected} |");
    }
    let of = |listeners, manner| {
        let found = seen.iter().find(|seen| seen.listeners == listeners && seen.manner == manner);
        found.map_or(0.0, |seen| seen.each)
    };
    let most = LISTENERS[LISTENERS.len() - 1];
    let message = |manner| (of(most, manner) - of(0, manner)) / most as f64;
    let key = (message(Manner::Many) - message(Manner::One)) / (MANY - 1) as f64;
    let command = (of(0, Manner::Clients) - of(0, Manner::One)) / (CLIENTS - 1) as f64;
    println!(
        "\nturn: {:.0}, command: {command:.0}, message: {:.0}, key: {key:.0} (nanoseconds)",
        of(0, Manner::One) - command,
        message(Manner::One) - key
    );
}
