//! Answers that may be stored, bulk bodies in pieces, and requests of many.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, SystemTime};

use larder_http::{
    request::{NotKeyed, Request, Rules},
    search::{
        BulkScanner, Bumps, Dirty, Names, ReadKind, Refresh, Targets, Why, mget, msearch,
        reindex_destination, storable,
    },
};
use proptest::{collection::vec, prelude::*};

const WHOLE: &str = r#"{"took":12,"timed_out":false,"_shards":{"total":5,"successful":5,"skipped":0,"failed":0},"hits":{"hits":[{"_source":{"timed_out":true}}]}}"#;

fn why(kind: ReadKind, body: &str) -> Option<Why> {
    storable(kind, 200, body.as_bytes()).err()
}

#[test]
fn whole_answers_are_stored() {
    use ReadKind::{
        CatCount, Count, Doc, Eql, Esql, Explain, FieldCaps, MgetItem, MsearchItem, Mtermvectors, RankEval,
        Search, Source, Sql, TermsEnum,
    };
    for (kind, body) in [
        (Search, WHOLE),
        (
            Search,
            r#" {"_shards":{"failed":0},"timed_out":false,"_clusters":{"total":2,"skipped":0,"partial":0}} "#,
        ),
        (Count, r#"{"count":3,"_shards":{"failed":0}}"#),
        (MsearchItem, r#"{"took":1,"timed_out":false,"_shards":{"failed":0},"status":200}"#),
        (MgetItem, r#"{"_index":"a","_id":"1","found":true,"_source":{}}"#),
        (Doc, r#"{"_index":"a","_id":"1","found":true,"_source":{"error":1}}"#),
        (Source, r#"{"timed_out":true,"error":"mine","a":1,"a":2}"#),
        (TermsEnum, r#"{"_shards":{"failed":0},"terms":[],"complete":true}"#),
        (Eql, r#"{"is_partial":false,"is_running":false,"timed_out":false,"hits":{}}"#),
        (Esql, r#"{"columns":[],"values":[]}"#),
        (Sql, r#"{"columns":[],"rows":[]}"#),
        (Explain, r#"{"matched":true}"#),
        (FieldCaps, r#"{"indices":["a"],"fields":{},"failures":[]}"#),
        (RankEval, r#"{"metric_score":1,"details":{},"failures":{}}"#),
        (Mtermvectors, r#"{"docs":[{"found":true}]}"#),
        (CatCount, "1700000000 22:13:20 5\n"),
    ] {
        assert_eq!(why(kind, body), None, "{body}");
    }
    let admission = storable(Search, 200, WHOLE.as_bytes()).unwrap();
    assert_eq!((admission.took, admission.bytes), (Some(Duration::from_millis(12)), WHOLE.len()));
}

#[test]
fn anything_less_is_not() {
    use ReadKind::{
        Count, Doc, Eql, Esql, FieldCaps, MgetItem, MsearchItem, Mtermvectors, Mvt, RankEval, Search, Source,
        Sql, TermsEnum,
    };
    for (kind, body, expected) in [
        (Search, WHOLE.replacen("\"timed_out\":false", "\"timed_out\":true", 1), Why::TimedOut),
        (Search, WHOLE.replace("\"failed\":0", "\"failed\":1"), Why::Shards),
        (Search, WHOLE.replace("\"failed\":0", "\"failed\":0,\"failures\":[{}]"), Why::Shards),
        (Search, WHOLE.replace("\"failed\":0", "\"failed\":1,\"failed\":0"), Why::Broken),
        (Search, WHOLE.replace("\"failed\":0", "\"f\\u0061iled\":2"), Why::Shards),
        (Search, WHOLE.replace(",\"hits\"", ",\"_clusters\":{\"skipped\":1},\"hits\""), Why::Clusters),
        (Search, WHOLE.replace(",\"hits\"", ",\"_clusters\":{\"partial\":1},\"hits\""), Why::Clusters),
        (Search, WHOLE.replace(",\"hits\"", ",\"_scroll_id\":\"a\",\"hits\""), Why::Stateful),
        (Search, WHOLE.replace(",\"hits\"", ",\"timed_out\":false,\"hits\""), Why::Broken),
        (Search, WHOLE.replace("\"took\":12", "\"took\":12,\"took\":12"), Why::Broken),
        (Search, WHOLE[..WHOLE.len() - 1].into(), Why::Broken),
        (Search, format!("{WHOLE}{WHOLE}"), Why::Broken),
        (Search, WHOLE.replace("[{", "[{,"), Why::Broken),
        // `filter_path` has removed what says whether it is whole.
        (Search, r#"{"hits":{"hits":[]}}"#.into(), Why::Unseen),
        (Search, r#"{"timed_out":false,"hits":{"hits":[]}}"#.into(), Why::Unseen),
        (Search, "---\ntook: 1\n".into(), Why::Unseen),
        (Search, String::new(), Why::Broken),
        (Search, r#"{"error":{},"status":503}"#.into(), Why::Status),
        (Count, r#"{"count":3}"#.into(), Why::Unseen),
        (MsearchItem, r#"{"error":{},"status":404}"#.into(), Why::Status),
        (
            MsearchItem,
            r#"{"took":1,"timed_out":false,"_shards":{"failed":0},"status":429}"#.into(),
            Why::Status,
        ),
        (MgetItem, r#"{"_id":"1","found":false}"#.into(), Why::Missing),
        (MgetItem, r#"{"_id":"1","error":{}}"#.into(), Why::Status),
        (Doc, "{}".into(), Why::Unseen),
        (TermsEnum, r#"{"_shards":{"failed":0},"complete":false}"#.into(), Why::Partial),
        (Eql, r#"{"is_partial":true,"timed_out":false}"#.into(), Why::Partial),
        (Eql, r#"{"is_running":true,"timed_out":false}"#.into(), Why::Running),
        (Esql, r#"{"is_partial":true,"values":[]}"#.into(), Why::Partial),
        (Sql, r#"{"rows":[],"cursor":"a"}"#.into(), Why::Stateful),
        (FieldCaps, r#"{"failures":[{}]}"#.into(), Why::Partial),
        (FieldCaps, r#"{"failed_indices":1}"#.into(), Why::Partial),
        (RankEval, r#"{"failures":{"a":{}}}"#.into(), Why::Partial),
        (Mtermvectors, r#"{"docs":[{},{"error":{}}]}"#.into(), Why::Partial),
        (Mvt, "\u{1a}".into(), Why::Unseen),
        (Source, "{".into(), Why::Broken),
    ] {
        assert_eq!(why(kind, &body), Some(expected), "{body}");
    }
    for status in [0, 201, 206, 304, 404, 429, 500, 503] {
        assert_eq!(storable(Search, status, WHOLE.as_bytes()), Err(Why::Status));
    }
}

#[test]
fn tags_are_of_everything_but_took() {
    let tag = |body: &str| storable(ReadKind::Search, 200, body.as_bytes()).unwrap().etag;
    assert_eq!(tag(WHOLE), tag(&WHOLE.replace("\"took\":12", "\"took\":345")));
    assert_ne!(tag(WHOLE), tag(&WHOLE.replace("\"total\":5", "\"total\":6")));
    assert_eq!((tag(WHOLE).len(), &tag(WHOLE)[..1]), (34, "\""));
}

fn scan(default: &str, body: &[u8], pieces: usize) -> Targets {
    let default = if default.is_empty() {
        let larder_http::search::Endpoint::Bulk { targets } =
            larder_http::search::classify("POST", "/_bulk", None)
        else {
            panic!()
        };
        targets
    } else {
        Targets::parse(default)
    };
    let mut scanner = BulkScanner::new(default);
    body.chunks(pieces).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

const BULK: &str = r#"{"index":{"_index":"a","_id":"1"}}
{"delete":{"_index":"not this"}}
{"delete":{"_id":"2","_index":"b"}}
{ "update" : { "_id":"3" } }
{"doc":{}}
{"create":{"_ind\u0065x":"c"}}
{"x":1}"#;

#[test]
fn bulk_bodies_name_their_indices() {
    for pieces in 1..BULK.len() {
        let targets = scan("default", BULK.as_bytes(), pieces);
        assert_eq!(targets.names().collect::<Vec<_>>(), ["a", "b", "c", "default"], "{pieces}");
        assert!(targets.are_names());
    }
    // An action without an index, and no index in the path.
    assert_eq!(scan("", BULK.as_bytes(), 7).bumps(&Names::Unknown), Bumps::Everything);
    // Without an end, the last line counts all the same.
    assert_eq!(scan("", br#"{"delete":{"_index":"z","_id":"1"}}"#, 100).names().collect::<Vec<_>>(), ["z"]);
    assert!(scan("a", b"", 1).names().next().is_none());
}

#[test]
fn what_cannot_be_read_is_everything() {
    let long = format!("{{\"index\":{{\"_index\":\"a\",\"_id\":\"{}\"}}}}\n{{}}\n", "x".repeat(100_000));
    let many =
        (0..100).fold(String::new(), |many, at| format!("{many}{{\"delete\":{{\"_index\":\"i{at}\"}}}}\n"));
    for body in [
        "{\"index\":{\"_index\":\"a\"}\n{}\n",
        "{\"index\":{\"_index\":\"a\"},\"delete\":{\"_index\":\"b\"}}\n{}\n",
        "{\"index\":{\"_index\":\"a\",\"_index\":\"b\"}}\n{}\n",
        "{\"index\":{\"_index\":7}}\n{}\n",
        "{\"index\":{\"_index\":\"a\",\"pipeline\":\"p\"}}\n{}\n",
        "{\"index\":{\"_index\":\"<a-{now/d}>\"}}\n{}\n",
        "{\"unknown\":{\"_index\":\"a\"}}\n{}\n",
        "{\"index\":{\"_index\":\"a\"}}\n\n{\"index\":{\"_index\":\"b\"}}\n{\"delete\":{\"_index\":\"c\"}}\n",
        "garbage",
        "\u{1}\n\u{2}\n",
        &long,
        &many,
    ] {
        assert_eq!(scan("x", body.as_bytes(), 10).bumps(&Names::Unknown), Bumps::Everything, "{body:.80}");
    }
    assert_eq!(scan("_all", BULK.as_bytes(), 10).bumps(&Names::Unknown), Bumps::Everything);
    // A long source is no action.
    let source = format!("{{\"index\":{{\"_index\":\"a\"}}}}\n{{\"x\":\"{}\"}}\n", "x".repeat(1 << 20));
    assert!(scan("", source.as_bytes(), 1000).are_names());
}

#[test]
fn reindexing_names_its_destination() {
    let names =
        |body: &str| reindex_destination(body.as_bytes()).names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(r#"{"source":{"index":"a"},"dest":{"index":"b"}}"#), ["b"]);
    for body in [
        "",
        "{}",
        r#"{"dest":{}}"#,
        r#"{"dest":{"index":"b","pipeline":"p"}}"#,
        r#"{"dest":{"index":"b"},"script":{}}"#,
        r#"{"dest":{"index":"b"}"#,
    ] {
        assert_eq!(reindex_destination(body.as_bytes()).bumps(&Names::Unknown), Bumps::Everything, "{body}");
    }
}

fn ask<'a>(path: &'a str, query: Option<&'a str>, body: &'a str) -> Request<'a> {
    Request {
        method: "POST",
        path,
        query,
        headers: &[],
        body: body.as_bytes(),
        client_certificate: None,
        now: SystemTime::now(),
    }
}

#[test]
fn searches_are_taken_apart_and_put_together() {
    let body = "{\"index\":\"a\"}\n{\"size\":1,\"from\":0}\n{}\r\n{\"from\":0, \"size\":1}\n\n{\"profile\":true}\n{\"index\":[\"b\",\"c\"],\"preference\":\"x\"}\n{}\n";
    let rules = Rules { ignore_preference: true, ..Rules::default() };
    let request = ask("/a/_msearch", None, body);
    let many = msearch(&request, &rules).unwrap();
    assert_eq!(many.items.len(), 4);
    let keyed = |at: usize| many.items[at].key.as_ref().unwrap();
    assert_ne!(keyed(0).digest, keyed(1).digest, "one names its index, the other does not");
    assert_eq!(keyed(0).targets.names().collect::<Vec<_>>(), ["a"]);
    assert_eq!(keyed(1).targets.names().collect::<Vec<_>>(), ["a"]);
    assert_eq!(many.items[2].key, Err(NotKeyed::Profile));
    assert_eq!(keyed(3).targets.names().collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(keyed(0).kind, ReadKind::MsearchItem);
    // The same search at another place in another request, written in another way.
    let other = ask(
        "/a/_msearch",
        Some("max_concurrent_searches=3"),
        "{\"preference\":\"y\",\"index\":[\"b\",\"c\"]}\n{ }\n{\"index\":\"a\",\"request_cache\":true}\n{\"from\":0,\"size\":1}\n",
    );
    let other = msearch(&other, &rules).unwrap();
    assert_eq!(other.items[0].key.as_ref().unwrap().digest, keyed(3).digest);
    assert_eq!(other.items[1].key.as_ref().unwrap().digest, keyed(0).digest);

    assert_eq!(many.body_for(&[2, 0]), b"\n{\"profile\":true}\n{\"index\":\"a\"}\n{\"size\":1,\"from\":0}\n");
    let answer = br#"{"took":3,"responses":[ {"x" : 1} ,{"y":[1.0,"\u0041"]}]}"#;
    let answers = many.answers(200, answer, 2).unwrap();
    assert_eq!(
        (answers.took, &answers.items[..]),
        (Some(3), &[&br#"{"x" : 1}"#[..], &br#"{"y":[1.0,"\u0041"]}"#[..]][..])
    );
    assert_eq!(
        many.merge(5, &[answers.items[1], answers.items[0]]),
        br#"{"took":5,"responses":[{"y":[1.0,"\u0041"]},{"x" : 1}]}"#
    );
    assert_eq!(many.answers(200, answer, 3).unwrap_err(), Why::Broken);
    assert_eq!(many.answers(500, answer, 2).unwrap_err(), Why::Status);
    assert_eq!(many.answers(200, &answer[..30], 2).unwrap_err(), Why::Broken);
    assert_eq!(many.answers(200, b"{\"error\":{}}", 2).unwrap_err(), Why::Broken);
}

#[test]
fn searches_that_stay_together() {
    let rules = Rules::default();
    let whole = "{}\n{}\n";
    for (query, body, expected) in [
        (None, "", NotKeyed::Inseparable),
        (None, "{}\n{}", NotKeyed::Inseparable),
        (None, "{}\n", NotKeyed::Inseparable),
        (None, "{}\n\n", NotKeyed::Inseparable),
        (None, "{}\n{}\n{}\n", NotKeyed::Inseparable),
        (None, "\n{}\n{}\n", NotKeyed::Inseparable),
        (None, "\n{}\n", NotKeyed::Inseparable),
        (Some("filter_path=responses.hits"), whole, NotKeyed::Inseparable),
        (Some("format=yaml"), whole, NotKeyed::Inseparable),
        (Some("search_type=dfs_query_then_fetch"), whole, NotKeyed::DfsQueryThenFetch),
        (Some("a=%"), whole, NotKeyed::NotARead),
    ] {
        assert_eq!(
            msearch(&ask("/_msearch", query, body), &rules).unwrap_err(),
            expected,
            "{query:?} {body:?}"
        );
    }
    let yaml = Request { headers: &[("accept", b"application/yaml")], ..ask("/_msearch", None, whole) };
    assert_eq!(msearch(&yaml, &rules).unwrap_err(), NotKeyed::Inseparable);
    let bomb = "{}\n{}\n".repeat(2000);
    assert_eq!(msearch(&ask("/_msearch", None, &bomb), &rules).unwrap_err(), NotKeyed::Inseparable);
    assert_eq!(msearch(&ask("/_search", None, whole), &rules).unwrap_err(), NotKeyed::NotARead);
    for (header, expected) in [
        ("{\"request_cache\":false}", NotKeyed::RequestCache),
        ("{\"search_type\":\"dfs_query_then_fetch\"}", NotKeyed::DfsQueryThenFetch),
        ("{\"index\":7}", NotKeyed::Inseparable),
        ("{\"index\":\"a\",\"index\":\"b\"}", NotKeyed::Inseparable),
        ("nonsense", NotKeyed::Inseparable),
    ] {
        let body = format!("{header}\n{{}}\n");
        let request = ask("/_msearch", None, &body);
        assert_eq!(msearch(&request, &rules).unwrap().items[0].key, Err(expected), "{header}");
    }
}

#[test]
fn documents_are_taken_apart_and_put_together() {
    let rules = Rules::default();
    let request = ask(
        "/a/_mget",
        None,
        r#"{"docs":[{"_id":"1"}, {"_index":"b","_id":"1","_source":["x"]},{"_id":"2","_index":"a"}]}"#,
    );
    let many = mget(&request, &rules).unwrap();
    let keyed = |at: usize| many.items[at].key.as_ref().unwrap();
    assert_eq!(keyed(0).targets.names().collect::<Vec<_>>(), ["a"]);
    assert_eq!(keyed(1).targets.names().collect::<Vec<_>>(), ["b"]);
    assert!(keyed(0).real_time && keyed(0).kind == ReadKind::MgetItem);
    assert_eq!(many.body_for(&[0, 2]), br#"{"docs":[{"_id":"1"},{"_id":"2","_index":"a"}]}"#);
    let answers = many.answers(200, br#"{"docs":[{"found":true},{"found":false}]}"#, 2).unwrap();
    assert_eq!(many.merge(0, &answers.items), br#"{"docs":[{"found":true},{"found":false}]}"#);

    let request = ask("/a/_mget", Some("realtime=false"), r#"{"ids":["1",2]}"#);
    let many = mget(&request, &rules).unwrap();
    assert!(!many.items[0].key.as_ref().unwrap().real_time);
    assert_eq!(many.body_for(&[1]), br#"{"ids":[2]}"#);
    // Everything, where nothing says which.
    let nowhere = ask("/_mget", None, r#"{"docs":[{"_id":"1"}]}"#);
    assert!(!mget(&nowhere, &rules).unwrap().items[0].key.as_ref().unwrap().targets.are_names());
    for body in
        ["", "{}", r#"{"docs":[]}"#, r#"{"docs":[7]}"#, r#"{"docs":[{}],"ids":["1"]}"#, r#"{"docs":[{}]"#]
    {
        assert_eq!(mget(&ask("/a/_mget", None, body), &rules).unwrap_err(), NotKeyed::Inseparable, "{body}");
    }
}

#[test]
fn the_refresh_gap() {
    let (now, second) = (SystemTime::now(), Duration::from_secs(1));
    for (query, expected) in [
        (None, Refresh::Later),
        (Some("refresh=false"), Refresh::Later),
        (Some("refresh=nonsense"), Refresh::Later),
        (Some("refresh"), Refresh::BeforeAnswer),
        (Some("a=b&refresh=true"), Refresh::BeforeAnswer),
        (Some("refresh=wait_for"), Refresh::BeforeAnswer),
    ] {
        assert_eq!(Refresh::of(query), expected, "{query:?}");
    }
    assert_eq!(Refresh::BeforeAnswer.dirty(now, None, second), Dirty::Clean);
    assert_eq!(Refresh::Later.dirty(now, None, second), Dirty::UntilRefresh);
    assert_eq!(Refresh::Later.dirty(now, Some(second), second), Dirty::Until(now + 2 * second));
    assert_eq!(Refresh::Later.dirty(now, Some(Duration::MAX), second), Dirty::UntilRefresh);
    assert_eq!(Dirty::before(now, 3 * second, Some(second), second), Dirty::Until(now + 5 * second));
    let (early, late) = (Dirty::Until(now), Dirty::Until(now + second));
    assert_eq!([early.and(late), late.and(early), late.and(Dirty::Clean)], [late; 3]);
    assert_eq!(late.and(Dirty::UntilRefresh), Dirty::UntilRefresh);
    assert_eq!(Dirty::Clean.ttl(60 * second, now), Some(60 * second));
    assert_eq!(Dirty::UntilRefresh.ttl(60 * second, now), None);
    assert_eq!(late.ttl(60 * second, now), Some(second));
    assert_eq!(late.ttl(second / 2, now), Some(second / 2));
    assert_eq!(late.ttl(60 * second, now + second), Some(60 * second));
}

proptest! {
    #[test]
    fn pieces_make_no_difference(body in "([{}\"a-c:,\n _]|\\{\"(index|delete)\":\\{\"_index\":\"[a-c]\"\\}\\}\n){0,12}", cuts in vec(1usize..20, 1..20)) {
        let whole = scan("x", body.as_bytes(), usize::MAX);
        let mut scanner = BulkScanner::new(Targets::parse("x"));
        let mut rest = body.as_bytes();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            scanner.feed(piece);
            rest = after;
        }
        prop_assert_eq!(scanner.finish(), whole);
    }

    #[test]
    fn never_panics(bytes in vec(any::<u8>(), 0..100), text in "[{}\\[\\]\":,\n a-z0-9]{0,80}") {
        for body in [&bytes[..], text.as_bytes()] {
            let _ = storable(ReadKind::Search, 200, body);
            let _ = storable(ReadKind::Mtermvectors, 200, body);
            let _ = scan("x", body, 7);
            let _ = reindex_destination(body);
            let rules = Rules::default();
            for path in ["/_msearch", "/_mget"] {
                let request = Request { body, ..ask(path, None, "") };
                let many = if path == "/_msearch" { msearch(&request, &rules) } else { mget(&request, &rules) };
                if let Ok(many) = many {
                    let _ = many.answers(200, body, many.items.len());
                }
            }
        }
    }

    /// What is asked for again is what was sent.
    #[test]
    fn all_items_together_are_the_request(searches in vec(("\\{\\}|", "\\{\"size\":[0-9]\\}"), 1..6)) {
        let lines = searches.iter().fold(String::new(), |lines, (header, body)| format!("{lines}{header}\n{body}\n"));
        let body = format!("{{}}\n{{}}\n{lines}");
        let (request, rules) = (ask("/_msearch", None, &body), Rules::default());
        let many = msearch(&request, &rules).unwrap();
        let all: Vec<usize> = (0..many.items.len()).collect();
        prop_assert_eq!(many.body_for(&all), body.as_bytes());
    }
}
