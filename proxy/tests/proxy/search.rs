//! Mode `search-elasticsearch`, from outside: what is answered from the cache, what never is, and what a write ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod aliases;
mod bulk;
mod cost;
mod kept;
mod many;
mod poll;
mod principals;
mod reads;
mod shared;
mod writes;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::common::{self, Answer, Asked, Origin, Running, answer};
use http::{Request, Response};
use larder_proxy::body::Body;

const MODE: (&str, &str) = ("routes.all.mode", "search-elasticsearch");
const JSON: &[(&str, &str)] = &[("content-type", "application/json"), ("x-elastic-product", "Elasticsearch")];

/// An answer to a search, as the engines give it.
fn hits(value: &str) -> Response<Body> {
    let body = format!(
        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"successful":1,"failed":0}},"hits":{{"value":"{value}"}}}}"#
    );
    answer(JSON, &body)
}

/// An engine that gives each search its number, counted from 1, and says yes to everything else.
async fn counting() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let answer = if asked.target.contains("_search") {
            hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        } else {
            answer(JSON, "{}")
        };
        async move { answer }
    })
    .await
}

async fn proxy(origin: &Origin) -> Running {
    proxy_with(origin, &[]).await
}

async fn proxy_with(origin: &Origin, settings: &[(&str, &str)]) -> Running {
    let settings: Vec<_> = std::iter::once(MODE).chain(settings.iter().copied()).collect();
    Running::start(origin.address, &settings).await
}

async fn ask(proxy: &Running, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    proxy.ask_with(request, body.to_owned()).await
}

async fn search(proxy: &Running, path: &str, body: &str) -> Answer {
    ask(proxy, "POST", path, &[], body).await
}

fn value(answer: &Answer) -> String {
    let text = answer.text();
    text.split("\"value\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(text).to_owned()
}

/// For how many seconds an answer is still fresh.
fn ttl(answer: &Answer) -> u64 {
    let ttl = answer.cache().split("ttl=").nth(1).and_then(|ttl| ttl.parse().ok());
    ttl.unwrap_or_else(|| panic!("{} says no TTL", answer.cache()))
}
