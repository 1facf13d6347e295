//! `_msearch` and `_mget`: only what is missing goes upstream.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    JSON, ask,
    common::{Answer, Asked, Origin, answer},
    proxy,
};

/// An engine that answers each search of an `_msearch` with its own text and a number, and each document with its identifier.
async fn many() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        let items: Vec<String> = if asked.target.contains("_msearch") {
            let lines: Vec<_> = body.lines().collect();
            lines
                .chunks(2)
                .map(|pair| {
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    let failed = usize::from(pair[1].contains("bad"));
                    format!(
                        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"failed":{failed}}},"hits":{{"q":{},"n":{number}}},"status":200}}"#,
                        pair[1]
                    )
                })
                .collect()
        } else {
            let ids = body.trim_start_matches("{\"ids\":[").trim_end_matches("]}");
            ids.split(',')
                .map(|id| format!(r#"{{"_index":"shop","_id":{id},"found":{},"_source":{{}}}}"#, id != "\"no\""))
                .collect()
        };
        let body = if asked.target.contains("_msearch") {
            format!(r#"{{"took":2,"responses":[{}]}}"#, items.join(","))
        } else if asked.target.contains("_mget") {
            format!(r#"{{"docs":[{}]}}"#, items.join(","))
        } else {
            "{}".to_owned()
        };
        let answer = answer(JSON, &body);
        async move { answer }
    })
    .await
}

/// The number that each search of an answer has, and its question.
fn items(answer: &Answer) -> Vec<(String, String)> {
    let parts = answer.text().split("\"hits\":{\"q\":").skip(1);
    parts
        .map(|part| {
            let (question, rest) = part.split_once(",\"n\":").unwrap();
            (question.to_owned(), rest.split('}').next().unwrap().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn of_many_searches_only_the_missing_go_upstream_and_the_order_stays() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let ask_many = |questions: &'static [&'static str]| {
        let proxy = &proxy;
        async move {
            let lines = questions
                .iter()
                .map(|question| format!("{{\"index\":\"shop\"}}\n{{\"q\":\"{question}\"}}\n"));
            let body = lines.collect::<Vec<_>>().concat();
            let got = ask(proxy, "POST", "/_msearch", &[], &body).await;
            let found = items(&got);
            let asked: Vec<_> =
                questions.iter().map(|question| format!("{{\"q\":\"{question}\"}}")).collect();
            assert_eq!(found.iter().map(|item| item.0.clone()).collect::<Vec<_>>(), asked, "{}", got.text());
            let numbers: Vec<usize> = found.iter().map(|item| item.1.parse().unwrap()).collect();
            (numbers, got)
        }
    };
    let (first, got) = ask_many(&["a", "b"]).await;
    assert_eq!(got.header("x-elastic-product"), "Elasticsearch");
    assert!(!got.is_hit());
    let (second, got) = ask_many(&["c", "b", "a", "bad", "a"]).await;
    assert_eq!(got.cache(), "larder;fwd=uri-miss;detail=\"in part\"");
    assert_eq!((second[1], second[2], second[4]), (first[1], first[0], first[0]));
    assert_eq!(std::str::from_utf8(&origin.asked()[1].body).unwrap().lines().count(), 4);
    let (third, got) = ask_many(&["a", "b", "c"]).await;
    assert!(got.is_hit());
    assert_eq!(third, [first[0], first[1], second[0]]);
    assert_eq!(origin.count(), 2);
    // Shards have failed for it.
    let (again, _) = ask_many(&["bad"]).await;
    assert_ne!(again[0], second[3]);
    // A write ends all of them.
    ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
    let (after, _) = ask_many(&["a"]).await;
    assert_ne!(after[0], first[0]);
}

#[tokio::test]
async fn two_requests_of_many_that_cross_do_not_wait_for_ever() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let asked = (0..40).map(|number| {
        let (one, other) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
        let round = number / 8;
        let body = format!("{{}}\n{{\"q\":\"{one}{round}\"}}\n{{}}\n{{\"q\":\"{other}{round}\"}}\n");
        let proxy = &proxy;
        async move { items(&ask(proxy, "POST", "/shop/_msearch", &[], &body).await).len() }
    });
    for found in futures_util::future::join_all(asked).await {
        assert_eq!(found, 2);
    }
}

#[tokio::test]
async fn of_many_documents_only_the_missing_go_upstream() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let first = ask(&proxy, "POST", "/shop/_mget", &[], r#"{"ids":["1","2","no"]}"#).await;
    let second = ask(&proxy, "POST", "/shop/_mget", &[], r#"{"ids":["2","no","3","1"]}"#).await;
    assert!(first.text().starts_with(r#"{"docs":[{"_index":"shop","_id":"1""#), "{}", first.text());
    let ids: Vec<_> =
        second.text().split("\"_id\":").skip(1).map(|part| part.split(',').next().unwrap()).collect();
    assert_eq!(ids, ["\"2\"", "\"no\"", "\"3\"", "\"1\""]);
    let asked = String::from_utf8(origin.asked()[1].body.to_vec()).unwrap();
    assert!(asked.contains("\"no\"") && asked.contains("\"3\"") && !asked.contains("\"1\""), "{asked}");
}
