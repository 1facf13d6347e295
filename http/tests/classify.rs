//! What requests are: every line of the table in several spellings, and names that try to look like endpoints.
#![allow(clippy::unwrap_used, clippy::panic)]

use larder_http::search::{
    AliasMap, Bumps, Endpoint, MAX_NAME, MAX_NAMES, Names, PassReason, ReadKind, SequenceNumbers, Targets,
    WriteKind, classify,
};
use proptest::prelude::*;

/// A short word for what a request is.
fn what(method: &str, path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    match classify(method, path, query) {
        Endpoint::Read { kind, real_time: false, .. } => format!("read {kind:?}"),
        Endpoint::Read { kind, real_time: true, .. } => format!("real-time {kind:?}"),
        Endpoint::Write { kind, targets, lingers } => {
            let everything = if targets.are_names() { "" } else { " of everything" };
            format!("write {kind:?}{everything}{}", if lingers { " lingers" } else { "" })
        }
        Endpoint::Bulk { targets }
            if targets.depends(&Names::NoAliases).wildcard && targets == Targets::everything() =>
        {
            "bulk of everything".into()
        }
        Endpoint::Bulk { .. } => "bulk".into(),
        Endpoint::Msearch { template, .. } => if template { "msearch template" } else { "msearch" }.into(),
        Endpoint::Mget { real_time, .. } => if real_time { "mget" } else { "mget later" }.into(),
        Endpoint::Pass { why } => format!("pass {why:?}"),
        _ => "?".into(),
    }
}

#[test]
fn reads() {
    for (path, kind) in [
        ("_search", "Search"),
        ("_count", "Count"),
        ("_search/template", "SearchTemplate"),
        ("_field_caps", "FieldCaps"),
        ("_validate/query", "ValidateQuery"),
        ("_mtermvectors", "Mtermvectors"),
        ("_rank_eval", "RankEval"),
    ] {
        for method in ["GET", "POST"] {
            for target in [
                "",
                "/shop",
                "/a,b",
                "/logs-*,-logs-old",
                "/_all",
                "/%3Clogs-%7Bnow%2Fd%7D%3E",
                "/other:shop",
                "/caf%C3%A9",
            ] {
                let path = format!("{target}/{path}");
                assert_eq!(what(method, &path), format!("read {kind}"), "{method} {path}");
                assert_eq!(
                    what(method, &format!("{path}?pretty&q=a%20b+c")),
                    format!("read {kind}"),
                    "{method} {path}"
                );
            }
        }
        for method in ["PUT", "DELETE", "PATCH", "get", "FOO"] {
            assert_eq!(
                what(method, &format!("/shop/{path}")),
                "write Unknown of everything",
                "{method} {path}"
            );
        }
        assert_eq!(what("HEAD", &format!("/shop/{path}")), "pass Unknown");
    }
    for (path, kind) in [
        ("/shop/_explain/7", "Explain"),
        ("/shop/_termvectors/7", "Termvectors"),
        ("/shop/_termvectors", "Termvectors"),
        ("/shop/_mvt/place/3/1/2", "Mvt"),
        ("/shop/_terms_enum", "TermsEnum"),
        ("/shop/_knn_search", "KnnSearch"),
        ("/_render/template", "RenderTemplate"),
        ("/_render/template/mine", "RenderTemplate"),
        ("/_sql", "Sql"),
        ("/shop/_eql/search", "Eql"),
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(what(method, path), format!("read {kind}"), "{method} {path}");
        }
    }
    assert_eq!(what("POST", "/_query"), "read Esql");
    for method in ["GET", "POST"] {
        assert_eq!(what(method, "/_cat/count"), "read CatCount");
        assert_eq!(what(method, "/_cat/count/shop"), "read CatCount");
    }
}

#[test]
fn reads_in_real_time() {
    assert_eq!(what("GET", "/shop/_doc/7"), "real-time Doc");
    assert_eq!(what("GET", "/shop/_source/7"), "real-time Source");
    assert_eq!(what("GET", "/shop/_doc/7?realtime=false"), "read Doc");
    assert_eq!(what("HEAD", "/shop/_doc/7"), "pass Unknown");
    for path in ["/_mget", "/shop/_mget"] {
        for method in ["GET", "POST"] {
            assert_eq!(what(method, path), "mget");
            assert_eq!(what(method, &format!("{path}?realtime=false")), "mget later");
            assert_eq!(
                what(method, &format!("{path}?refresh=true")),
                format!("write Refresh{}", if path == "/_mget" { " of everything" } else { "" })
            );
        }
    }
    // They make earlier writes visible.
    assert_eq!(what("GET", "/shop/_doc/7?refresh"), "write Refresh");
    assert_eq!(what("GET", "/shop/_doc/7?refresh=false"), "real-time Doc");
}

#[test]
fn searches_in_one_request() {
    for method in ["GET", "POST"] {
        for target in ["", "/shop", "/a,b*"] {
            assert_eq!(what(method, &format!("{target}/_msearch")), "msearch");
            assert_eq!(what(method, &format!("{target}/_msearch/template")), "msearch template");
        }
    }
}

#[test]
fn never_stored() {
    for (method, path) in [
        ("GET", "/_search/scroll"),
        ("POST", "/_search/scroll"),
        ("DELETE", "/_search/scroll"),
        ("POST", "/_search/scroll/abc"),
        ("POST", "/shop/_search?scroll=1m"),
        ("GET", "/_search?scroll=1m"),
        ("POST", "/shop/_pit"),
        ("DELETE", "/_pit"),
        ("POST", "/shop/_search/point_in_time"),
        ("DELETE", "/_search/point_in_time/_all"),
        ("POST", "/shop/_async_search"),
        ("POST", "/_async_search"),
        ("GET", "/_async_search/status/abc"),
        ("DELETE", "/_async_search/abc"),
        ("POST", "/_query/async"),
        ("GET", "/_query/async/abc"),
        ("POST", "/_sql/close"),
        ("GET", "/_sql/async/status/abc"),
        ("POST", "/shop/_eql/search?wait_for_completion_timeout=0"),
        ("GET", "/_eql/search/abc"),
        ("GET", "/_tasks"),
        ("POST", "/_tasks/abc:1/_cancel"),
        ("GET", "/_nodes/stats"),
        ("GET", "/_cluster/health"),
        ("PUT", "/_cluster/settings"),
        ("GET", "/_cat/indices"),
        ("GET", "/_cat"),
        ("POST", "/_cat/indices"),
        ("GET", "/_stats"),
        ("GET", "/_security/_authenticate"),
        ("POST", "/_security/user/_has_privileges"),
        ("POST", "/_reindex/abc:1/_rethrottle"),
        ("GET", "/shop/_analyze"),
        ("PUT", "/_ingest/pipeline/mine"),
        ("PUT", "/_snapshot/store/one"),
    ] {
        assert_eq!(what(method, path), "pass Never", "{method} {path}");
    }
    for path in [
        "/",
        "/shop",
        "/shop/_stats",
        "/_whatever",
        "/shop/_whatever",
        "/shop/doc/7",
        "/shop/_search/more",
        "/a/b/c/d/e/f/g",
        "/_alias",
        "/shop/_alias",
    ] {
        assert_eq!(what("GET", path), "pass Unknown", "{path}");
        assert_eq!(what("HEAD", path), "pass Unknown", "{path}");
    }
}

#[test]
fn writes() {
    for (method, path, kind) in [
        ("POST", "/shop/_doc", "Document"),
        ("PUT", "/shop/_doc/7", "Document"),
        ("POST", "/shop/_doc/7?refresh=wait_for", "Document"),
        ("DELETE", "/shop/_doc/7", "Document"),
        ("PUT", "/shop/_create/7", "Document"),
        ("POST", "/shop/_update/7", "Document"),
        ("POST", "/shop/_update/7?pipeline=_none", "Document"),
        ("POST", "/shop/_doc?pipeline=mine", "Document of everything"),
        ("POST", "/shop/_delete_by_query", "ByQuery"),
        ("POST", "/shop/_update_by_query", "ByQuery"),
        ("POST", "/logs-*/_update_by_query?wait_for_completion=false", "ByQuery of everything lingers"),
        ("POST", "/_reindex", "Reindex of everything"),
        ("POST", "/_aliases", "Aliases of everything"),
        ("PUT", "/shop/_alias/now", "Aliases of everything"),
        ("DELETE", "/shop/_aliases/now", "Aliases of everything"),
        ("PUT", "/shop", "Index"),
        ("DELETE", "/shop", "Index"),
        ("DELETE", "/shop,other", "Index"),
        ("DELETE", "/shop-*", "Index of everything"),
        ("DELETE", "/_all", "Index of everything"),
        ("PUT", "/%3Clogs-%7Bnow%2Fd%7D%3E", "Index of everything"),
        ("POST", "/shop/_open", "Index"),
        ("POST", "/shop/_close", "Index"),
        ("PUT", "/shop/_clone/copy", "Index of everything"),
        ("POST", "/shop/_split/parts", "Index of everything"),
        ("PUT", "/shop/_shrink/small", "Index of everything"),
        ("POST", "/shop/_rollover", "Index of everything"),
        ("POST", "/shop/_rollover/shop-2", "Index of everything"),
        ("PUT", "/shop/_mapping", "Index"),
        ("PUT", "/shop/_settings", "Index"),
        ("PUT", "/_settings", "Index of everything"),
        ("POST", "/shop/_cache/clear", "CacheClear"),
        ("POST", "/_cache/clear", "CacheClear of everything"),
        ("PUT", "/_data_stream/logs", "Index of everything"),
        ("DELETE", "/_data_stream/logs", "Index of everything"),
        ("GET", "/shop/_reload_search_analyzers", "Index"),
        ("POST", "/_snapshot/store/one/_restore", "Index of everything"),
        ("GET", "/_refresh", "Refresh of everything"),
        ("POST", "/shop/_refresh", "Refresh"),
        ("GET", "/_flush", "Refresh of everything"),
        ("GET", "/shop/_flush", "Refresh"),
        ("PUT", "/_scripts/mine", "Scripts of everything"),
        ("PUT", "/_security/role/reader", "Security of everything"),
        ("DELETE", "/_security/api_key", "Security of everything"),
        // What nobody knows may do anything.
        ("POST", "/_new_thing", "Unknown of everything"),
        ("PUT", "/shop/doc/7", "Unknown of everything"),
        ("PUT", "/shop/doc/_rethrottle", "Unknown of everything"),
        ("POST", "/shop/_doc/7/", "Unknown of everything"),
        ("POST", "/shop//_bulk", "Unknown of everything"),
        ("PUT", "/shop/../other/_doc/7", "Unknown of everything"),
        ("POST", "/shop/%5Fbulk", "Unknown of everything"),
        ("POST", "/shop/_doc?a=%zz", "Unknown of everything"),
    ] {
        assert_eq!(what(method, path), format!("write {kind}"), "{method} {path}");
    }
    for method in ["POST", "PUT"] {
        assert_eq!(what(method, "/_bulk"), "bulk");
        assert_eq!(what(method, "/shop/_bulk"), "bulk");
        assert_eq!(what(method, "/shop/_bulk?pipeline=mine"), "bulk of everything");
    }
}

#[test]
fn names_that_look_like_endpoints() {
    for (method, path, expected) in [
        ("POST", "/payroll_open_items/_search", "read Search"),
        ("POST", "/my_search/_search", "read Search"),
        ("GET", "/my_search", "pass Unknown"),
        ("PUT", "/my_search", "write Index"),
        ("GET", "/_tasks", "pass Never"),
        ("PUT", "/shop/_doc/_search", "write Document"),
        ("GET", "/shop/_doc/_search", "real-time Doc"),
        ("POST", "/shop/_doc/_bulk", "write Document"),
        ("POST", "/shop/_update/_search", "write Document"),
        ("GET", "/shop/_doc/a%2F_search", "real-time Doc"),
        ("GET", "/shop/_source/..%2Fx", "real-time Source"),
        ("GET", "/shop%2F_search", "pass Unknown"),
        ("POST", "/_doc/_search", "write Unknown of everything"),
        ("GET", "/shop/%5Fsearch", "pass Unknown"),
        ("GET", "/%5Fall/_search", "pass Unknown"),
        ("GET", "/shop/_Search", "pass Unknown"),
        ("GET", "/shop/_search;x", "pass Unknown"),
        ("GET", "/shop/_search%20", "pass Unknown"),
        ("GET", "/_search/_search", "pass Unknown"),
    ] {
        assert_eq!(what(method, path), expected, "{method} {path}");
    }
}

#[test]
fn paths_that_can_be_read_in_two_ways() {
    for path in [
        "",
        "shop/_search",
        "//_search",
        "/shop//_search",
        "/shop/_search/",
        "/./_search",
        "/../_search",
        "/%2e/_search",
        "/%2E%2e/_search",
        "/.%2e/shop/_search",
        "/shop/_search/..",
        "/sh%op/_search",
        "/shop%2/_search",
        "/shop%zz/_search",
        "/%ff/_search",
        "/shop%00/_search",
        "/shop%0a/_search",
        "http://host/shop/_search",
        "*",
    ] {
        assert_eq!(classify("GET", path, None), Endpoint::Pass { why: PassReason::Path }, "{path}");
    }
    let long = format!("/{}/_search", "a".repeat(10_000));
    assert_eq!(classify("GET", &long, None), Endpoint::Pass { why: PassReason::Path });
    let many = "&a".repeat(200);
    assert_eq!(classify("GET", "/shop/_search", Some(&many)), Endpoint::Pass { why: PassReason::Query });
}

fn depends(expression: &str, names: &Names) -> (Vec<String>, bool) {
    let targets = Targets::parse(expression);
    let depends = targets.depends(names);
    (depends.indices.into_iter().map(str::to_owned).collect(), depends.wildcard)
}

fn bumps(expression: &str, names: &Names) -> Option<Vec<String>> {
    match Targets::parse(expression).bumps(names) {
        Bumps::Everything => None,
        Bumps::Indices(indices) => Some(indices.into_iter().map(str::to_owned).collect()),
    }
}

#[test]
fn generations() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let map = Names::Map(
        AliasMap::read(
            br#"{"a-1":{"aliases":{"a":{}}},"a-2":{"aliases":{"a":{"filter":{}}}},"b":{"aliases":{}}}"#,
        )
        .unwrap(),
    );
    for (expression, unknown, no_aliases, mapped) in [
        ("b", (list(&["b"]), true), (list(&["b"]), false), (list(&["b"]), false)),
        ("a", (list(&["a"]), true), (list(&["a"]), false), (list(&["a", "a-1", "a-2"]), false)),
        (
            "a,b",
            (list(&["a", "b"]), true),
            (list(&["a", "b"]), true),
            (list(&["a", "a-1", "a-2", "b"]), false),
        ),
        ("new", (list(&["new"]), true), (list(&["new"]), false), (list(&["new"]), true)),
        ("a*", (vec![], true), (vec![], true), (vec![], true)),
        ("b,-a", (list(&["b"]), true), (list(&["b"]), true), (list(&["b"]), true)),
        ("b,_all", (list(&["b"]), true), (list(&["b"]), true), (list(&["b"]), true)),
        ("other:b", (vec![], true), (vec![], true), (vec![], true)),
        ("<b-{now/d{yyyy,MM}}>", (vec![], true), (vec![], true), (vec![], true)),
    ] {
        assert_eq!(depends(expression, &Names::Unknown), unknown, "{expression}");
        assert_eq!(depends(expression, &Names::NoAliases), no_aliases, "{expression}");
        assert_eq!(depends(expression, &map), mapped, "{expression}");
    }
    for (expression, plain, mapped) in [
        ("b", Some(list(&["b"])), Some(list(&["b"]))),
        ("a", Some(list(&["a"])), Some(list(&["a", "a-1", "a-2"]))),
        ("a,b", Some(list(&["a", "b"])), Some(list(&["a", "a-1", "a-2", "b"]))),
        ("new", Some(list(&["new"])), None),
        ("b,*", None, None),
        ("_all", None, None),
        ("<b-{now/d}>", None, None),
        ("other:b", None, None),
        ("", None, None),
    ] {
        assert_eq!(bumps(expression, &Names::Unknown), plain, "{expression}");
        assert_eq!(bumps(expression, &Names::NoAliases), plain, "{expression}");
        assert_eq!(bumps(expression, &map), mapped, "{expression}");
    }
    assert_eq!(Targets::parse("<a-{now/d{yyyy,MM}}>,b").date_math(), ["<a-{now/d{yyyy,MM}}>"]);
    assert_eq!(AliasMap::read(b"{\"error\":\"x\"}"), None);
    assert_eq!(AliasMap::read(b"[]"), None);
}

#[test]
fn hostile_names_are_everything() {
    assert_eq!(bumps(&"a".repeat(MAX_NAME), &Names::Unknown).map(|names| names.len()), Some(1));
    assert_eq!(bumps(&"a".repeat(MAX_NAME + 1), &Names::Unknown), None);
    let names = |count: usize| (0..count).map(|at| format!("i{at}")).collect::<Vec<_>>().join(",");
    assert_eq!(bumps(&names(MAX_NAMES), &Names::Unknown).map(|names| names.len()), Some(MAX_NAMES));
    assert_eq!(bumps(&names(MAX_NAMES + 1), &Names::Unknown), None);
    assert!(depends(&names(MAX_NAMES + 1), &Names::NoAliases).1);
    let dates = vec!["<a-{now/d}>"; 1000].join(",");
    assert_eq!(Targets::parse(&dates).date_math().len(), MAX_NAMES);
}

proptest! {
    #[test]
    fn never_panics(method in "GET|POST|PUT|DELETE|[A-Z]{0,5}", path in "/?(([a-z_*,<>{}%.:-]{0,8}|_search|_bulk|_doc|%2[eEfF])/?){0,6}", query in proptest::option::of(".{0,20}")) {
        let _ = classify(&method, &path, query.as_deref());
    }

    /// Whatever a client's words are: a name in an identifier's place never makes another endpoint of it, and a write is never
    /// taken for a read.
    #[test]
    fn an_identifier_is_an_identifier(id in "[a-zA-Z0-9_.%*,:-]{1,12}") {
        for method in ["PUT", "DELETE"] {
            let endpoint = classify(method, &format!("/shop/_doc/{id}"), None);
            prop_assert!(matches!(endpoint, Endpoint::Write { kind: WriteKind::Document | WriteKind::Unknown, .. }), "{endpoint:?}");
        }
        let endpoint = classify("GET", &format!("/shop/_doc/{id}"), None);
        let passes = matches!(endpoint, Endpoint::Pass { why: PassReason::Path });
        prop_assert!(passes || matches!(endpoint, Endpoint::Read { kind: ReadKind::Doc, real_time: true, .. }), "{endpoint:?}");
    }

    /// A method that may change something never gets an answer from the cache or escapes the generations, unless the path is in
    /// the table.
    #[test]
    fn what_may_change_something_is_a_write(path in "/[a-z]{1,5}/[a-z]{1,5}(/[a-z]{1,5})?", method in "PUT|DELETE|PATCH|POST") {
        let endpoint = classify(&method, &path, None);
        prop_assert!(matches!(endpoint, Endpoint::Write { ref targets, .. } if targets.bumps(&Names::NoAliases) == Bumps::Everything), "{endpoint:?}");
    }
}

/// An answer that was cut off says nothing, and bytes that are none do no harm.
#[test]
fn answers_about_indices_that_are_broken() {
    type Reads = fn(&[u8]) -> bool;
    let aliases = br#"{"a":{"aliases":{"x":{"filter":{}}}},"b\u0041":{"aliases":{}}}"#;
    let streams = br#"{"data_streams":[{"name":"a","indices":[{"index_name":".ds-a-1"}]}]}"#;
    let numbers = br#"{"indices":{"a":{"uuid":"u","shards":{"0":[{"seq_no":{"max_seq_no":7}}]}}}}"#;
    let all: [(&[u8], Reads); 3] = [
        (aliases, |answer| AliasMap::read(answer).is_some()),
        (streams, |answer| AliasMap::default().with_data_streams(answer).is_some()),
        (numbers, |answer| SequenceNumbers::read(answer).is_some()),
    ];
    for (whole, reads) in all {
        assert!(reads(whole));
        for end in 0..whole.len() {
            assert!(!reads(&whole[..end]), "{}", String::from_utf8_lossy(&whole[..end]));
        }
        for place in 0..whole.len() {
            for byte in [0, b'"', b'{', b']', b'\\', 0xff] {
                let mut other = whole.to_vec();
                other[place] = byte;
                reads(&other);
            }
        }
        assert!(!reads(&b"[".repeat(100_000)) && !reads(&br#"{"data_streams":["#.repeat(50_000)));
    }
}
