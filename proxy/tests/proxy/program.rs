//! The program: what it says of a wrong configuration, its admin listener, its end, and its memory.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_larder-proxy"));
    program.env_clear();
    program
}

fn check(configuration: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larder.toml");
    fs::write(&file, configuration).unwrap();
    program().arg("--check").arg("--config").arg(file).output().unwrap()
}

fn refused(configuration: &str) -> String {
    let output = check(configuration);
    assert!(!output.status.success(), "{configuration}");
    String::from_utf8(output.stderr).unwrap()
}

const WHOLE: &str = "[upstreams.a]\naddresses = [\"http://127.0.0.1:1\"]\n[routes.r]\nupstream = \"a\"\n";

#[test]
fn what_is_wrong_is_said_with_its_key() {
    assert!(check(WHOLE).status.success());
    for (configuration, said) in [
        ("", "routes: no route is configured"),
        ("[routes.r]\nupstream = \"b\"\n", "routes.r.upstream: there is no upstream \"b\""),
        ("[upstreams.a]\naddresses = []\n[routes.r]\nupstream = \"a\"\n", "upstreams.a.addresses: is empty"),
        (
            "[upstreams.a]\naddresses = [\"127.0.0.1\"]\n[routes.r]\nupstream = \"a\"\n",
            "upstreams.a.addresses: \"127.0.0.1\" is no address",
        ),
        (&format!("{WHOLE}path = \"a\"\n"), "routes.r.path: \"a\" is no path"),
        (&format!("{WHOLE}host = \"a:1\"\n"), "routes.r.host: \"a:1\" is no host without a port"),
        (&format!("{WHOLE}heuristic = 2.0\n"), "routes.r.heuristic: must be above 0"),
        (
            &format!("{WHOLE}mode = \"search-elasticsearch\"\n[routes.r.search]\npoll = \"5ms\"\n"),
            "routes.r.search.poll: must be 100 ms or more",
        ),
        (
            &format!("{WHOLE}mode = \"verify\"\n[routes.r.search]\npoll = \"1s\"\n"),
            "routes.r.search.poll: is for mode search-elasticsearch",
        ),
        (&format!("{WHOLE}modus = \"http\"\n"), "routes.r.modus (file "),
        (&format!("{WHOLE}mode = \"cache\"\n"), "routes.r.mode (file "),
        (&format!("{WHOLE}[proxy]\nlisten = \"here\"\n"), "proxy.listen (file "),
        (&format!("{WHOLE}keep_stale = 7\n"), "did you mean \"7s\"?"),
    ] {
        let errors = refused(configuration);
        assert!(errors.contains(said), "{configuration}\n{errors}");
    }
}

#[test]
fn variables_change_one_setting_of_one_route() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larder.toml");
    fs::write(&file, WHOLE).unwrap();
    let shown = program()
        .arg("--check")
        .arg("--config")
        .arg(file)
        .env("LARDER_ROUTES__R__MODE", "pass")
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("routes.r.mode"), "{shown}");
    assert!(shown.contains("LARDER_ROUTES__R__MODE"), "{shown}");
}

struct Running {
    child: Child,
    clients: String,
    admin: String,
}

impl Running {
    fn start(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        Self::with(program().args(arguments).current_dir(folder.path()))
    }

    fn with(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = |begins: &str| {
            let line = lines.next().unwrap().unwrap();
            assert!(line.starts_with(begins), "{line}");
            line.trim_end_matches('/').rsplit('/').next().unwrap().to_owned()
        };
        let admin = address("for operators");
        let clients = address("listening on");
        thread::spawn(move || lines.for_each(drop));
        Self { child, clients, admin }
    }

    fn get(address: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What the process keeps in memory, in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn health_metrics_and_an_end_in_good_order() {
    let mut running = Running::start("http://127.0.0.1:1");
    assert!(Running::get(&running.admin, "/health").starts_with("HTTP/1.1 200 "));
    assert!(Running::get(&running.clients, "/health").starts_with("HTTP/1.1 502 "));
    let metrics = Running::get(&running.admin, "/metrics");
    assert!(metrics.contains("larder_proxy_requests_total{outcome=\"failed\"} 1\n"), "{metrics}");
    assert!(Running::get(&running.admin, "/other").starts_with("HTTP/1.1 404 "));

    let told = Command::new("kill").arg(running.child.id().to_string()).status().unwrap();
    assert!(told.success());
    let begun = Instant::now();
    let ended = running.child.wait().unwrap();
    assert!(ended.success() && begun.elapsed() < Duration::from_secs(5), "{ended}");
}

/// An upstream that reads a little, and clients that send as fast as they can: what is in between is held by nobody.
#[cfg(target_os = "linux")]
#[test]
fn uploads_are_not_kept_in_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    thread::sleep(Duration::from_millis(50));
                }
            });
        }
    });
    let running = Running::start(&upstream);
    let before = running.resident();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(&running.clients).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            thread::spawn(move || {
                write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n").unwrap();
                let block = vec![b'x'; 64 * 1024];
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(2) {
                    let _ = stream.write(&block);
                }
                stream
            })
        })
        .collect();
    let open: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let grown = running.resident().saturating_sub(before);
    assert!(grown < 50 * 1024, "{grown} KiB for {} uploads", open.len());
}

/// Many clients that are connected and ask nothing: what each of them takes is bounded. `LARDER_IDLE` says how many.
#[cfg(target_os = "linux")]
#[test]
fn idle_connections_take_little() {
    let count: usize = std::env::var("LARDER_IDLE").map_or(1000, |count| count.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
                }
            });
        }
    });
    let running = Running::start(&upstream);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /_cat/nodes HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
    };
    // What is made once is made before.
    (0..50).for_each(|_| ask(&mut TcpStream::connect(&running.clients).unwrap()));
    let before = running.resident();
    let mut open: Vec<_> = (0..count).map(|_| TcpStream::connect(&running.clients).unwrap()).collect();
    let connected = |count: usize| {
        let line = format!("larder_proxy_connections {count}\n");
        let begun = Instant::now();
        while !Running::get(&running.admin, "/metrics").contains(&line) {
            assert!(begun.elapsed() < Duration::from_secs(20), "they are not connected");
            thread::sleep(Duration::from_millis(50));
        }
    };
    connected(count);
    let each = |now: u64| now.saturating_sub(before) * 1024 / count as u64;
    let silent = each(running.resident());
    open.iter_mut().for_each(ask);
    let asked = each(running.resident());
    println!("{count} connections: {silent} bytes each before a request, {asked} after one");
    assert!(silent < 16 * 1024 && asked < 32 * 1024, "{silent} and {asked} bytes");
    drop(open);
    connected(0);
}

/// A signal makes the program read its configuration again; a log that was moved away is opened anew; nobody is disconnected.
#[test]
fn a_signal_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("larder.toml"), folder.path().join("access.log"));
    let write = |name: &str, path: &str| {
        let proxy =
            format!("[proxy]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nname = \"{name}\"\n");
        let log = format!("[proxy.access_log]\nfile = {log:?}\n");
        fs::write(&file, format!("{proxy}{log}{WHOLE}path = {path:?}\n")).unwrap();
    };
    write("one", "/");
    let mut running = Running::with(program().arg("--config").arg(&file));
    let mut kept = TcpStream::connect(&running.clients).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut asked = 0;
    let mut ask = || {
        asked += 1;
        kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut buffer = [0; 4096];
        let read = kept.read(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(&buffer[..read]).into_owned();
        answer["HTTP/1.1 ".len()..][..3].to_owned()
    };
    let lines = |path: &std::path::Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let wait = |what: &str, holds: &mut dyn FnMut() -> bool| {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let hang_up = |running: &Running| {
        let told = Command::new("kill").args(["-HUP", &running.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    };
    assert_eq!(ask(), "502");
    wait("a line", &mut || lines(&log) == 1);
    let moved = folder.path().join("moved.log");
    fs::rename(&log, &moved).unwrap();
    write("two", "/elsewhere");
    hang_up(&running);
    wait("a new file", &mut || log.exists());
    // It is opened before the new configuration holds.
    wait("the new configuration", &mut || ask() == "404");
    wait("a line in the new file", &mut || lines(&log) == 1);
    // What is wrong changes nothing, and the program goes on.
    write("three", "elsewhere");
    hang_up(&running);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(ask(), "404");
    // The last line is written before the program ends.
    let _ = Command::new("kill").arg(running.child.id().to_string()).status().unwrap();
    assert!(running.child.wait().unwrap().success());
    assert_eq!((lines(&log), lines(&moved) + lines(&log)), (2, asked));
}
