//! However a test process ends, its servers end with it.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs, panic, thread};

use common::{eventually, is_running, output};
use larder_test_servers::{MemcachedServer, RedisServer};
use tempfile::TempDir;

/// A process that owns a Redis and a Memcached, and their process ids. What it leaves of its directories when it cannot
/// clean up goes with the third.
fn owner() -> (Child, Vec<u32>, TempDir) {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_larder-test-servers"))
        .env("TMPDIR", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pids = lines.take(2).map(|line| line.unwrap().split(' ').nth(1).unwrap().parse().unwrap());
    let pids: Vec<u32> = pids.collect();
    assert!(pids.iter().all(|pid| is_running(*pid)), "{pids:?}");
    (child, pids, directory)
}

fn signal(name: &str, pid: u32) {
    assert_eq!(output("kill", &[&format!("-{name}"), &pid.to_string()]), "");
}

#[test]
fn after_the_owner_was_killed_or_interrupted() {
    for name in ["KILL", "INT", "TERM"] {
        let (mut child, pids, _directory) = owner();
        signal(name, child.id());
        assert!(!child.wait().unwrap().success());
        for pid in pids {
            eventually(&format!("server {pid} outlived SIG{name}"), || !is_running(pid));
        }
    }
}

#[test]
fn after_the_owner_was_killed_while_a_server_was_paused() {
    let (mut child, pids, _directory) = owner();
    for pid in &pids {
        signal("STOP", *pid);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for pid in pids {
        eventually(&format!("the paused server {pid} outlived its owner"), || !is_running(pid));
    }
}

#[test]
fn after_the_owner_ended_in_order() {
    let (mut child, pids, directory) = owner();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!pids.iter().any(|pid| is_running(*pid)), "{pids:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn after_a_panic() {
    let mut seen = None;
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let (redis, memcached) = (RedisServer::start(), MemcachedServer::start());
        seen = Some((redis.pid().unwrap(), memcached.pid().unwrap()));
        panic!("a test that fails");
    }));
    assert!(result.is_err());
    let (redis, memcached) = seen.unwrap();
    assert!(!is_running(redis) && !is_running(memcached));
}

#[test]
fn servers_outlive_the_thread_that_asked_for_them() {
    let (redis, memcached) =
        thread::spawn(|| (RedisServer::start(), MemcachedServer::start())).join().unwrap();
    // The parent-death signal, were it tied to that thread, would have been sent before `join` returned.
    assert_eq!(redis.command(&["PING"]).to_string(), "PONG");
    assert!(memcached.command("version").starts_with("VERSION"));
    assert!(is_running(redis.pid().unwrap()) && is_running(memcached.pid().unwrap()));
}

#[test]
fn no_directory_after_a_drop() {
    let redis = RedisServer::builder().unix_socket().start();
    let directory = PathBuf::from(redis.socket().unwrap()).parent().unwrap().to_owned();
    assert!(directory.starts_with(env::temp_dir()));
    // The server works in its directory, so that whoever looks for leftovers can tell whose it is.
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", redis.pid().unwrap())).unwrap(), directory);
    drop(redis);
    assert!(!directory.exists());
}
