//! Keys of searches: what counts, what does not, what passes, and what the clock allows.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder_http::{
    request::{NotKeyed, Principals, Request, Rules, RunningClock},
    search::{Keyed, Names, key},
};
use proptest::{collection::vec, prelude::*};

/// 2024-02-29 22:30:15 UTC.
const NOW: u64 = 1_709_245_815;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn request<'a>(
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a [(&'a str, &'a [u8])],
    body: &'a str,
) -> Request<'a> {
    Request {
        method: "POST",
        path,
        query,
        headers,
        body: body.as_bytes(),
        client_certificate: None,
        now: at(NOW),
    }
}

fn search(body: &str) -> Result<Keyed, NotKeyed> {
    key(&request("/shop/_search", None, &[("Content-Type", b"application/json")], body), &Rules::default())
}

fn by_query(query: &str) -> Result<Keyed, NotKeyed> {
    key(&request("/shop/_search", Some(query), &[], ""), &Rules::default())
}

fn by_headers(headers: &[(&str, &[u8])], rules: &Rules) -> Result<Keyed, NotKeyed> {
    key(&request("/shop/_search", None, headers, "{}"), rules)
}

#[test]
fn golden() {
    let headers: [(&str, &[u8]); 2] = [("content-type", b"application/json"), ("authorization", b"Basic x")];
    let rules = Rules { scope: "es".into(), ..Rules::default() };
    let keyed =
        key(&request("/shop/_search", Some("typed_keys&size=3"), &headers, r#"{"b":1,"a":2}"#), &rules)
            .unwrap();
    let hex = keyed.digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(hex, "b8551fef4e52913aa4be93815f94d8567d7fd6ff672412e47c46d007e6845080");
}

#[test]
fn what_only_says_how_is_not_in_the_key() {
    let plain = by_query("q=a").unwrap().digest;
    for same in [
        "q=a&request_cache=true",
        "batched_reduce_size=3&q=a",
        "q=a&max_concurrent_shard_requests=1&max_concurrent_searches=2",
        "pre_filter_shard_size=1&ccs_minimize_roundtrips=true&q=%61",
    ] {
        assert_eq!(by_query(same).unwrap().digest, plain, "{same}");
    }
    assert_eq!(by_query("q=a&size=1").unwrap().digest, by_query("size=1&q=a").unwrap().digest);
    for other in [
        "pretty",
        "human",
        "format=json",
        "filter_path=hits",
        "typed_keys",
        "rest_total_hits_as_int=true",
        "error_trace",
        "_source=a",
        "_source_includes=b",
        "routing=r",
        "preference=p",
        "q=b",
        "q=a&q=b",
    ] {
        assert_ne!(by_query(&format!("q=a&{other}")).unwrap().digest, plain, "{other}");
    }
    assert_ne!(by_query("q=a&q=b").unwrap().digest, by_query("q=b&q=a").unwrap().digest);
    let rules = Rules { ignore_preference: true, ..Rules::default() };
    let key_of = |query| key(&request("/shop/_search", Some(query), &[], ""), &rules).unwrap().digest;
    assert_eq!(key_of("preference=1"), key_of("preference=2"));
}

#[test]
fn everything_else_is() {
    let base = request(
        "/shop/_search",
        None,
        &[("content-type", b"application/json"), ("accept", b"application/json")],
        "{}",
    );
    let rules = Rules::default();
    let plain = key(&base, &rules).unwrap().digest;
    assert_eq!(key(&Request { method: "GET", ..base }, &rules).unwrap().digest, plain);
    assert_eq!(key(&Request { path: "/sh%6Fp/_search", ..base }, &rules).unwrap().digest, plain);
    assert_eq!(
        key(
            &Request {
                headers: &[
                    ("X-Opaque-Id", b"7"),
                    ("ACCEPT", b" application/json"),
                    ("Content-type", b"application/json"),
                    ("traceparent", b"x")
                ],
                ..base
            },
            &rules
        )
        .unwrap()
        .digest,
        plain
    );
    for other in [
        Request { path: "/shop/_count", ..base },
        Request { path: "/shop2/_search", ..base },
        Request { path: "/shop%2F_search/_search", ..base },
        Request { path: "/_search", ..base },
        Request { query: Some("q=a"), ..base },
        Request {
            headers: &[
                ("content-type", b"application/json"),
                ("accept", b"application/vnd.elasticsearch+json; compatible-with=8"),
            ],
            ..base
        },
        Request {
            headers: &[
                ("content-type", b"application/vnd.elasticsearch+json;compatible-with=8"),
                ("accept", b"application/json"),
            ],
            ..base
        },
        Request {
            headers: &[
                ("content-type", b"application/json"),
                ("accept", b"application/json"),
                ("authorization", b"Basic YTpi"),
            ],
            ..base
        },
        Request {
            headers: &[
                ("content-type", b"application/json"),
                ("accept", b"application/json"),
                ("es-security-runas-user", b"a"),
            ],
            ..base
        },
        Request { client_certificate: Some(b"a"), ..base },
        Request { body: b"", ..base },
        Request { body: b"[]", ..base },
    ] {
        assert_ne!(key(&other, &rules).unwrap().digest, plain, "{other:?}");
    }
    assert_ne!(key(&base, &Rules { scope: "other".into(), ..Rules::default() }).unwrap().digest, plain);
}

#[test]
fn principals() {
    let one: &[(&str, &[u8])] = &[("Authorization", b"Basic YTpi")];
    let two: &[(&str, &[u8])] = &[("authorization", b"Basic YTpj")];
    let twice: &[(&str, &[u8])] = &[("Authorization", b"Basic YTpi"), ("Authorization", b"Basic YTpj")];
    let own: &[(&str, &[u8])] = &[("X-Team", b"a")];
    let by = |principals| Rules { principals, principal_headers: vec!["x-team".into()], ..Rules::default() };
    let apart = by(Principals::Apart);
    let digests: Vec<_> = [one, two, twice, own, &[]]
        .iter()
        .map(|headers| by_headers(headers, &apart).unwrap().digest)
        .collect();
    let different: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(different.len(), 5);
    let shared = by(Principals::Shared);
    assert_eq!(by_headers(one, &shared).unwrap().digest, by_headers(two, &shared).unwrap().digest);
    let bypass = by(Principals::Bypass);
    for headers in [one, two, own] {
        assert_eq!(by_headers(headers, &bypass), Err(NotKeyed::Principal));
    }
    assert!(by_headers(&[], &bypass).is_ok());
    let with_certificate = Request { client_certificate: Some(b"c"), ..request("/_search", None, &[], "") };
    assert_eq!(key(&with_certificate, &bypass), Err(NotKeyed::Principal));
    // A header's value cannot run into the next one, nor look like another header.
    let split: &[(&str, &[u8])] = &[("Authorization", b"Basic YTpiBasic YTpj")];
    assert_ne!(by_headers(split, &apart).unwrap().digest, by_headers(twice, &apart).unwrap().digest);
    assert!(!format!("{:?}", request("/a", None, one, "secret")).contains("YTpi"));
}

#[test]
fn passes() {
    for (body, why) in [
        (r#"{"profile":true}"#, NotKeyed::Profile),
        (r#"{"pit":{"id":"a"}}"#, NotKeyed::Stateful),
        (r#"{"p\u0069t":{"id":"a"}}"#, NotKeyed::Stateful),
        (r#"{"query":{"function_score":{"random_score":{}}}}"#, NotKeyed::Random),
        (r#"{"query":{"function_score":{"functions":[{"random_score":{"field":"a"}}]}}}"#, NotKeyed::Random),
        (r#"{"aggs":{"a":{"random_sampler":{"probability":0.1}}}}"#, NotKeyed::Random),
        (r#"{"sort":{"_script":{"script":"Math.random()"}}}"#, NotKeyed::Script),
        (r#"{"script_fields":{"a":{"script":{"source":"return Math . random ( )"}}}}"#, NotKeyed::Script),
        (r#"{"query":{"script":{"script":"doc.a.value < new Date().getTime()"}}}"#, NotKeyed::Script),
        (
            r#"{"runtime_mappings":{"a":{"script":{"source":"emit(System.currentTimeMillis())"}}}}"#,
            NotKeyed::Script,
        ),
        (r#"{"query":{"range":{"d":{"gte":"now-1h"}}}}"#, NotKeyed::RunningClock),
        (r#"{"query":{"range":{"d":{"gte":"\u006eow"}}}}"#, NotKeyed::RunningClock),
        (r#"{"query":{"query_string":{"query":"d:[now-1h TO *]"}}}"#, NotKeyed::RunningClock),
        (r#"{"query":{"query_string":{"query":"d:[now\\/d TO *]"}}}"#, NotKeyed::RunningClock),
        (r#"{"query":{"script":{"script":{"source":"a","params":{"t":"now"}}}}}"#, NotKeyed::RunningClock),
        (r#"{"query":{"script":{"script":{"id":"stored"}}}}"#, NotKeyed::RunningClock),
        // A body with a name twice is not read, and may be anything.
        (r#"{"a":1,"a":2,"profile":true}"#, NotKeyed::Unreadable),
    ] {
        assert_eq!(search(body), Err(why), "{body}");
    }
    for (query, why) in [
        ("scroll=1m", NotKeyed::NotARead),
        ("search_type=dfs_query_then_fetch", NotKeyed::DfsQueryThenFetch),
        ("request_cache=false", NotKeyed::RequestCache),
        ("wait_for_checkpoints=1", NotKeyed::WaitForCheckpoints),
        ("q=d:%3Enow-1h", NotKeyed::RunningClock),
        ("q=d:[now-1h+TO+now/d]", NotKeyed::RunningClock),
    ] {
        assert_eq!(by_query(query), Err(why), "{query}");
    }
    for value in ["no-cache", "max-age=0, No-Store", "private,no-cache"] {
        for name in ["Cache-Control", "pragma"] {
            assert_eq!(
                by_headers(&[(name, value.as_bytes())], &Rules::default()),
                Err(NotKeyed::ClientAsked),
                "{value}"
            );
        }
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(search(&deep), Err(NotKeyed::TooDeep));
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(1 << 20));
    assert_eq!(search(&long), Err(NotKeyed::TooLong));
    for (path, body) in [
        ("/_sql", r#"{"query":"SELECT NOW()"}"#),
        ("/_query", r#"{"query":"FROM a | WHERE t > now()"}"#),
        ("/_sql", r#"{"query":"SELECT current_date FROM a"}"#),
    ] {
        assert!(key(&request(path, None, &[], body), &Rules::default()).is_err(), "{body}");
    }
    assert_eq!(
        key(&request("/_sql", None, &[], r#"{"cursor":"abc"}"#), &Rules::default()),
        Err(NotKeyed::Stateful)
    );
    assert_eq!(
        key(&request("/a/_search/template", None, &[], r#"{"id":"stored"}"#), &Rules::default()),
        Err(NotKeyed::RunningClock)
    );
    assert_eq!(
        key(
            &request("/a/_search/template", None, &[], r#"{"source":"{\"profile\":true}"}"#),
            &Rules::default()
        ),
        Err(NotKeyed::Unreadable)
    );
    for path in ["/shop/_doc", "/_bulk", "/_msearch", "/_mget", "/_tasks"] {
        assert_eq!(key(&request(path, None, &[], "{}"), &Rules::default()), Err(NotKeyed::NotARead));
    }
}

#[test]
fn looks_like_something_and_is_not() {
    for body in [
        r#"{"profile":false}"#,
        r#"{"query":{"match":{"title":"now and then"}}}"#,
        r#"{"query":{"match":{"title":"nowhere"}}}"#,
        r#"{"query":{"match":{"title":"buy now"}}}"#,
        r#"{"query":{"query_string":{"query":"title:nowhere known snow"}}}"#,
        r#"{"query":{"term":{"pit":"a"}}}"#,
        r#"{"query":{"function_score":{"random_score":{"seed":7,"field":"_seq_no"}}}}"#,
        r#"{"query":{"match":{"title":"random date"}}}"#,
    ] {
        if body.contains("now and then") {
            // It begins like an expression: over-careful.
            assert_eq!(search(body), Err(NotKeyed::RunningClock));
        } else {
            assert!(search(body).is_ok(), "{body}: {:?}", search(body));
        }
    }
}

#[test]
fn rounded_time_lives_to_its_boundary() {
    let range = |inner: &str| format!(r#"{{"query":{{"range":{{"d":{{{inner}}}}}}}}}"#);
    for (body, until) in [
        (range(r#""gte":"now/d""#), Some(1_709_251_200)),
        (range(r#""gte":"now-7d/d","lt":"now/h""#), Some(1_709_247_600)),
        (range(r#""gte":"now/d","time_zone":"+02:00""#), Some(1_709_330_400)),
        (range(r#""gte":"now/d","time_zone":"Europe/Paris""#), Some(1_709_246_700)),
        (
            r#"{"query":{"query_string":{"query":"d:[now-1d/d TO now/d} OR d:now/M","time_zone":"-01:00"}}}"#
                .into(),
            Some(1_709_254_800),
        ),
        (
            r#"{"aggs":{"a":{"date_range":{"time_zone":"+02:00","ranges":[{"from":"now/d"}]}}}}"#.into(),
            Some(1_709_330_400),
        ),
        (r#"{"query":{"match_all":{}}}"#.into(), None),
    ] {
        assert_eq!(search(&body).unwrap().life.until, until.map(at), "{body}");
    }
    // A plus is a space.
    assert_eq!(by_query("q=d:[now/d+TO+*]").unwrap().life.until, Some(at(1_709_251_200)));
    assert_eq!(by_query("q=d:[now/d%20TO%20*]").unwrap().life.until, Some(at(1_709_251_200)));
    let index = |name: &str| {
        key(&request(&format!("/{name}/_search"), None, &[], ""), &Rules::default())
            .map(|keyed| keyed.life.until)
    };
    assert_eq!(index("%3Clogs-%7Bnow%2Fd%7D%3E"), Ok(Some(at(1_709_251_200))));
    assert_eq!(index("%3Clogs-%7Bnow%2Fd%7Byyyy.MM.dd%7C%2B02:00%7D%7D%3E"), Ok(Some(at(1_709_330_400))));
    assert_eq!(index("%3Clogs-%7Bnow%7D%3E"), Err(NotKeyed::RunningClock));
    let many = format!("[{}]", vec![r#""now/d""#; 100].join(","));
    assert_eq!(search(&many), Err(NotKeyed::RunningClock));
}

#[test]
fn a_running_clock_by_the_routes_rule() {
    let body = r#"{"query":{"range":{"d":{"gte":"now-1h"}}}}"#;
    let by = |running_clock| {
        let rules = Rules { running_clock, ..Rules::default() };
        key(&request("/shop/_search", None, &[], body), &rules).map(|keyed| keyed.life)
    };
    let hour = Duration::from_hours(1);
    let (now, minute) = (at(NOW), Duration::from_mins(1));
    assert_eq!(by(RunningClock::Bypass), Err(NotKeyed::RunningClock));
    assert_eq!(by(RunningClock::Ttl(minute)).unwrap().limit(hour, now), minute);
    assert_eq!(by(RunningClock::Ttl(2 * hour)).unwrap().limit(hour, now), hour);
    // 22:31:00.
    assert_eq!(by(RunningClock::Round(minute)).unwrap().limit(hour, now), Duration::from_secs(45));
    assert_eq!(by(RunningClock::Round(minute)).unwrap().limit(hour, now + minute), Duration::ZERO);
    assert_eq!(by(RunningClock::Round(Duration::ZERO)).unwrap().limit(hour, now), Duration::ZERO);
}

#[test]
fn reads_of_other_indices_are_targets() {
    let names = |body: &str| search(body).unwrap().targets.names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names("{}"), ["shop"]);
    assert_eq!(
        names(r#"{"query":{"terms":{"user":{"index":"users","id":"2","path":"followers"}}}}"#),
        ["shop", "users"]
    );
    assert_eq!(
        names(r#"{"query":{"more_like_this":{"like":[{"_index":"other","_id":"1"}]}}}"#),
        ["other", "shop"]
    );
    assert!(
        !search(r#"{"query":{"geo_shape":{"a":{"indexed_shape":{"id":"1"}}}}}"#).unwrap().targets.are_names()
    );
    let sql = key(&request("/_sql", None, &[], r#"{"query":"SELECT a FROM b"}"#), &Rules::default()).unwrap();
    assert!(sql.targets.depends(&Names::NoAliases).wildcard);
}

#[test]
fn a_body_in_the_query_string_is_a_body() {
    let body = r#"{"query":{"match":{"a":"b c"}}}"#;
    let sent = key(
        &request("/shop/_search", None, &[("content-type", b"application/json")], body),
        &Rules::default(),
    )
    .unwrap();
    let encoded = "source=%7B%22query%22:%7B%22match%22:%7B%22a%22:%22b+c%22%7D%7D%7D&source_content_type=application/json";
    assert_eq!(by_query(encoded).unwrap(), sent);
    assert_eq!(by_query(&encoded.replace("b+c", "now-1h")), Err(NotKeyed::RunningClock));
    // Beside a body it is ignored by some, and counts here.
    let both = key(
        &request("/shop/_search", Some(encoded), &[("content-type", b"application/json")], body),
        &Rules::default(),
    )
    .unwrap();
    assert_ne!(both.digest, sent.digest);
}

#[test]
fn other_formats_have_keys_of_their_own() {
    let by = |content_type: &'static str, body: &str| {
        key(
            &request("/shop/_search", None, &[("content-type", content_type.as_bytes())], body),
            &Rules::default(),
        )
    };
    let yaml = by("application/yaml", "size: 1\n").unwrap();
    assert!(!yaml.canonical && !yaml.targets.are_names());
    assert_eq!(by("application/yaml", "query: {range: {d: {gte: now}}}"), Err(NotKeyed::Unreadable));
    assert_ne!(yaml.digest, by("application/yaml", "size:  1\n").unwrap().digest);
    let (twice, turned) = (search(r#"{"a":1,"a":2}"#).unwrap(), search(r#"{"a":2,"a":1}"#).unwrap());
    assert!(!twice.canonical);
    assert_ne!(twice.digest, turned.digest);
    assert!(search(r#"{"a":1}"#).unwrap().canonical);
}

#[test]
fn order_that_counts() {
    for (left, right) in [
        (r#"{"sort":{"a":"asc","b":"desc"}}"#, r#"{"sort":{"b":"desc","a":"asc"}}"#),
        (
            r#"{"aggs":{"a":{"max":{"field":"x"}},"b":{"min":{"field":"x"}}}}"#,
            r#"{"aggs":{"b":{"min":{"field":"x"}},"a":{"max":{"field":"x"}}}}"#,
        ),
        (
            r#"{"aggs":{"t":{"aggregations":{"a":{},"b":{}}}}}"#,
            r#"{"aggs":{"t":{"aggregations":{"b":{},"a":{}}}}}"#,
        ),
        (r#"{"highlight":{"fields":{"a":{},"b":{}}}}"#, r#"{"highlight":{"fields":{"b":{},"a":{}}}}"#),
        (r#"{"query":{"range":{"d":{"gt":1,"gte":2}}}}"#, r#"{"query":{"range":{"d":{"gte":2,"gt":1}}}}"#),
        (r#"{"indices_boost":{"a":1,"b":2}}"#, r#"{"indices_boost":{"b":2,"a":1}}"#),
        (r#"{"size":18446744073709551617}"#, r#"{"size":18446744073709551618}"#),
    ] {
        assert_ne!(search(left).unwrap().digest, search(right).unwrap().digest, "{left}");
    }
    let (left, right) = (
        r#"{"size":1,"query":{"bool":{"must":{"term":{"a":1}},"filter":[]}}}"#,
        r#"{"query":{"bool":{"filter":[],"must":{"term":{"a":1}}}},"size":1}"#,
    );
    assert_eq!(search(left).unwrap().digest, search(right).unwrap().digest);
}

proptest! {
    #[test]
    fn never_panics(body in vec(any::<u8>(), 0..80), text in "[{}\\[\\]\":, a-z]{0,60}|now[-+/dhMyw0-9]{0,8}", query in proptest::option::of("[a-z_=&%+:/-]{0,30}"), path in "/[a-z]{0,4}/(_search|_count|_doc/1|_sql|_query|_search/template)") {
        let base = request(&path, query.as_deref(), &[], &text);
        let _ = key(&base, &Rules::default());
        let _ = key(&Request { body: &body, ..base }, &Rules::default());
        let quoted = serde_json::json!({"query": {"range": {"d": {"gte": &text, "time_zone": &text}}, "query_string": {"query": &text}}}).to_string();
        let _ = key(&Request { body: quoted.as_bytes(), ..base }, &Rules::default());
    }

    /// Different parts, different keys.
    #[test]
    fn no_two_requests_have_one_key(parts in vec(("[a-c]{1,2}", "[a-c=]{0,2}", "[a-c]{0,2}"), 1..30)) {
        let mut seen = HashMap::new();
        for part in parts {
            let (index, query, value) = &part;
            let path = format!("/{index}/_search");
            let digest = key(&request(&path, Some(query), &[("authorization", value.as_bytes())], "{}"), &Rules::default()).unwrap().digest;
            // `a` and `a=` are one parameter.
            let (name, of) = query.split_once('=').unwrap_or((query, ""));
            let part = (index.clone(), name.to_owned(), of.to_owned(), query.is_empty(), value.clone());
            if let Some(other) = seen.insert(digest, part.clone()) {
                prop_assert_eq!(other, part);
            }
        }
    }
}

/// `cargo test -p larder-http --release --test search_key -- --ignored --nocapture`
#[test]
#[ignore = "says how long it takes, which is for people to judge"]
fn cost() {
    let terms: Vec<_> = (0..40).map(|at| serde_json::json!({"term": {format!("field_{at}"): {"value": format!("value {at}"), "boost": 1.5}}})).collect();
    let body = serde_json::json!({"size": 10, "from": 0, "query": {"bool": {"should": terms, "filter": {"range": {"d": {"gte": "now/d"}}}}}, "aggs": {"a": {"terms": {"field": "x"}}}}).to_string();
    let body = &body[..];
    let headers: [(&str, &[u8]); 3] = [
        ("content-type", b"application/json"),
        ("accept", b"application/json"),
        ("authorization", b"Basic abc"),
    ];
    let base = request("/shop/_search", Some("typed_keys=true"), &headers, body);
    let rules = Rules::default();
    let order = larder_http::search::order;
    let time = |what: &str, run: &dyn Fn()| {
        let mut best = f64::MAX;
        for _ in 0..20 {
            let begin = std::time::Instant::now();
            (0..1000).for_each(|_| run());
            best = best.min(begin.elapsed().as_secs_f64() * 1000.0);
        }
        println!("{what}: {best:.2} µs for {} bytes", body.len());
    };
    time("canonical form", &|| {
        drop(std::hint::black_box(larder_http::canonical::canonical(
            body.as_bytes(),
            larder_http::canonical::Limits::default(),
            order,
        )));
    });
    time("whole key", &|| drop(std::hint::black_box(key(&base, &rules))));
}

/// Who has no name asks the same under each rule, and is not answered with what was stored under another.
#[test]
fn rules_of_principals_have_keys_of_their_own() {
    let by = |principals, headers: &[&str]| {
        let principal_headers = headers.iter().map(|&name| name.to_owned()).collect();
        by_headers(&[], &Rules { principals, principal_headers, ..Rules::default() }).unwrap().digest
    };
    let digests = [
        by(Principals::Shared, &[]),
        by(Principals::Apart, &[]),
        by(Principals::Bypass, &[]),
        by(Principals::Apart, &["x-user"]),
    ];
    for (place, digest) in digests.iter().enumerate() {
        assert!(!digests[..place].contains(digest), "{place}");
    }
}
