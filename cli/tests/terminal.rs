//! What a terminal shows: `stats --watch` as a live screen, colours, how far a long work is. It needs tmux; where there is none,
//! nothing is checked, and that is said.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use common::nasa;

/// A tmux with one screen, of a server of its own.
struct Tmux {
    folder: tempfile::TempDir,
}

impl Tmux {
    /// Runs this in a terminal.
    fn start(command: &str) -> Option<Self> {
        if !Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success()) {
            eprintln!("NOT CHECKED: there is no tmux");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let tmux = Self { folder };
        let started = tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "120",
            "-y",
            "40",
            "-s",
            "larder",
            command,
        ]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(tmux)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.env_remove("TMUX").env_remove("NO_COLOR").arg("-S").arg(self.socket()).args(arguments);
        command.output().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// What is to be seen; with colours as they were sent.
    fn screen(&self, with_colours: bool) -> String {
        let arguments: &[&str] = if with_colours {
            &["capture-pane", "-p", "-e", "-t", "larder"]
        } else {
            &["capture-pane", "-p", "-t", "larder"]
        };
        String::from_utf8(self.run(arguments).stdout).unwrap()
    }

    /// Waits for a screen.
    fn until(&self, what: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen(false);
            if what(&screen) {
                return screen;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "never seen; the last was:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

/// A program whose counters grow with each look.
fn metrics() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let looks = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&looks);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let look = own.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                format!(
                    "HTTP/1.0 200 OK\r\n\r\n# TYPE larder_reads counter\nlarder_reads{{cache=\"pages\",result=\"hit\"}} {}\n\
                     larder_reads{{cache=\"pages\",result=\"miss\"}} 100\n",
                    look * 300
                )
                .as_bytes(),
            );
        }
    });
    (url, looks)
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_larder"))
}

#[test]
fn a_live_screen_of_a_running_program() {
    let (url, looks) = metrics();
    let command = format!("{} stats {url} --watch --every 200ms", program().display());
    let Some(tmux) = Tmux::start(&command) else { return };
    let first = tmux.until(|screen| screen.contains("hits of cache pages: 75.00 %"));
    assert!(first.contains("larder_reads cache=pages result=hit"), "{first}");
    // Each screen takes the place of the one before, and says what was added a second.
    let later = tmux.until(|screen| screen.contains("hits of cache pages: 9"));
    assert_eq!(later.matches("hits of cache pages").count(), 1, "{later}");
    assert!(later.contains("a second"), "{later}");
    assert!(tmux.screen(true).contains("\u{1b}[1m"), "the heads of its table are strong");
    assert!(looks.load(Ordering::Relaxed) > 3);
    // Ctrl-C ends it.
    tmux.run(&["send-keys", "-t", "larder", "C-c"]);
    let begin = Instant::now();
    while tmux.run(&["has-session", "-t", "larder"]).status.success() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn how_far_a_long_work_is_and_nothing_of_it_is_left() {
    // More than half a second of work, whatever the machine.
    let log = (0..60).map(|_| nasa()).collect::<Vec<_>>().join(" ");
    let command =
        format!("sh -c '{} plan --post read {log} --html /dev/null/no; sleep 30'", program().display());
    let Some(tmux) = Tmux::start(&command) else { return };
    let during = tmux.until(|screen| screen.contains(" requests"));
    assert!(during.contains(" %, "), "{during}");
    let after = tmux.until(|screen| screen.contains("could not be written"));
    assert!(!after.contains("requests"), "{after}");
    assert!(
        tmux.screen(true).contains("\u{1b}[31m") || tmux.screen(true).contains("\u{1b}[1m\u{1b}[31m"),
        "{}",
        tmux.screen(true)
    );
}
