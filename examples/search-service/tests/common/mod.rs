//! What the tests share: sources to search, the program itself, and a client that sees every byte of an answer.

// Each test file uses its part, and Clippy's exception for tests does not reach the functions that tests share.
#![allow(dead_code, unreachable_pub, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A folder of sources that is gone when the test is.
pub struct Sources(PathBuf);

impl Sources {
    /// Files by their paths; the first step of a path is the organisation.
    pub fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("sources-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let sources = Self(folder);
        for (path, text) in files {
            sources.write(path, text);
        }
        sources
    }

    /// Some files, for tests to which it does not matter which.
    pub fn some() -> Self {
        Self::new(&[
            (
                "alpha/src/lib.rs",
                "use beta_core::Thing;\n\n/// Spawns a task.\npub fn spawn(task: Vec<u8>) {}\n",
            ),
            ("alpha/src/task.rs", "//! A task, and nothing else.\npub struct Task;\n"),
            (
                "beta-core-1.2.3/src/lib.rs",
                "#![no_std]\npub struct Thing;\nimpl std::fmt::Debug for Thing {}\n",
            ),
            ("gamma/src/lib.rs", "use beta_core::Thing;\nuse alpha::spawn;\npub fn thing() {}\n"),
        ])
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program with these arguments, and with none of the environment's settings but these.
pub fn program(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_search-service"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LARDER_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").envs(settings.iter().copied()).args(arguments);
    // No `larder.toml` of whoever runs the tests.
    command
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running service. Dropping it kills it.
pub struct Service {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts the service on a free port.
    #[track_caller]
    pub fn start(sources: &Sources, settings: &[(&str, &str)]) -> Self {
        Self::start_with(sources, &[], settings)
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn start_with(sources: &Sources, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let folder = sources.path().to_str().unwrap();
        let arguments = [&["--listen", "127.0.0.1:0", "--sources", folder], arguments].concat();
        let mut child = program(&arguments, settings).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut service = Self { child, address: SocketAddr::from(([0; 4], 0)), log: Arc::clone(&log) };
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log.lock().unwrap().push(line);
            }
        });
        let begun = Instant::now();
        loop {
            let address = service
                .log()
                .iter()
                .find_map(|line| line.strip_prefix("listening on http://")?.strip_suffix('/')?.parse().ok());
            if let Some(address) = address {
                service.address = address;
                return service;
            }
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "the service ended: {:#?}", service.log());
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the service did not start: {:#?}",
                service.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the service has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers, b"")
    }

    /// Sends a document; what is answered is checked to be a success.
    #[track_caller]
    pub fn put(&self, org: &str, path: &str, text: &str) -> Value {
        let body = serde_json::json!({ "org": org, "path": path, "text": text }).to_string();
        let answer = self.post(&body);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()
    }

    #[track_caller]
    pub fn post(&self, body: &str) -> Answer {
        self.request("POST", "/documents", &[("content-type", "application/json")], body.as_bytes())
    }

    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        if !body.is_empty() {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A body that is refused is not read to its end.
        let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::parse(&bytes)
    }

    /// `/stats`.
    #[track_caller]
    pub fn stats(&self) -> Value {
        self.get("/stats").json()
    }

    /// Asks the service to end, as an operating system does, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "the service does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{:#?}", self.log());
        }
    }
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        assert_eq!(answer.header("transfer-encoding"), None, "every answer has a length");
        answer
    }

    /// The value of a header field. Twice is not expected.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice: {self:?}");
        value
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The value of `Cache-Status`.
    #[track_caller]
    pub fn cache_status(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?} {}", String::from_utf8_lossy(&self.body));
        self.header("cache-status").unwrap()
    }

    #[track_caller]
    pub fn is_hit(&self) -> bool {
        self.cache_status().starts_with("larder; hit; ttl=")
    }

    /// The ids of the results, in their order.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let json = self.json();
        let results = json["results"].as_array().unwrap();
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Made for this request, and kept.
pub const STORED: &str = "larder; fwd=miss; stored";
/// Made for this request, and not kept.
pub const NOT_STORED: &str = "larder; fwd=miss";

/// Fails unless the condition comes to hold within some seconds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}
