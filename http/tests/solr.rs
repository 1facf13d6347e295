//! Solr: one query is one key however it is sent; writes, commits, the clock, and whole answers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder_http::{
    request::{NotKeyed, Request, Rules},
    search::{Bumps, Dirty, Names, Why},
    solr::{Commit, Endpoint, Keyed, classify, key, storable},
};
use proptest::prelude::*;

const FORM: &[(&str, &[u8])] = &[("Content-Type", b"application/x-www-form-urlencoded; charset=utf-8")];
const JSON: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];

fn ask(path: &str, query: &str, headers: &[(&str, &[u8])], body: &str) -> Result<Keyed, NotKeyed> {
    // 2024-02-29 22:30:15 UTC.
    let now = UNIX_EPOCH + Duration::from_secs(1_709_245_815);
    let request = Request {
        method: "POST",
        path,
        query: Some(query),
        headers,
        body: body.as_bytes(),
        client_certificate: None,
        now,
    };
    key(&request, &Rules::default())
}

fn get(query: &str) -> Result<Keyed, NotKeyed> {
    ask("/solr/shop/select", query, &[], "")
}

#[test]
fn one_query_is_one_key() {
    let plain = get("q=a+b&fq=x:1&fq=y:2&rows=10&fl=id,title&wt=json").unwrap();
    assert_eq!(plain.targets.names().collect::<Vec<_>>(), ["shop"]);
    for same in [
        get("wt=json&fq=y%3A2&fl=id,title&fq=x:1&rows=10&q=a%20b&_=1234"),
        get("wt=json&fq=y:2&fl=id,title&fq=x:1&fq=x:1&rows=10&q=a+b"),
        ask("/solr/shop/select/", "", FORM, "q=a+b&fq=x:1&fq=y:2&rows=10&fl=id,title&wt=json"),
        ask("/solr/shop/select", "wt=json", FORM, "q=a+b&fq=x:1&fq=y:2&rows=10&fl=id,title"),
        ask(
            "/solr/shop/select",
            "wt=json",
            JSON,
            r#"{"query":"a b","filter":["y:2","x:1"],"limit":10,"fields":"id,title"}"#,
        ),
        ask(
            "/solr/shop/select",
            "fq=x:1",
            JSON,
            r#"{ "limit":10,"params":{"wt":"json","q":"a b"},"filter":"y:2","fields":"id,title"}"#,
        ),
    ] {
        assert_eq!(same.unwrap(), plain);
    }
    for other in ["indent=on", "wt=xml", "fl=id", "timeAllowed=5", "q=c", "facet.field=a", "start=1"] {
        assert_ne!(
            get(&format!("q=a+b&fq=x:1&fq=y:2&rows=10&fl=id,title&wt=json&{other}")).unwrap().digest,
            plain.digest,
            "{other}"
        );
    }
    // Within a name, order counts.
    assert_ne!(
        get("facet.field=a&facet.field=b").unwrap().digest,
        get("facet.field=b&facet.field=a").unwrap().digest
    );
    assert_ne!(get("a=b").unwrap().digest, get("a=&b=").unwrap().digest);
    assert_ne!(get("q=a").unwrap().digest, ask("/solr/shop/query", "q=a", &[], "").unwrap().digest);
    let facet = |body: &str| ask("/solr/shop/select", "", JSON, body).unwrap().digest;
    assert_eq!(facet(r#"{"facet":{"a":"max(x)"}}"#), get("json.facet={\"a\":+\"max(x)\"}").unwrap().digest);
    assert_ne!(
        facet(r#"{"facet":{"a":"max(x)","b":"min(x)"}}"#),
        facet(r#"{"facet":{"b":"min(x)","a":"max(x)"}}"#)
    );
}

#[test]
fn passes() {
    for (query, why) in [
        ("qt=/other", NotKeyed::NotARead),
        ("qt=/update", NotKeyed::NotARead),
        ("stream.body=x", NotKeyed::NotARead),
        ("debugQuery=true", NotKeyed::Profile),
        ("suggest.build=true", NotKeyed::Stateful),
        ("q=d:[NOW-1DAY TO *]", NotKeyed::RunningClock),
        ("q=d:[NOW\\/DAY TO *]", NotKeyed::RunningClock),
        ("q={!func}ms()", NotKeyed::RunningClock),
        ("NOW=x", NotKeyed::RunningClock),
        ("q=%zz", NotKeyed::NotARead),
    ] {
        assert_eq!(get(query), Err(why), "{query}");
    }
    for body in ["{", r#"{"query":"a","query":"b"}"#, "{query:a}", r#"{"params":{"a":{}}}"#, "[]"] {
        assert_eq!(ask("/solr/shop/select", "", JSON, body), Err(NotKeyed::Unreadable), "{body}");
    }
    // Which of the two counts?
    assert_eq!(ask("/solr/shop/select", "q=a", JSON, r#"{"query":"b"}"#), Err(NotKeyed::Unreadable));
    assert_eq!(
        ask("/solr/shop/select", "", &[("content-type", b"application/xml")], "<a/>"),
        Err(NotKeyed::Unreadable)
    );
    assert_eq!(ask("/solr/shop/select", "", &[], "q=a"), Err(NotKeyed::Unreadable));
    assert!(!get("q={!join+fromIndex=b+from=x+to=y}a").unwrap().targets.are_names());
    assert!(!get("q=a&collection=b,c").unwrap().targets.are_names());
}

#[test]
fn the_clock() {
    let until = |query: &str| {
        get(query).unwrap().life.until.map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs())
    };
    assert_eq!(until("fq=d:[NOW/DAY-7DAYS TO NOW/HOUR]"), Some(1_709_247_600));
    assert_eq!(until("fq=d:[NOW-7DAYS/DAY TO *]"), Some(1_709_251_200));
    assert_eq!(until("fq=d:[NOW/DAY TO *]&TZ=%2B02:00"), Some(1_709_330_400));
    assert_eq!(until("fq=d:[NOW/DAY TO *]&TZ=Europe/Paris"), Some(1_709_246_700));
    assert_eq!(until("fq=d:[NOW TO *]&NOW=1709245815000"), None);
    assert_eq!(until("q=KNOW NOWHERE now"), None);
}

#[test]
fn what_requests_are() {
    let what = |method: &str, path: &str| {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        match classify(method, path, query) {
            Endpoint::Read { real_time, .. } => {
                if real_time {
                    "real-time"
                } else {
                    "read"
                }
            }
            Endpoint::Write { targets, .. } if targets.bumps(&Names::Unknown) == Bumps::Everything => {
                "write everything"
            }
            Endpoint::Write { .. } => "write",
            _ => "pass",
        }
    };
    for handler in ["select", "query", "terms", "suggest", "mlt", "select/"] {
        assert_eq!(
            [
                what("GET", &format!("/solr/shop/{handler}")),
                what("POST", &format!("/solr/shop/{handler}?q=a"))
            ],
            ["read"; 2]
        );
        assert_eq!(what("PUT", &format!("/solr/shop/{handler}")), "write");
    }
    for (method, path, expected) in [
        ("GET", "/solr/shop/get?id=1", "real-time"),
        ("GET", "/solr/shop/export?q=a", "pass"),
        ("GET", "/solr/shop/stream?expr=search(shop,q=a,sort=a)", "pass"),
        ("GET", "/solr/shop/stream?expr=commit(other,update(other,search(shop)))", "write everything"),
        ("GET", "/solr/shop/stream?expr=search(shop)&expr=delete(other,search(shop))", "write everything"),
        ("GET", "/solr/shop/stream?expr=upd%61te(other,search(shop))", "write everything"),
        ("GET", "/solr/shop/stream?expr=daemon(id=x,search(shop))", "write everything"),
        // What the body says is not seen.
        ("POST", "/solr/shop/stream", "write everything"),
        ("GET", "/solr/shop/select?qt=/stream&expr=update(other,search(shop))", "write everything"),
        ("GET", "/solr/shop/stream?expr=%zz", "write everything"),
        ("GET", "/solr/shop/update?commit=%zz", "write everything"),
        ("GET", "/solr/shop/select?q=%zz", "pass"),
        ("POST", "/solr/shop/update", "write"),
        ("GET", "/solr/shop/update?commit=true", "write"),
        ("POST", "/solr/shop/update/json/docs", "write"),
        ("POST", "/solr/a,b/update", "write"),
        ("POST", "/solr/shop/schema", "write"),
        ("GET", "/solr/shop/schema", "pass"),
        ("POST", "/solr/shop/mine", "write"),
        ("GET", "/solr/shop/mine", "pass"),
        ("GET", "/solr/shop/select?qt=/update&stream.body=x", "write everything"),
        ("GET", "/solr/admin/collections?action=LIST", "pass"),
        ("GET", "/solr/admin/collections?action=DELETE&name=shop", "write everything"),
        ("GET", "/solr/admin/cores?action=reload", "write everything"),
        ("POST", "/api/collections/shop", "write everything"),
        ("GET", "/api/collections", "pass"),
        ("GET", "/solr/shop//select", "pass"),
        ("GET", "/solr/../shop/select", "pass"),
        ("POST", "/solr/shop/%75pdate//", "write everything"),
        ("GET", "/solr/shop/select/more", "pass"),
    ] {
        assert_eq!(what(method, path), expected, "{method} {path}");
    }
}

#[test]
fn commits() {
    let commit = |query: &str| match classify("POST", "/solr/shop/update", Some(query)) {
        Endpoint::Write { commit, .. } => commit,
        other => panic!("{other:?}"),
    };
    assert_eq!(commit("commit=true"), Commit::BeforeAnswer);
    assert_eq!(commit("softCommit=true"), Commit::BeforeAnswer);
    assert_eq!(commit("commit=true&openSearcher=false"), Commit::Later);
    assert_eq!(commit("commit=true&waitSearcher=false"), Commit::Later);
    assert_eq!(commit("commitWithin=500"), Commit::Within(Duration::from_millis(500)));
    assert_eq!(commit(""), Commit::Later);
    let (now, second) = (SystemTime::now(), Duration::from_secs(1));
    assert_eq!(Commit::BeforeAnswer.dirty(now, None, second), Dirty::Clean);
    assert_eq!(Commit::Later.dirty(now, None, second), Dirty::UntilRefresh);
    assert_eq!(Commit::Within(second).dirty(now, None, second), Dirty::Until(now + 2 * second));
    assert_eq!(Commit::Within(9 * second).dirty(now, Some(second), second), Dirty::Until(now + 2 * second));
}

#[test]
fn whole_answers_are_stored() {
    let whole = r#"{"responseHeader":{"zkConnected":true,"status":0,"QTime":4},"response":{"docs":[]}}"#;
    let stored = storable(200, whole.as_bytes()).unwrap();
    assert_eq!(stored.took, Some(Duration::from_millis(4)));
    assert_eq!(storable(200, whole.replace(":4", ":55").as_bytes()).unwrap().etag, stored.etag);
    assert_ne!(storable(200, whole.replace("[]", "[1]").as_bytes()).unwrap().etag, stored.etag);
    for (body, why) in [
        (whole.replace("\"status\":0", "\"status\":1"), Why::Status),
        (whole.replace("\"status\":0", "\"partialResults\":true,\"status\":0"), Why::Partial),
        (whole.replace("\"status\":0", "\"partialResults\":\"omitted\",\"status\":0"), Why::Partial),
        (whole.replace("true", "false"), Why::Clusters),
        (r#"{"response":{}}"#.into(), Why::Unseen),
        ("<response/>".into(), Why::Unseen),
        (whole[1..].into(), Why::Unseen),
        (whole[..whole.len() - 1].into(), Why::Broken),
        (r#"{"responseHeader":{"status":0},"error":{}}"#.into(), Why::Status),
    ] {
        assert_eq!(storable(200, body.as_bytes()), Err(why), "{body}");
    }
    assert_eq!(storable(500, whole.as_bytes()), Err(Why::Status));
}

proptest! {
    #[test]
    fn never_panics(path in "/solr/[a-z%,]{0,5}/(select|get|update|[a-z/.%]{0,8})", query in "[a-zNOW=&%+/:\\[\\]-]{0,40}", body in "[{}\\[\\]\":, a-zNOW/+-]{0,60}") {
        let _ = ask(&path, &query, JSON, &body);
        let _ = ask(&path, &query, FORM, &body);
        let _ = storable(200, body.as_bytes());
    }
}
