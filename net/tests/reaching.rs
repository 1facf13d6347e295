//! Servers that come and go, and runtimes that do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_sign_loss, reason = "tests")]

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use larder_core::ErrorKind;
use larder_net::{Address, Connection, Endpoint, Fate, Repeat, again};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::common::{Toy, limits, listen, works};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn a_server_that_hangs_up_after_each_answer_is_connected_to_five_times_a_second_at_most() {
    let server = listen(|mut peer| async move {
        if let Some(line) = peer.next().await {
            let _ = peer.say(&format!("{line}\r\n")).await;
        }
    })
    .await;
    let connection = server.connect(limits());
    let begun = Instant::now();
    let mut opened = Vec::new();
    while begun.elapsed() < Duration::from_secs(3) {
        let _ = connection.ask(&"a".into()).reply().await;
        while opened.len() < server.connections() {
            opened.push(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(opened.len() >= 5, "{}", opened.len());
    // Five in any second; what a busy machine holds up arrives together.
    assert!(opened.len() <= 5 * 4, "{}", opened.len());
    let total = server.connections.load(Ordering::SeqCst);
    assert!(total <= 20, "{total}");
}

#[tokio::test]
async fn where_nobody_listens_requests_fail_at_once_and_a_server_that_comes_is_found() {
    let gone = listen(works).await;
    let Address::Tcp { port, .. } = gone.address.clone() else { panic!() };
    drop(gone);
    // The listener's task has to have ended.
    let mut bounds = limits();
    bounds.connect_timeout = Duration::from_millis(500);
    let endpoint = Endpoint::new(Address::tcp("127.0.0.1", port));
    let connection = Connection::new(Arc::new(Toy { endpoint, limits: bounds, valid_for: None }));
    loop {
        match connection.ask(&"a".into()).reply().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(failure) if failure.kind() == ErrorKind::Unavailable => break,
            Err(failure) => panic!("{failure}"),
        }
    }
    let failure = connection.ask(&"a".into()).reply().await.unwrap_err();
    assert_eq!(failure.fate(), Fate::Final, "another attempt does not help: {failure}");
    let listener = loop {
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let (stream, _) = listener.accept().await.unwrap();
    drop(stream);
    assert!(!connection.is_open());
}

/// A store that is used from one short runtime after the other, and from several at once: whichever runtime serves the
/// connection ends before the others are answered.
#[test]
fn many_short_runtimes_are_all_answered() {
    let serving = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = serving.block_on(listen(works));
    let connection = Arc::new(server.connect(limits()));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let connection = Arc::clone(&connection);
            std::thread::spawn(move || {
                for step in 0..50 {
                    runtime().block_on(async {
                        let text = format!("{thread}-{step}");
                        let limits = connection.server().limits;
                        let reply = again(limits, (Repeat::Harmless, None), || connection.ask(&text).reply());
                        assert_eq!(reply.await.unwrap(), text);
                    });
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// After runtimes have ended four times in a row while a caller in another one waited for what they served, that caller does
/// not depend on the next one, which here is driven by nobody.
#[test]
fn a_caller_that_was_left_again_and_again_is_served_by_its_own_runtime() {
    let serving = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = serving.block_on(listen(|mut peer| async move {
        while let Some(line) = peer.next().await {
            if line != "held" && peer.say(&format!("{line}\r\n")).await.is_err() {
                return;
            }
        }
    }));
    let connection = server.connect(limits());
    let mine = runtime();
    for _ in 0..4 {
        let other = runtime();
        other.block_on(async { connection.ask(&"a".into()).reply().await }).unwrap();
        let held = mine.block_on(async { connection.ask(&"held".into()) });
        drop(other);
        assert_eq!(mine.block_on(held.reply()).unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let undriven = runtime();
    undriven.block_on(async { connection.ask(&"a".into()).reply().await }).unwrap();
    let before = server.connections();
    let soon = Duration::from_secs(4);
    let answer =
        mine.block_on(async { tokio::time::timeout(soon, connection.ask(&"b".into()).reply()).await });
    assert_eq!(answer.expect("nobody else has to serve it").unwrap(), "b");
    assert_eq!(server.connections(), before + 1, "a connection for this request alone");
}

/// A runtime that is alive and that nobody drives holds the connection; callers in another one notice.
#[test]
fn a_connection_whose_runtime_nobody_drives_is_replaced() {
    let serving = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = serving.block_on(listen(works));
    let connection = Arc::new(server.connect(limits()));
    let parked = runtime();
    parked.block_on(async { connection.ask(&"a".into()).reply().await.unwrap() });
    let other = runtime();
    other.block_on(async {
        let begun = Instant::now();
        let mut failed = 0;
        loop {
            let asked = connection.ask(&"b".into()).reply();
            match tokio::time::timeout(Duration::from_millis(50), asked).await {
                Ok(reply) => break assert_eq!(reply.unwrap(), "b"),
                Err(_) => failed += 1,
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{failed} calls in vain");
        }
        for _ in 0..100 {
            assert_eq!(connection.ask(&"c".into()).reply().await.unwrap(), "c");
        }
    });
    // The first one is driven again: its task sees that another one serves, and ends.
    parked.block_on(async {
        while parked.metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(other.block_on(connection.ask(&"d".into()).reply()).unwrap(), "d");
}

#[test]
fn outside_a_runtime_a_request_is_an_error() {
    let serving = runtime();
    let server = serving.block_on(listen(works));
    let connection = server.connect(limits());
    let asked = connection.ask(&"a".into());
    let failure = runtime().block_on(asked.reply()).unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::NoRuntime);
}
