//! `larder stats` against something that answers with metrics, and against what does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use common::run;

/// Answers so many requests with this.
fn serve(answers: Vec<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:"));
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn two_screens() {
    let url = serve(vec![
        "HTTP/1.0 200 OK\r\n\r\nlarder_proxy_requests_total{outcome=\"hit\"} 1\nlarder_proxy_requests_total{outcome=\"miss\"} 1\n",
        "HTTP/1.0 200 OK\r\n\r\nlarder_proxy_requests_total{outcome=\"hit\"} 7001\nlarder_proxy_requests_total{outcome=\"miss\"} 1\n",
    ]);
    let ran = run(["stats", &url, "--watch", "--screens", "2", "--every", "200ms"]).ok();
    assert!(
        ran.out.contains("hits of the proxy: 50.00 %") && ran.out.contains("hits of the proxy: 99.99 %"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("larder_proxy_requests outcome=hit"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no terminal, no colours");
}

#[test]
fn what_is_no_program_with_metrics() {
    for (url, words) in [
        ("https://localhost/".to_owned(), "http://"),
        ("http://127.0.0.1:1/metrics".to_owned(), "no answer"),
        (serve(vec!["HTTP/1.0 404 Not Found\r\n\r\n"]), "404"),
        (serve(vec!["HTTP/1.0 200 OK\r\n\r\nother 1\n"]), "no metrics"),
        (serve(vec!["nonsense"]), "no HTTP"),
    ] {
        let ran = run(["stats", &url]);
        assert_eq!(ran.code, 2, "{url}");
        assert!(ran.err.contains(words), "{url}: {}", ran.err);
    }
}
