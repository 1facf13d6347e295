//! What a request to Solr is, by `/solr/COLLECTION/HANDLER`. What is not known passes, and is a write if it may change something.

use std::time::{Duration, SystemTime};

use crate::{
    query::{self, Parameters},
    search::{Dirty, Refresh, Targets, path},
};

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// It changes nothing, and its answer may be stored if its [`key`](super::key) and its answer say so.
    Read {
        /// The collection in its path.
        targets: Targets,
        /// `/get` sees writes before a commit.
        real_time: bool,
    },
    /// It may change what is found. Forwarded; bump before and after.
    Write {
        /// What it changes.
        targets: Targets,
        /// When searches see it.
        commit: Commit,
    },
    /// Neither stored nor a write.
    Pass,
}

/// When searches see a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// When the answer is there: `commit=true`, `softCommit=true`.
    BeforeAnswer,
    /// After this at the latest: `commitWithin`.
    Within(Duration),
    /// When the collection's `autoSoftCommit` says so, or somebody commits.
    Later,
}

impl Commit {
    /// How long the collection is dirty, for the mark that is set after the answer: see [`Refresh::dirty`]. `interval` is its
    /// `autoSoftCommit`, none where it has none.
    pub fn dirty(self, answered: SystemTime, interval: Option<Duration>, margin: Duration) -> Dirty {
        match self {
            Self::BeforeAnswer => Dirty::Clean,
            Self::Within(within) => {
                let interval = interval.map_or(within, |interval| interval.min(within));
                Refresh::Later.dirty(answered, Some(interval), margin)
            }
            Self::Later => Refresh::Later.dirty(answered, interval, margin),
        }
    }
}

/// Handlers that read.
const READS: &[&str] = &["select", "query", "terms", "suggest", "mlt"];
/// Handlers that neither change anything nor are stored.
const NEVER: &[&str] = &["export", "sql", "graph", "analysis", "admin", "debug"];
/// Streaming expressions that write, now or later, or run others that may.
const WRITING: &[&str] = &["update", "delete", "commit", "daemon", "executor", "topic"];
/// Actions of the administrative handlers that only tell something.
const TELLING: &[&str] = &[
    "LIST",
    "STATUS",
    "CLUSTERSTATUS",
    "LISTALIASES",
    "REQUESTSTATUS",
    "OVERSEERSTATUS",
    "COLSTATUS",
    "LISTBACKUP",
];

/// Classifies a request by its method, its path and its query string, both as they were sent. One slash at the end is allowed,
/// as `pysolr` sends it.
///
/// ```
/// # use larder_http::solr::{classify, Endpoint};
/// assert!(matches!(classify("GET", "/solr/shop/select/", Some("q=a")), Endpoint::Read { .. }));
/// // A GET with an effect.
/// assert!(matches!(classify("GET", "/solr/shop/update", Some("commit=true")), Endpoint::Write { .. }));
/// ```
pub fn classify(method: &str, path: &str, query: Option<&str>) -> Endpoint {
    let everything = || Endpoint::Write { targets: Targets::everything(), commit: Commit::Later };
    let safe = matches!(method, "GET" | "HEAD" | "OPTIONS");
    let unknown = || if safe { Endpoint::Pass } else { everything() };
    let parts = path::segments(path.strip_suffix('/').unwrap_or(path));
    let Some(segments) = parts else { return unknown() };
    let [context, collection, handler, rest @ ..] = &segments[..] else { return unknown() };
    if context.raw != "solr" {
        return unknown();
    }
    let Some(parameters) = query::parse(query.unwrap_or_default()) else {
        // What may write by GET and cannot be read is taken for a write.
        let may_write =
            collection.raw == "admin" || ["update", "stream", "replication"].contains(&handler.raw);
        return if may_write { everything() } else { unknown() };
    };
    if collection.raw == "admin" {
        // Reached by GET, whatever it does.
        let telling =
            parameters.get("action").is_none_or(|action| TELLING.contains(&&*action.to_ascii_uppercase()));
        return if telling && safe { Endpoint::Pass } else { everything() };
    }
    let targets = Targets::parse(&collection.text);
    let write = |targets| Endpoint::Write { targets, commit: commit(&parameters) };
    // Another handler than the path says.
    if ["qt", "shards.qt"]
        .into_iter()
        .filter_map(|name| parameters.get(name))
        .any(|handler| handler.starts_with("/update") || handler.starts_with("/stream"))
    {
        return everything();
    }
    match handler.raw {
        "update" => write(targets),
        read if READS.contains(&read) && rest.is_empty() && matches!(method, "GET" | "POST") => {
            Endpoint::Read { targets, real_time: false }
        }
        "get" if rest.is_empty() && matches!(method, "GET" | "POST") => {
            Endpoint::Read { targets, real_time: true }
        }
        // An expression may write to other collections than that of its path; one in a body is not seen.
        "stream" if !safe || parameters.all("expr").any(may_write) => everything(),
        never if never == "stream" || NEVER.contains(&never) => Endpoint::Pass,
        "replication" if parameters.get("command").is_some_and(|command| command != "details") => {
            write(targets)
        }
        _ if safe => Endpoint::Pass,
        // Its configuration, its schema, or a handler of its own.
        _ => Endpoint::Write { targets, commit: Commit::Later },
    }
}

/// Whether a name of one that writes is in the expression, be it as a function or otherwise.
fn may_write(expression: &str) -> bool {
    let expression = expression.to_ascii_lowercase();
    WRITING.iter().any(|name| expression.contains(name))
}

fn commit(parameters: &Parameters<'_>) -> Commit {
    let says = |name: &str, value: &str| parameters.get(name) == Some(value);
    let commits = ["commit", "softCommit", "optimize"].into_iter().any(|name| says(name, "true"));
    if commits && !says("openSearcher", "false") && !says("waitSearcher", "false") {
        return Commit::BeforeAnswer;
    }
    let within = parameters.get("commitWithin").and_then(|within| within.parse().ok());
    within.map_or(Commit::Later, |within| Commit::Within(Duration::from_millis(within)))
}
