//! Header fields that nobody would write: no decision panics, and what is stored never outlives what it says.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, request, response};
use larder_http::caching::{
    Exchange, Rules, Stored,
    age::AgeField,
    cache_status::{CacheStatus, Forward},
    conditional,
    groups::{CACHE_GROUPS, groups},
    invalidation::also_invalid,
    reuse::{Reuse, reuse},
    storing::{Storing, storing},
    update::{head, update},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// Fields that mean something to a cache, and some that do not.
const NAMES: [&str; 22] = [
    "cache-control",
    "cdn-cache-control",
    "pragma",
    "age",
    "date",
    "expires",
    "last-modified",
    "etag",
    "vary",
    "connection",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "range",
    "authorization",
    "set-cookie",
    "location",
    "content-location",
    "content-length",
    "cache-groups",
    "x-a",
    "x-b",
];

/// Pieces of which values are made that nearly are what they should be.
const PIECES: [&str; 44] = [
    "max-age",
    "s-maxage",
    "no-store",
    "no-cache",
    "private",
    "public",
    "must-revalidate",
    "must-understand",
    "max-stale",
    "min-fresh",
    "only-if-cached",
    "stale-if-error",
    "stale-while-revalidate",
    "=",
    "=",
    "\"",
    "\\",
    ",",
    ", ",
    ";",
    " ",
    "\t",
    "0",
    "1",
    "60",
    "-1",
    "99999999999999999999",
    "1.5",
    "*",
    "W/",
    "\"a\"",
    "x-a",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "http://",
    "a.example",
    "//",
    "/..",
    "?",
    "#",
    ":",
    "(",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let likely = vec(select(&PIECES[..]), 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    // Every byte that a value may have, those above ASCII included.
    let any = vec(any::<u8>().prop_map(|byte| if byte < 32 || byte == 127 { b'\t' } else { byte }), 0..200);
    prop_oneof![4 => likely, 1 => any].prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    vec((select(&NAMES[..]), value()), 0..10).prop_map(|fields| {
        fields.into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(HeaderName::from_static(name), value);
            headers
        })
    })
}

fn request() -> impl Strategy<Value = request::Parts> {
    let method = select(vec![Method::GET, Method::GET, Method::GET, Method::HEAD, Method::POST]);
    (method, fields()).prop_map(|(method, headers)| {
        let (mut parts, ()) = Request::builder().method(method).uri("/x?y").body(()).unwrap().into_parts();
        parts.headers = headers;
        parts
    })
}

fn answer() -> impl Strategy<Value = response::Parts> {
    (select(vec![200_u16, 200, 200, 204, 206, 299, 304, 404, 500, 999]), fields()).prop_map(
        |(status, headers)| {
            let (mut parts, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
            parts.headers = headers;
            parts
        },
    )
}

fn time() -> impl Strategy<Value = SystemTime> {
    prop_oneof![Just(0_u64), Just(784_111_777), 0..=1_u64 << 40]
        .prop_map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_outlives_itself(
        first in request(),
        second in request(),
        answered in answer(),
        then in answer(),
        times in (time(), time(), time()),
    ) {
        let mut rules = Rules::default();
        rules.heuristic = Some(0.1);
        rules.stale_if_error = 5;
        let (asked, answered_at, now) = times;
        let exchange = Exchange { request: &first, answer: &answered, asked, answered: answered_at };
        if let Storing::Store(stored) = storing(&exchange, &rules) {
            let round_trip: Stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
            prop_assert_eq!(&round_trip, &*stored);
            prop_assert!(first.method == Method::GET && answered.status != 206 && answered.status != 304);
            let written = format!("{:?}", answered.headers.get_all("cache-control").iter().collect::<Vec<_>>());
            let targeted = answered.headers.contains_key("cdn-cache-control");
            prop_assert!(targeted || !written.contains("no-store") || written.contains('\\')
                || written.contains("must-understand") || !is_bare(&answered.headers, b"no-store"));
            if let Reuse::Hit { age, stale: None, .. } = reuse(&second, [&*stored], now, &rules) {
                prop_assert!(age < stored.freshness.lifetime);
                prop_assert!(!matches!(AgeField::of(&answered.headers), AgeField::Invalid));
                prop_assert!(stored.selecting.matches(&second.headers));
            }
            let _ = conditional::not_modified(&second.headers, &stored);
            let mut headers = second.headers.clone();
            conditional::validate(&mut headers, &stored);
            let exchange = Exchange { request: &second, answer: &then, asked: now, answered: now };
            let _ = update(&stored, &exchange, &rules);
            let _ = head(&stored, 7, &exchange, &rules);
        }
        let _ = groups(&answered.headers, &CACHE_GROUPS);
        for path in also_invalid("http", "a.example", "/x?y", &answered.headers) {
            prop_assert!(path.starts_with('/') && path.is_ascii());
        }
        let mut status = CacheStatus::default();
        status.forward = Some(Forward::Stale);
        status.append("larder", &mut headers_of(&answered));
    }
}

/// Whether the directive is a member of its own, unquoted, of one of the lines.
fn is_bare(headers: &HeaderMap, name: &[u8]) -> bool {
    headers.get_all("cache-control").iter().any(|line| {
        let has_quotes = line.as_bytes().contains(&b'"');
        !has_quotes && line.as_bytes().split(|byte| *byte == b',').any(|member| member.trim_ascii() == name)
    })
}

fn headers_of(answer: &response::Parts) -> HeaderMap {
    answer.headers.clone()
}
