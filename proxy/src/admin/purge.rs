//! `POST /purge`: removes what is stored, by key, tag, index, or all of it, and says what was done and what was not.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header::HOST, uri::Scheme};
use serde::{Deserialize, Serialize};

use super::typed;
use crate::{
    body::Body,
    mode::purge::{Like, Purged, What},
    request::Target,
    running::{Route, Running},
    service::Proxy,
};

/// The longest tag that a cache has, in bytes.
const LONGEST_TAG: usize = 255;
/// An example of each, for whoever has sent something else.
const LIKE: &str = "send one of {\"all\": true}, {\"index\": \"products\"}, {\"tag\": \"…\"}, \
                    {\"key\": {\"method\": \"GET\", \"url\": \"http://shop.example/a\"}}, with \"route\": \"NAME\" for one route alone";

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    key: Option<Keyed>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    index: Option<String>,
    #[serde(default)]
    all: bool,
}

/// A request whose answer is to be removed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyed {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

impl std::fmt::Debug for Keyed {
    /// Without its headers: they may say who asks.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

fn get() -> String {
    "GET".to_owned()
}

/// What is answered.
#[derive(Debug, Default, Serialize)]
struct Told {
    done: Vec<Done>,
    /// What could not be reached, and what that means.
    failed: Vec<Not>,
    /// What is never stored, and so did not have to be removed.
    nothing: Vec<Not>,
}

#[derive(Debug, Serialize)]
struct Done {
    route: String,
    /// Of a key: whether something was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    existed: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Not {
    route: String,
    why: String,
}

/// Removes what is asked for.
pub(super) async fn answer(proxy: &Proxy, body: &Bytes) -> Response<Body> {
    let asking: Asking = match serde_json::from_slice(body) {
        Ok(asking) => asking,
        // What serde says may repeat what was sent.
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            return refused(StatusCode::BAD_REQUEST, &format!("not understood at {place}; {LIKE}"));
        }
    };
    let running = proxy.running();
    match wanted(&running, asking) {
        Ok((routes, what)) => purge(&routes, &what).await,
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

async fn purge(routes: &[&Route], what: &What) -> Response<Body> {
    let mut told = Told::default();
    for route in routes {
        let name = route.name.clone();
        match route.mode.purge(what).await {
            Some(Purged::Done { existed }) => told.done.push(Done { route: name, existed }),
            Some(Purged::Failed(why)) => {
                tracing::warn!(route = name, why, "a purge failed");
                told.failed.push(Not { route: name, why });
            }
            Some(Purged::NeverStored(why)) => told.nothing.push(Not { route: name, why: why.to_owned() }),
            None => {
                let why = format!("mode {} stores nothing of the kind", route.section.mode.name());
                told.nothing.push(Not { route: name, why });
            }
        }
    }
    let done: Vec<&str> = told.done.iter().map(|done| &*done.route).collect();
    tracing::info!(?done, failed = told.failed.len(), "a purge");
    let status = match (told.failed.is_empty(), told.done.is_empty()) {
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
        (true, false) => StatusCode::OK,
        (true, true) => StatusCode::NOT_FOUND,
    };
    json(status, &told)
}

/// Which routes, and what of them.
fn wanted(running: &Running, asking: Asking) -> Result<(Vec<&Route>, What), String> {
    let Asking { route, key, tag, index, all } = asking;
    let all_routes = || running.routes.iter().map(|route| &**route);
    let mut routes: Vec<&Route> = match &route {
        Some(name) => {
            let named: Vec<_> = all_routes().filter(|route| route.name == *name).collect();
            if named.is_empty() {
                let known: Vec<_> = all_routes().map(|route| &*route.name).collect();
                return Err(format!("there is no route {name:?}; there are: {}", known.join(", ")));
            }
            named
        }
        None => all_routes().collect(),
    };
    let what = match (key, tag, index, all) {
        (Some(keyed), None, None, false) => {
            let like = like(keyed)?;
            if route.is_none() {
                let Target { authority, path, .. } = &like.target;
                let found = running.routes.find(authority, path.path());
                routes = vec![found.ok_or("no route is for this URL; see [routes]")?];
            }
            What::Key(Box::new(like))
        }
        (None, Some(tag), None, false) if (1..=LONGEST_TAG).contains(&tag.len()) => What::Tag(tag),
        (None, Some(_), None, false) => return Err(format!("a tag has 1 to {LONGEST_TAG} bytes")),
        (None, None, Some(index), false) if !index.trim().is_empty() => What::Index(index),
        (None, None, Some(_), false) => {
            return Err("the index is empty; for everything, send {\"all\": true}".to_owned());
        }
        (None, None, None, true) => What::All,
        _ => return Err(LIKE.to_owned()),
    };
    Ok((routes, what))
}

/// The request whose answer is to be removed.
fn like(keyed: Keyed) -> Result<Like, String> {
    let uri: Uri = keyed.url.parse().map_err(|_| "the URL is not valid")?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::HTTP,
        Some("https") => Scheme::HTTPS,
        _ => return Err("the URL has to be whole, as clients see it: http://host:port/path".to_owned()),
    };
    let method: Method = keyed.method.parse().map_err(|_| "the method is not valid")?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    for (name, value) in &keyed.headers {
        let name: HeaderName = name.parse().map_err(|_| "a header has a name that is not valid")?;
        let value: HeaderValue = value.parse().map_err(|_| "a header has a value that is not valid")?;
        request.headers_mut().insert(name, value);
    }
    request.headers_mut().remove(HOST);
    *request.uri_mut() = uri;
    let (parts, ()) = request.into_parts();
    let target = Target::of(&parts, &scheme).map_err(|why| why.to_string())?;
    Ok(Like { parts, target, body: Bytes::from(keyed.body) })
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Refused<'a> {
        error: &'a str,
    }
    json(status, &Refused { error: why })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    typed(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}
