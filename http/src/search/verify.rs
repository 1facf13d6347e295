//! Searches whose answer is checked each time: the engine is asked the same without the bodies of documents, and a body that is
//! kept is put in where document and version are the same. Everything else of an answer is the engine's, of this moment.

mod hits;

use self::hits::member;
pub use self::hits::{Hits, Identities, hits};
use super::{key::COST_ONLY, order::order};
use crate::{
    canonical::{Limits, canonical},
    json::{members::Members, tape::Tape},
    query,
};

/// A search, written in two ways whose answers differ in the bodies of documents alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifiable {
    /// Asks for versions of documents, and not for their bodies.
    pub without_bodies: Vec<u8>,
    /// Asks for both.
    pub with_bodies: Vec<u8>,
    /// Whether the client has asked for versions itself, so that they stay in its answer.
    pub versions: bool,
}

/// Parameters that change nothing of what is said here. Others may choose bodies, or cut the answer.
const PARAMETERS: &[&str] = &[
    "allow_no_indices",
    "allow_partial_search_results",
    "expand_wildcards",
    "from",
    "ignore_throttled",
    "ignore_unavailable",
    "preference",
    "rest_total_hits_as_int",
    "routing",
    "search_type",
    "size",
    "sort",
    "terminate_after",
    "timeout",
    "track_scores",
    "track_total_hits",
    "typed_keys",
];

/// Members of a search whose part of the answer does not depend on whether bodies are asked for: the engines make highlights,
/// fields and aggregations from the documents themselves. Not here, since they return bodies in other places or change which
/// are returned: `collapse` and `inner_hits`, `script_fields`, `stored_fields`, `suggest`.
const MEMBERS: &[&str] = &[
    "aggregations",
    "aggs",
    "docvalue_fields",
    "explain",
    "fields",
    "from",
    "highlight",
    "indices_boost",
    "knn",
    "min_score",
    "post_filter",
    "query",
    "rescore",
    "runtime_mappings",
    "search_after",
    "size",
    "sort",
    "stats",
    "terminate_after",
    "timeout",
    "track_scores",
    "track_total_hits",
    "version",
];

/// A search that can be checked, by its query string and its body, which are as they were sent. Nothing for one that says what
/// is not known here, asks for no bodies, or is not strict JSON.
///
/// ```
/// # use larder_http::{canonical::Limits, search::verifiable};
/// let search = verifiable(None, br#"{"size":1,"_source":["a"]}"#, Limits::default()).unwrap();
/// assert_eq!(search.without_bodies, br#"{"size":1,"_source":false,"seq_no_primary_term":true}"#);
/// assert_eq!(search.with_bodies, br#"{"size":1,"_source":["a"],"seq_no_primary_term":true}"#);
/// assert!(verifiable(None, br#"{"collapse":{"field":"a"}}"#, Limits::default()).is_none());
/// ```
pub fn verifiable(query: Option<&str>, body: &[u8], limits: Limits) -> Option<Verifiable> {
    let parameters = query::parse(query.unwrap_or_default())?;
    let known = |name: &str| PARAMETERS.contains(&name) || COST_ONLY.contains(&name);
    if !parameters.0.iter().all(|(name, _)| known(name)) {
        return None;
    }
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    // For names that occur twice.
    canonical(body, limits, order).ok()?;
    let tape = Tape::read(body, limits).ok()?;
    if tape.nodes().iter().any(|&node| tape.name(node) == b"inner_hits") {
        return None;
    }
    let (mut rest, mut source, mut versions) = (Vec::new(), None, false);
    for each in Members::new(body) {
        let each = each.ok()?;
        match &*each.name {
            b"_source" if each.value == b"false" => return None,
            b"_source" => source = Some(each.value),
            b"seq_no_primary_term" => match each.value {
                b"true" => versions = true,
                b"false" => {}
                _ => return None,
            },
            name => {
                let name = MEMBERS.iter().find(|known| known.as_bytes() == name)?;
                rest.push((*name, each.value));
            }
        }
    }
    let written = |source: Option<&[u8]>| {
        let mut out = vec![b'{'];
        for &(name, value) in &rest {
            member(&mut out, name, value);
        }
        source.into_iter().for_each(|source| member(&mut out, "_source", source));
        member(&mut out, "seq_no_primary_term", b"true");
        out.push(b'}');
        out
    };
    Some(Verifiable { without_bodies: written(Some(b"false")), with_bodies: written(source), versions })
}
