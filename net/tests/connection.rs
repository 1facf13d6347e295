//! What callers may rely on: every answer is the answer to what was asked, whatever callers and servers do meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_sign_loss, reason = "tests")]

mod common;

use std::{sync::Arc, time::Duration};

use larder_core::{ErrorKind, error::Origin};
use larder_net::Fate;
use tokio::{task::JoinSet, time::Instant};

use crate::common::{answer, limits, listen, works};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_receives_the_answer_to_its_own_request_whoever_gives_up() {
    let server = listen(works).await;
    let connection = Arc::new(server.connect(limits()));
    let mut tasks = JoinSet::new();
    for task in 0..64_usize {
        let connection = Arc::clone(&connection);
        tasks.spawn(async move {
            for step in 0..200 {
                let text = format!("{task}-{step}");
                match (task + step) % 5 {
                    // Asked, and not waited for.
                    0 => drop(connection.ask(&text)),
                    1 => {
                        let asked = connection.read(&&*text).reply();
                        let short =
                            tokio::time::timeout(Duration::from_micros(step as u64 % 300), asked).await;
                        if let Ok(reply) = short {
                            let reply = reply.unwrap();
                            assert_eq!(reply.trim_end_matches(" among others"), text);
                        }
                    }
                    2 => {
                        let reply = connection.read(&&*text).reply().await.unwrap();
                        assert_eq!(reply.trim_end_matches(" among others"), text);
                    }
                    3 => {
                        let all: Vec<String> = (0..3).map(|n| format!("{text}.{n}")).collect();
                        let replies = connection.ask_many(all.clone()).replies().await;
                        assert!(replies.failure.is_none());
                        assert_eq!(replies.replies, all);
                    }
                    _ => assert_eq!(connection.ask(&text).reply().await.unwrap(), text),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_reply_of_parts_is_collected_and_its_length_checked() {
    let server = listen(works).await;
    let connection = server.connect(limits());
    for (count, wanted) in [(3, Some(3)), (0, Some(0)), (4, None)] {
        let got = connection.ask_parts(&format!("many {count}"), wanted).replies().await;
        assert!(got.failure.is_none());
        assert_eq!(got.replies.len(), count);
    }
    let got = connection.ask_parts(&"many 2".into(), Some(3)).replies().await;
    assert_eq!(got.failure.unwrap().kind(), ErrorKind::Protocol);
    assert_eq!(connection.ask(&"a".into()).reply().await.unwrap(), "a");
    assert_eq!(server.connections(), 2, "what is in doubt ends the connection");
}

#[tokio::test]
async fn reads_that_wait_at_the_same_time_leave_together_and_a_lone_one_alone() {
    let server = listen(works).await;
    let connection = server.connect(limits());
    assert_eq!(connection.read(&"alone").reply().await.unwrap(), "alone");
    let asked: Vec<_> = ["a", "b", "c"].iter().map(|key| connection.read(key)).collect();
    for (asked, key) in asked.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(asked.reply().await.unwrap(), format!("{key} among others"));
    }
    assert_eq!(server.lines(), ["alone", "read a b c"]);
}

/// What a server sends that it should not.
#[tokio::test]
async fn whatever_is_in_doubt_ends_the_connection_with_its_cause_and_the_next_one_works() {
    for (wrong, kind) in [
        ("doubled", ErrorKind::Protocol),
        ("swapped", ErrorKind::Protocol),
        ("unsolicited", ErrorKind::Protocol),
        ("endless", ErrorKind::Protocol),
        ("parts", ErrorKind::Protocol),
        ("hang up", ErrorKind::Unavailable),
    ] {
        let server = listen(move |mut peer| async move {
            while let Some(line) = peer.next().await {
                let text = match (line.as_str(), wrong) {
                    ("x", "doubled") => "x\r\nx\r\n".to_owned(),
                    ("x", "swapped") => "y\r\nx\r\n".to_owned(),
                    ("x", "endless") => "x".repeat(1000),
                    ("x", "parts") => "*2\r\na\r\nb\r\n".to_owned(),
                    ("x", "hang up") => return,
                    ("x", "unsolicited") => "x\r\nand\r\n".to_owned(),
                    (line, _) => answer(line),
                };
                if peer.say(&text).await.is_err() {
                    return;
                }
            }
        })
        .await;
        let connection = server.connect(limits());
        let (x, y) = (connection.ask(&"x".into()), connection.ask(&"y".into()));
        let (x, y) = (x.reply().await, y.reply().await);
        let failures: Vec<_> = [x, y].into_iter().filter_map(Result::err).collect();
        // The answer that was right before the wrong one came stands.
        assert!(!failures.is_empty() || wrong == "unsolicited", "{wrong}");
        for failure in failures {
            assert_eq!((failure.kind(), failure.fate()), (kind, Fate::Lost), "{wrong}: {failure}");
            assert_eq!(failure.origin(), Origin::Store, "{wrong}");
            assert!(failure.message().starts_with("127.0.0.1:"), "{wrong}: {failure}");
        }
        // Nobody receives what was left over.
        loop {
            match connection.ask(&"z".into()).reply().await {
                Ok(reply) => {
                    assert_eq!(reply, "z", "{wrong}");
                    if server.connections() == 2 {
                        break;
                    }
                }
                Err(failure) => assert_eq!(failure.fate(), Fate::Lost, "{wrong}: {failure}"),
            }
        }
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_however_many_requests_keep_coming() {
    let server = listen(|mut peer| async move {
        // The first connection answers one, and takes everything.
        let first = peer.number == 1;
        let mut answered = 0;
        while let Some(line) = peer.next().await {
            if !first || answered == 0 {
                answered += 1;
                if peer.say(&answer(&line)).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let mut bounds = limits();
    bounds.response_timeout = Duration::from_millis(300);
    let connection = server.connect(bounds);
    connection.ask(&"a".into()).reply().await.unwrap();
    let begun = Instant::now();
    let oldest = connection.ask(&"b".into());
    // Nobody waits for these; each would have begun the silence anew.
    let flood = async {
        loop {
            drop(connection.ask(&"c".into()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let failure = tokio::select! {
        reply = oldest.reply() => reply.unwrap_err(),
        () = flood => unreachable!(),
    };
    assert_eq!((failure.kind(), failure.fate()), (ErrorKind::Timeout, Fate::Final));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(connection.ask(&"d".into()).reply().await.unwrap(), "d");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn requests_are_counted_until_they_are_answered() {
    let server = listen(|mut peer| async move { while peer.next().await.is_some() {} }).await;
    let mut bounds = limits();
    bounds.max_in_flight = 5;
    let connection = server.connect(bounds);
    // Their callers have gone; the replies are owed all the same.
    for _ in 0..5 {
        drop(connection.ask(&"a".into()));
    }
    let failure = connection.ask(&"b".into()).reply().await.unwrap_err();
    assert_eq!((failure.kind(), failure.origin()), (ErrorKind::Busy, Origin::Here));
    while server.lines().len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let failure = connection.ask_many(["c".into(), "d".into()]).replies().await.failure.unwrap();
    assert_eq!(failure.kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn closing_answers_what_was_asked_and_refuses_what_comes() {
    let server = listen(works).await;
    let connection = Arc::new(server.connect(limits()));
    connection.ask(&"a".into()).reply().await.unwrap();
    let asked = connection.ask(&"b".into());
    connection.close().await;
    assert_eq!(asked.reply().await.unwrap(), "b");
    let failure = connection.ask(&"c".into()).reply().await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn credentials_that_end_are_renewed_before_and_nothing_is_lost() {
    let server = listen(works).await;
    let connection = server.connect_for(limits(), Some(Duration::from_millis(250)));
    let mut asked = 0;
    while server.connections() < 4 {
        let text = format!("{asked}");
        assert_eq!(connection.ask(&text).reply().await.unwrap(), text);
        asked += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.lines().len(), asked);
}
