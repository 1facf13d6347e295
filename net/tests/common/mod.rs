//! A toy protocol on real sockets: a request is a line, and so is its reply, which repeats it. `many n` has a reply of `n`
//! parts. Reads leave together as `read a b c`.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "not every test uses everything")]

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_net::{
    Address, Collects, Connection, Endpoint, Event, Failure, Input, Limits, Outgoing, Protocol, Server,
    Session, Stream, Talk,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::AbortHandle,
};

/// The protocol. It expects an echo.
#[derive(Debug)]
pub struct Echo;

impl Protocol for Echo {
    type Request<'a> = String;
    type Reply = String;
    type Expected = u64;

    fn write(request: &String, _: u32, out: &mut Outgoing) -> u64 {
        out.put(request.as_bytes());
        out.put(b"\r\n");
        hash(request)
    }

    fn read(&mut self, input: &mut Input) -> Result<Option<Event<String>>, Failure> {
        let line = input.line(100, |line| String::from_utf8(line.to_vec()).unwrap_or_default())?;
        Ok(line.map(|line| match line.strip_prefix('*').map(str::parse) {
            Some(Ok(parts)) => Event::Parts(parts),
            _ => Event::Reply(line),
        }))
    }

    fn check(&mut self, expected: u64, reply: &String) -> Result<(), Failure> {
        if expected == PARTS || expected == hash(reply) || reply.starts_with("part") {
            return Ok(());
        }
        Err(Failure::protocol("the server sent a reply that belongs to another request"))
    }
}

/// What is expected of the parts of a reply.
const PARTS: u64 = 0;

fn hash(text: &str) -> u64 {
    text.bytes().fold(1469, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)) | 1
}

impl Collects for Echo {
    type Key<'a> = &'a str;

    fn write_key(key: &&str, out: &mut Vec<u8>) {
        out.push(b' ');
        out.extend_from_slice(key.as_bytes());
    }

    fn write_keys(keys: &[u8], count: usize, _: u32, out: &mut Outgoing) -> u64 {
        if count == 1 {
            out.put(&keys[1..]);
            out.put(b"\r\n");
            return hash(std::str::from_utf8(&keys[1..]).unwrap());
        }
        out.put(b"read");
        out.put(keys);
        out.put(b"\r\n");
        PARTS
    }

    fn among_others(reply: String) -> String {
        format!("{reply} among others")
    }
}

/// How to reach a toy server.
pub struct Toy {
    pub endpoint: Endpoint,
    pub limits: Limits,
    pub valid_for: Option<Duration>,
}

impl Server for Toy {
    type Protocol = Echo;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn greet(&self, stream: &mut Stream) -> Result<Session<Echo>, Failure> {
        let mut talk = Talk::new(stream);
        talk.say(b"hello\r\n").await;
        let answer = talk.line(100).await?;
        if answer != "hello" {
            return Err(Failure::protocol("this is no toy"));
        }
        talk.end()?;
        Ok(Session::new(Echo).valid_for(self.valid_for))
    }
}

/// Bounds that let a test end soon.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.connect_timeout = Duration::from_secs(5);
    limits.response_timeout = Duration::from_secs(5);
    limits
}

/// A server, and what it has seen.
pub struct Listening {
    pub address: Address,
    pub connections: Arc<AtomicUsize>,
    pub lines: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listening {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn connect(&self, limits: Limits) -> Connection<Toy> {
        self.connect_for(limits, None)
    }

    pub fn connect_for(&self, limits: Limits, valid_for: Option<Duration>) -> Connection<Toy> {
        let endpoint = Endpoint::new(self.address.clone());
        Connection::new(Arc::new(Toy { endpoint, limits, valid_for }))
    }
}

/// What a conversation may use.
pub struct Peer {
    pub lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    pub out: OwnedWriteHalf,
    pub seen: Arc<Mutex<Vec<String>>>,
    /// Which connection this is, from 1 on.
    pub number: usize,
}

impl Peer {
    pub async fn next(&mut self) -> Option<String> {
        let line = self.lines.next_line().await.ok()??;
        self.seen.lock().unwrap().push(line.clone());
        Some(line)
    }

    pub async fn say(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes()).await
    }
}

/// Starts a server that greets and then behaves like this.
pub async fn listen<F>(behave: impl Fn(Peer) -> F + Send + Sync + 'static) -> Listening
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let (connections, lines) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, seen, behave) = (Arc::clone(&connections), Arc::clone(&lines), Arc::new(behave));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let (read, out) = stream.into_split();
            let mut peer = Peer { lines: BufReader::new(read).lines(), out, seen: Arc::clone(&seen), number };
            let behave = Arc::clone(&behave);
            tokio::spawn(async move {
                if peer.lines.next_line().await.ok().flatten().is_some()
                    && peer.say("hello\r\n").await.is_ok()
                {
                    behave(peer).await;
                }
            });
        }
    });
    Listening { address, connections, lines, task: task.abort_handle() }
}

/// The answer of a server that works.
pub fn answer(line: &str) -> String {
    if let Some(parts) = line.strip_prefix("many ") {
        let count: usize = parts.parse().unwrap_or(0);
        let parts: Vec<String> = (0..count).map(|part| format!("part {part}")).collect();
        return lines(&parts);
    }
    if let Some(keys) = line.strip_prefix("read ") {
        let keys: Vec<&str> = keys.split(' ').collect();
        return lines(&keys);
    }
    format!("{line}\r\n")
}

fn lines(parts: &[impl AsRef<str>]) -> String {
    parts.iter().fold(format!("*{}\r\n", parts.len()), |text, part| text + part.as_ref() + "\r\n")
}

/// Behaves as it should.
pub async fn works(mut peer: Peer) {
    while let Some(line) = peer.next().await {
        if peer.say(&answer(&line)).await.is_err() {
            return;
        }
    }
}
