//! `larder plan` on a real day, against figures that were reckoned apart from it, and on everything that a log should not be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests, and what runs the program for them"
)]

mod common;

use std::{fs, io::Write as _};

use common::{larder, nasa, run, run_with_input};
use serde_json::Value;

fn rounded(value: &Value) -> f64 {
    (value.as_f64().unwrap() * 1e4).round() / 1e4
}

fn plan(arguments: &[&str]) -> Value {
    run([&["plan", "--json", "--post", "read"][..], arguments].concat()).json()
}

#[test]
fn the_day_of_nasa() {
    let report = plan(&["--ttl", "60s,300s,900s,3600s", "--entries", "10,100,500,1000", &nasa()]);
    assert_eq!(report["log"]["requests"], 30_969);
    let ttls = report["ttls"].as_array().unwrap();
    let column = |name: &str| ttls.iter().map(|ttl| rounded(&ttl[name])).collect::<Vec<_>>();
    assert_eq!(column("hit_ratio"), [0.3800, 0.5826, 0.7002, 0.8146]);
    assert_eq!(column("byte_hit_ratio"), [0.1141, 0.2374, 0.3430, 0.5125]);
    let peaks: Vec<f64> = ttls.iter().map(|ttl| ttl["peak"]["bytes"].as_f64().unwrap()).collect();
    assert_eq!(peaks, [4_458_480.0, 9_767_980.0, 16_874_260.0, 31_307_774.0]);

    let chef = report["chef"].as_array().unwrap();
    let duplicates: Vec<f64> = chef.iter().map(|chef| rounded(&chef["duplicate_ratio"])).collect();
    assert_eq!(duplicates, [0.3201, 0.6602, 0.7887]);
    let bytes: Vec<f64> = chef.iter().map(|chef| chef["distinct_bytes"].as_f64().unwrap()).collect();
    assert_eq!(bytes, [3_216_388.0, 15_082_617.0, 29_156_096.0]);

    let lru: Vec<f64> =
        report["lru_entries"].as_array().unwrap().iter().map(|size| rounded(&size["hit_ratio"])).collect();
    assert_eq!(lru, [0.1993, 0.6480, 0.8506, 0.9105]);
}

#[test]
fn the_same_day_in_every_format_and_compression() {
    let folder = tempfile::tempdir().unwrap();
    let mut tabs = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(fs::File::open(nasa()).unwrap()),
        &mut tabs,
    )
    .unwrap();
    let rows: Vec<Vec<&str>> = tabs.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let combined: String = rows
        .iter()
        .map(|row| {
            let seconds: i64 = row[2].parse().unwrap();
            // 1 August 1995, 00:00 UTC.
            let of_day = seconds - 807_235_200;
            let clock = format!("{:02}:{:02}:{:02}", of_day / 3600 % 24, of_day / 60 % 60, of_day % 60);
            let day = 1 + of_day / 86_400;
            format!(
                "{} - - [{day:02}/Aug/1995:{clock} +0000] \"{} {} HTTP/1.0\" {} {} \"-\" \"-\"\n",
                row[0], row[3], row[4], row[5], row[6]
            )
        })
        .collect();
    let json: String = rows
        .iter()
        .map(|row| {
            serde_json::json!({ "ts": row[2].parse::<f64>().unwrap(), "request": { "method": row[3], "uri": row[4] }, "size": row[6] })
                .to_string()
                + "\n"
        })
        .collect();
    let given: String =
        rows.iter().map(|row| format!("{}.000|{}|{}|{}\n", row[2], row[6], row[4], row[3])).collect();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let zstd = zstd::encode_all(combined.as_bytes(), 1).unwrap();
    let expected = plan(&[&nasa()]);
    for arguments in [
        vec![write("access.log", combined.as_bytes())],
        vec![write("access.log.zst", &zstd)],
        vec![write("access.json", json.as_bytes())],
        vec![
            "--log-format".to_owned(),
            "$msec|$bytes_sent|$request_uri|$request_method".to_owned(),
            write("given.log", given.as_bytes()),
        ],
    ] {
        let report = plan(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        for part in ["ttls", "lru_entries", "chef", "keys"] {
            assert_eq!(report[part], expected[part], "{part} of {arguments:?}");
        }
    }
    let report = run_with_input(["plan", "--json", "--post", "read", "-"], combined.as_bytes()).json();
    assert_eq!(report["ttls"], expected["ttls"]);
}

#[test]
fn a_log_of_everything_that_a_log_should_not_be() {
    let mut log = Vec::new();
    let good = |second: i64| {
        format!("h - - [01/Aug/2025:00:00:{second:02} +0200] \"GET /a HTTP/1.1\" 200 5 \"-\" \"-\"\n")
    };
    log.extend(good(1).bytes());
    log.extend(b"h - - [01/Aug/2025:00:00\n");
    log.extend(b"\x00\xff\x1b[2J\x80 junk\n");
    log.extend(b"{\"json\": \"in between\"}\n\n");
    log.extend(vec![b'x'; 10 << 20]);
    log.push(b'\n');
    log.extend(b"h - - [no time] \"GET /a HTTP/1.1\" 200 5\n");
    log.extend(b"h - - [01/Aug/2025:00:00:02 +0200] \"\\x16\\x03\" 400 5\n");
    log.extend(b"h - - [01/Aug/2025:00:00:02 +0200] \"GET /a HTTP/1.1\" 200 many\n");
    log.extend(good(3).bytes());
    log.extend(b"h - - [31/Jul/2025:00:00:00 +0200] \"GET /a HTTP/1.1\" 200 5\n");
    log.extend(b"h - - [01/Aug/2031:00:00:00 +0200] \"GET /a HTTP/1.1\" 200 5\n");
    log.extend(good(4).bytes());
    // Its last line has no end.
    log.extend(good(5).trim_end().bytes());
    let ran = run_with_input(["plan", "--json", "--key", "$path|$org", "-"], &log).ok();
    assert!(!ran.out.contains('\u{1b}'), "the terminal would obey");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let log = &report["log"];
    let sum: u64 = ["headings", "requests", "writes", "others", "lost"]
        .iter()
        .map(|part| log[part].as_u64().unwrap())
        .sum();
    assert_eq!(log["lines"], sum);
    assert_eq!(
        (log["requests"].as_u64(), log["lost"].as_u64(), log["headings"].as_u64()),
        (Some(7), Some(6), Some(1))
    );
    let mut reasons: Vec<(&str, u64)> = report["bad"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bad| (bad["reason"].as_str().unwrap(), bad["count"].as_u64().unwrap()))
        .collect();
    reasons.sort_unstable();
    let expected = [
        ("clock_back", 2),
        ("clock_jump", 1),
        ("format", 3),
        ("key_part", 7),
        ("size", 1),
        ("target", 1),
        ("time", 1),
        ("too_long", 1),
    ];
    assert_eq!(reasons, expected);
    assert!(
        report["bad"].as_array().unwrap().iter().all(|bad| !bad["examples"].as_array().unwrap().is_empty())
    );
}

#[test]
fn a_file_that_ends_early_is_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(nasa()).unwrap();
    let half = folder.path().join("half.gz");
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let report = plan(&[half.to_str().unwrap()]);
    assert!(report["log"]["requests"].as_u64().unwrap() > 10_000);
    assert_eq!(report["bad"][0]["reason"], "truncated");
}

#[test]
fn what_cannot_be_done_is_said_with_exit_code_2() {
    for (arguments, words) in [
        (&["plan", "/no/such/file"][..], "/no/such/file"),
        (&["plan", "/"], "could not be read"),
        (&["plan", "--key", "text", "-"], "--key"),
        (&["plan", "--log-format", "none", "-"], "--log-format"),
        (&["plan", "--ttl", "8days", "-"], "--ttl"),
        (&["plan", "--ttl", "60", "-"], "60s"),
        (&["plan", "/dev/null"], "no request"),
        (&["plan"], "LOG"),
    ] {
        let ran = run_with_input(arguments, b"");
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.err.contains(words), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn searches_by_post_are_an_upper_bound_and_the_line_that_would_help_is_said() {
    let mut log = String::new();
    for second in 1..10 {
        log += &format!(
            "h - - [01/Aug/2025:00:00:{second:02} +0000] \"POST /i/_search HTTP/1.1\" 200 5 \"-\" \"-\"\n"
        );
    }
    let report = run_with_input(["plan", "--json", "-"], log.as_bytes()).json();
    assert_eq!(report["log"]["without_body"], 9);
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("upper bounds")
            && notes.contains("log_format larder")
            && notes.contains("request_body"),
        "{notes}"
    );
}

#[test]
fn time_saved_is_that_of_the_hits() {
    let line = |second: u32, took: &str| {
        format!(
            r#"{{"time":{second},"request_uri":"/a","body_bytes_sent":10,"upstream_response_time":"{took}"}}"#
        ) + "\n"
    };
    let log = line(1, "0.5") + &line(2, "0.25, 0.25") + &line(3, "-") + &line(100, "9");
    let report = run_with_input(["plan", "--json", "--ttl", "60s", "-"], log.as_bytes()).json();
    assert_eq!(report["ttls"][0]["upstream_seconds_saved"], 0.5);
    assert_eq!(report["log"]["upstream_seconds"], 10.0);
}

#[test]
fn the_page_needs_no_network_and_obeys_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("plan.html");
    let log =
        "h - - [01/Aug/2025:00:00:01 +0000] \"GET /<script>alert(1)</script> HTTP/1.1\" 200 5\n".repeat(3);
    let mut child = larder()
        .args(["plan", "--html"])
        .arg(&page)
        .arg("-")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains("<script") && text.contains("&lt;script&gt;"));
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("NaN"));
    for word in [
        "prefers-color-scheme: dark",
        "<svg",
        "role=\"img\"",
        "What the next GiB buys",
        "Over time",
        "Traffic by key",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

/// Lines as the proxy's mode `observe` writes them: its keys are made by the code that a cache would use, bodies included.
#[test]
fn what_the_proxy_has_observed() {
    let line = |second: u32, rest: &str| {
        format!(r#"{{"time":"2026-12-01T10:00:{second:02}.000Z","run":"00000000000000aa",{rest}"#) + "\n"
    };
    let read = |key: &str, target: &str| {
        format!(
            r#""kind":"read","method":"POST","key":"{key}","targets":["{target}"],"status":200,"request_bytes":40,"bytes":100,"upstream_ms":5.0}}"#
        )
    };
    let write = |targets: &str| {
        format!(
            r#""kind":"write","method":"POST","targets":[{targets}],"status":201,"request_bytes":40,"bytes":10,"upstream_ms":1.0}}"#
        )
    };
    let log = [
        line(1, &read("01", "shop")),
        line(2, &read("01", "shop")),
        // Of another key, though of the same address: the log does not even have it.
        line(3, &read("02", "shop")),
        line(4, &write(r#""users""#)),
        line(5, &read("01", "shop")),
        line(6, &write(r#""shop""#)),
        line(7, &read("01", "shop")),
        // A request of two items, and a pass.
        line(
            8,
            r#""kind":"read","method":"POST","items":["03","04"],"targets":["shop"],"everything":true,"status":200,"request_bytes":9,"bytes":50,"upstream_ms":1.0}"#,
        ),
        line(
            9,
            r#""kind":"pass","method":"GET","why":"unknown","status":200,"request_bytes":0,"bytes":7,"upstream_ms":1.0}"#,
        ),
        // Another process has other keys.
        line(10, &read("01", "shop")).replace("aa", "bb"),
    ];
    let report = run_with_input(["plan", "--json", "--ttl", "60s", "-"], log.concat().as_bytes()).json();
    let sums = &report["log"];
    assert_eq!(
        (&sums["requests"], &sums["writes"], &sums["others"]),
        (&7.into(), &2.into(), &1.into()),
        "{sums}"
    );
    assert_eq!(sums["without_body"], 0, "what bodies ask for is in the key: {sums}");
    // The second and the fifth line.
    let hits = report["ttls"][0]["hit_ratio"].as_f64().unwrap();
    assert_eq!(format!("{hits:.4}"), "0.2857", "two of seven: {report}");
}
