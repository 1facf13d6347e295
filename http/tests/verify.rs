//! Searches that are checked each time: which can be, how hits are identified, and answers with other bodies in them.
#![allow(clippy::unwrap_used)]

use larder_http::{
    canonical::Limits,
    search::{Identities, hits, verifiable},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn identities(uuid: &str) -> Identities {
    let settings =
        json!({"shop": {"settings": {"index.uuid": uuid}}, "b": {"settings": {"index.uuid": "B"}}});
    Identities::read(settings.to_string().as_bytes()).unwrap()
}

fn fingerprint(hits: &Value) -> Option<[u8; 32]> {
    let answer = json!({"took": 1, "hits": {"hits": hits}}).to_string();
    larder_http::search::hits(answer.as_bytes())?.fingerprint(&identities("A"))
}

#[test]
fn what_may_return_bodies_elsewhere_cannot_be_verified() {
    let can = |query, body: &str| verifiable(query, body.as_bytes(), Limits::default()).is_some();
    for body in [
        "",
        "{}",
        r#"{"query":{"match_all":{}},"aggs":{"a":{"top_hits":{}}},"highlight":{"fields":{"a":{}}},"sort":["a"]}"#,
        r#"{"_source":{"includes":["a"]},"version":true,"seq_no_primary_term":true,"fields":["a"]}"#,
    ] {
        assert!(can(Some("routing=a&request_cache=true&typed_keys"), body), "{body}");
    }
    for body in [
        r#"{"_source":false}"#,
        r#"{"query":{"nested":{"path":"a","query":{},"inner_hits":{}}}}"#,
        r#"{"collapse":{"field":"a"}}"#,
        r#"{"suggest":{}}"#,
        r#"{"script_fields":{}}"#,
        r#"{"stored_fields":["_none_"]}"#,
        r#"{"something_new":1}"#,
        r#"{"size":1,"size":2}"#,
        r#"{"seq_no_primary_term":"true"}"#,
        "{size:1}",
        "[]",
    ] {
        assert!(!can(None, body), "{body}");
    }
    for query in
        ["_source=a", "_source_includes=a", "filter_path=hits", "scroll=1m", "format=yaml", "q=%zz", "new"]
    {
        assert!(!can(Some(query), "{}"), "{query}");
    }
}

#[test]
fn the_same_versions_in_the_same_order() {
    let hit = |index: &str, id: &str, seq: i64, term: i64| json!({"_index": index, "_id": id, "_seq_no": seq, "_primary_term": term, "_score": 1.0});
    let one = fingerprint(&json!([hit("shop", "1", 4, 1), hit("b", "2", 5, 1)])).unwrap();
    // Scores are the engine's.
    let mut other = json!([hit("shop", "1", 4, 1), hit("b", "2", 5, 1)]);
    other[0]["_score"] = json!(9);
    other[0]["highlight"] = json!({"a": ["b"]});
    assert_eq!(fingerprint(&other), Some(one));
    for different in [
        json!([hit("b", "2", 5, 1), hit("shop", "1", 4, 1)]),
        json!([hit("shop", "1", 4, 1)]),
        json!([hit("shop", "1", 6, 1), hit("b", "2", 5, 1)]),
        json!([hit("shop", "1", 4, 2), hit("b", "2", 5, 1)]),
        json!([hit("shop", "3", 4, 1), hit("b", "2", 5, 1)]),
        json!([hit("b", "1", 4, 1), hit("b", "2", 5, 1)]),
    ] {
        assert_ne!(fingerprint(&different), Some(one), "{different}");
        assert!(fingerprint(&different).is_some());
    }
    other[0]["_routing"] = json!("x");
    assert_ne!(fingerprint(&other), Some(one));
    // What does not say which version it is, or of an index that is not known.
    for unknown in [
        json!([{"_index": "shop", "_id": "1"}]),
        json!([hit("shop", "1", -2, 0)]),
        json!([hit("far:shop", "1", 1, 1)]),
    ] {
        assert_eq!(fingerprint(&unknown), None, "{unknown}");
    }
    // Created anew, with the same documents in the same order.
    let answer = json!({"hits": {"hits": [hit("shop", "1", 4, 1)]}}).to_string();
    let of = |uuid| hits(answer.as_bytes()).unwrap().fingerprint(&identities(uuid)).unwrap();
    assert_ne!(of("A"), of("C"));
}

#[test]
fn all_but_the_bodies_is_of_the_answer() {
    let cheap = r#"{"took":1,"hits":{"total":{"value":2},"hits":[{"_index":"shop","_id":"1","_seq_no":4,"_primary_term":1,"_score":2.0,"highlight":{"a":["<em>"]},"sort":[1]}, {"_index":"shop","_id":"2","_seq_no":5,"_primary_term":1,"_score":1.0}]},"aggregations":{"a":{}}}"#;
    let hits = hits(cheap.as_bytes()).unwrap();
    let bodies = [Some(&br#"{"a":1}"#[..]), None];
    let with = String::from_utf8(hits.with(bodies, false)).unwrap();
    assert_eq!(
        with,
        r#"{"took":1,"hits":{"total":{"value":2},"hits":[{"_index":"shop","_id":"1","_score":2.0,"_source":{"a":1},"highlight":{"a":["<em>"]},"sort":[1]},{"_index":"shop","_id":"2","_score":1.0}]},"aggregations":{"a":{}}}"#
    );
    assert!(
        String::from_utf8(hits.with(bodies, true)).unwrap().contains(r#""_seq_no":4,"_primary_term":1,"#)
    );
    let again = larder_http::search::hits(with.as_bytes()).unwrap();
    assert_eq!(again.bodies().collect::<Vec<_>>(), bodies);
    for broken in [
        "{}",
        r#"{"hits":{}}"#,
        r#"{"hits":{"hits":{}}}"#,
        r#"{"hits":{"hits":[1]}}"#,
        r#"{"hits":{"hits":[]},"hits":{"hits":[]}}"#,
        r#"{"hits":{"hits":[{"_id":"1","_id":"2"}]}}"#,
    ] {
        assert!(larder_http::search::hits(broken.as_bytes()).is_none(), "{broken}");
    }
    for broken in ["", "[]", r#"{"a":{}}"#, r#"{"a":{"settings":{"index.uuid":1}}}"#] {
        assert!(Identities::read(broken.as_bytes()).is_none(), "{broken}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in "[{}\\[\\]\":, a-z_0-9hits]{0,80}", query in "[a-z&=%_]{0,20}") {
        let _ = verifiable(Some(&query), text.as_bytes(), Limits::default());
        let _ = Identities::read(text.as_bytes());
        let wrapped = format!("{{\"hits\":{{\"hits\":{text}}}}}");
        if let Some(hits) = hits(wrapped.as_bytes()) {
            let bodies: Vec<_> = hits.bodies().collect();
            let _ = hits.fingerprint(&Identities::default());
            // What is written is JSON again.
            prop_assert!(serde_json::from_slice::<Value>(&hits.with(bodies, true)).is_ok());
        }
    }
}
