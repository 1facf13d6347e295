//! What a request to a search engine is: what may change something is never taken for a read, and a path that can be read in two ways
//! is never stored.
#![no_main]

use arbitrary::Arbitrary;
use larder_http::{
    search::{self, Endpoint},
    solr,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    method: Method,
    segments: Vec<Segment>,
    query: Option<String>,
}

#[derive(Debug, Arbitrary)]
enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Other(String),
}

/// A part of a path: a word of an engine as it is, in disguise, or anything.
#[derive(Debug, Arbitrary)]
enum Segment {
    Word(u8),
    Encoded(u8, u8),
    Text(String),
}

const WORDS: &[&str] = &[
    "_search",
    "_count",
    "_doc",
    "_msearch",
    "_mget",
    "_bulk",
    "_source",
    "template",
    "_update",
    "_create",
    "_delete_by_query",
    "_update_by_query",
    "_reindex",
    "_aliases",
    "_alias",
    "_refresh",
    "_flush",
    "_cat",
    "count",
    "_all",
    "shop",
    "logs-*",
    "-shop",
    "a,b",
    "<logs-{now/d}>",
    "other:shop",
    "_sql",
    "_query",
    "async",
    "_pit",
    "scroll",
    "..",
    ".",
    "",
    "solr",
    "select",
    "update",
    "get",
    "admin",
    "stream",
    "_plugins",
    "_security",
    "_data_stream",
    "_close",
    "_mapping",
];

fn word(of: u8) -> &'static str {
    WORDS[usize::from(of) % WORDS.len()]
}

fuzz_target!(|input: Input| {
    let method = match &input.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Patch => "PATCH",
        Method::Other(other) => other,
    };
    let mut path = String::new();
    for segment in &input.segments {
        path.push('/');
        match segment {
            Segment::Word(of) => path.push_str(word(*of)),
            Segment::Encoded(of, at) => {
                let word = word(*of);
                let at = usize::from(*at) % word.len().max(1);
                for (place, byte) in word.bytes().enumerate() {
                    if place == at {
                        path.push_str(&format!("%{byte:02x}"))
                    } else {
                        path.push(char::from(byte))
                    }
                }
            }
            Segment::Text(text) => path.push_str(text),
        }
    }
    let query = input.query.as_deref();
    let endpoint = search::classify(method, &path, query);
    assert_eq!(endpoint, search::classify(method, &path, query));
    let reads = matches!(endpoint, Endpoint::Read { .. } | Endpoint::Msearch { .. } | Endpoint::Mget { .. });
    // A read is asked for by these two, and never of a path in which a server could step up or skip something.
    assert!(!reads || matches!(method, "GET" | "POST"), "{method} {path}");
    assert!(!reads || !is_ambiguous(&path), "{path}");
    // What is not known and may change something ends everything.
    if !matches!(method, "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "DELETE") {
        assert!(
            matches!(&endpoint, Endpoint::Write { targets, .. } if !targets.are_names()),
            "{method} {path}: {endpoint:?}"
        );
    }
    // The words that say that something is written, in the clear, are never a read's, whatever stands around them.
    let says = |word: &str| path.split('/').nth_back(0) == Some(word);
    if ["_bulk", "_delete_by_query", "_update_by_query", "_reindex", "_aliases", "_refresh", "_close"]
        .iter()
        .any(|word| says(word))
    {
        let is_id = path.split('/').nth_back(1).is_some_and(|before| before.starts_with('_'));
        assert!(!reads || is_id, "{method} {path}: {endpoint:?}");
    }
    if let Endpoint::Read { targets, .. } | Endpoint::Write { targets, .. } | Endpoint::Bulk { targets } =
        &endpoint
    {
        assert!(targets.names().count() <= search::MAX_NAMES);
        assert!(targets.names().all(|name| name.len() <= search::MAX_NAME));
    }

    let endpoint = solr::classify(method, &path, query);
    let reads = matches!(endpoint, solr::Endpoint::Read { .. });
    assert!(!reads || matches!(method, "GET" | "POST"), "{method} {path}");
    assert!(!reads || !is_ambiguous(path.strip_suffix('/').unwrap_or(&path)), "{path}");
    assert!(!reads || !path.split('/').nth(3).is_some_and(|handler| handler == "update"), "{path}");
});

/// By RFC 3986 and what servers make of it: dots and empty segments. An encoded slash stays inside its segment. `http::Uri` hands over
/// no `?` and no `#`.
fn is_ambiguous(path: &str) -> bool {
    let lower = path.to_ascii_lowercase().replace("%2e", ".");
    lower.split('/').skip(1).any(|segment| matches!(segment, "." | ".." | ""))
}
