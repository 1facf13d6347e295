//! Keys of searches: one question however it is written is one key; two questions, two routes and two principals are never one.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use arbitrary::Arbitrary;
use larder_fuzz::Json;
use larder_http::{
    request::{Request, Rules, RunningClock},
    search, solr,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    one: Question,
    other: Question,
    /// Only the body of the other is another one.
    only_body: bool,
    style: u8,
    ttl: Option<u16>,
}

#[derive(Debug, Clone, Arbitrary)]
struct Question {
    path: u8,
    text: String,
    query: Option<String>,
    body: Json,
    authorization: Option<Vec<u8>>,
    raw: Option<Vec<u8>>,
    scope: u8,
}

const PATHS: &[&str] = &[
    "/shop/_search",
    "/shop/_count",
    "/books/_search",
    "/_search",
    "/shop,books/_search",
    "/_msearch",
    "/shop/_mget",
    "/shop/_doc/1",
    "/shop/_search/template",
    "/solr/shop/select",
    "/solr/shop/query/",
    "/shop/_field_caps",
];

impl Question {
    fn path(&self) -> String {
        match PATHS.get(usize::from(self.path) % (PATHS.len() + 1)) {
            Some(path) => (*path).to_owned(),
            None => format!("/{}/_search", self.text),
        }
    }
}

/// The outcome of a question: its key, or that it has none.
fn keys(question: &Question, style: u8, ttl: Option<u16>) -> [Option<[u8; 32]>; 2] {
    let text;
    let body = match &question.raw {
        Some(raw) => &raw[..],
        None => {
            text = question.body.write(style);
            text.as_bytes()
        }
    };
    let path = question.path();
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", b"application/json")];
    if let Some(who) = &question.authorization {
        headers.push(("Authorization", who));
    }
    let request = Request {
        method: "POST",
        path: &path,
        query: question.query.as_deref(),
        headers: &headers,
        body,
        client_certificate: None,
        now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    };
    let mut rules = Rules { scope: format!("route {}", question.scope), ..Rules::default() };
    if let Some(ttl) = ttl {
        rules.running_clock = RunningClock::Ttl(Duration::from_secs(ttl.into()));
    }
    // What is of many is taken apart without a panic, and put together again.
    for many in [search::msearch(&request, &rules), search::mget(&request, &rules)].into_iter().flatten() {
        let places: Vec<usize> = (0..many.items.len()).collect();
        assert!(!many.body_for(&places).is_empty());
    }
    let search = search::key(&request, &rules).ok().map(|keyed| keyed.digest);
    [search, solr::key(&request, &rules).ok().map(|keyed| keyed.digest)]
}

fuzz_target!(|input: Input| {
    let one = &input.one;
    // Blanks and escapes are nothing that an engine sees.
    assert_eq!(keys(one, 0, input.ttl)[0], keys(one, input.style & 3, input.ttl)[0], "{one:?}");

    let mut other = input.other.clone();
    if input.only_body {
        other = Question { body: other.body, raw: other.raw, ..one.clone() };
    }
    // Members in another order may be the same question, so nothing is said of them where they are all that differs.
    let same = sorted(one) == sorted(&other)
        && one.path() == other.path()
        && one.authorization == other.authorization
        && one.scope == other.scope;
    for (left, right) in keys(one, 0, input.ttl).into_iter().zip(keys(&other, 0, input.ttl)) {
        let (Some(left), Some(right)) = (left, right) else { continue };
        // Solr is asked the same by a path with a slash at its end, and by JSON or parameters; and a search without a body by
        // `source`. What remains is what must differ.
        let must_differ = !same
            && (one.authorization != other.authorization
                || one.scope != other.scope
                || is_plain(one, &other));
        assert!(!must_differ || left != right, "{one:?} {other:?}");
    }
});

/// Whether nothing but JSON bodies of searches makes the difference.
fn is_plain(one: &Question, other: &Question) -> bool {
    let is_search = |question: &Question| {
        question.path().ends_with("_search") && question.query.is_none() && question.raw.is_none()
    };
    is_search(one) && is_search(other) && one.path() == other.path() && sorted(one) != sorted(other)
}

fn sorted(question: &Question) -> Option<Vec<u8>> {
    match &question.raw {
        Some(raw) => Some(raw.clone()),
        None => Some(serialized(&question.body)),
    }
}

/// With numbers as they are written, and all members sorted: computed apart from what is tested.
fn serialized(body: &Json) -> Vec<u8> {
    fn plain(value: serde_json::Value, out: &mut Vec<u8>) {
        match value {
            serde_json::Value::Object(members) => {
                let mut members: Vec<_> = members.into_iter().collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                out.push(b'{');
                for (name, value) in members {
                    out.extend(format!("{name:?}:").bytes());
                    plain(value, out);
                    out.push(b',');
                }
                out.push(b'}');
            }
            serde_json::Value::Array(items) => {
                out.push(b'[');
                for item in items {
                    plain(item, out);
                    out.push(b',');
                }
                out.push(b']');
            }
            other => out.extend(format!("{other:?}").bytes()),
        }
    }
    let mut out = Vec::new();
    match serde_json::from_str(&body.write(0)) {
        Ok(value) => plain(value, &mut out),
        Err(_) => out = body.write(0).into_bytes(),
    }
    out
}
