//! What a request is: a table of path patterns. What is not in it passes, and if its method may change something, it is a write
//! to everything.

mod table;

use self::table::{Rule, Seg};
use super::{
    path::{self, Segment},
    targets::Targets,
};
use crate::query;

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// It changes nothing, and its answer may be stored if its [`key`](super::key) and its answer say so.
    Read {
        /// Which.
        kind: ReadKind,
        /// What the path says it is about. What the body adds to that, a key says.
        targets: Targets,
        /// It sees writes before a refresh: the refresh gap is not for it.
        real_time: bool,
    },
    /// It may change what is found. Forwarded; bump before and after.
    Write {
        /// Which.
        kind: WriteKind,
        /// What it changes.
        targets: Targets,
        /// What it does continues after its answer (`wait_for_completion=false`): until an unknown time, nothing of its targets
        /// can be taken for up to date.
        lingers: bool,
    },
    /// `_bulk`: a write to what the action lines of the body say; see [`BulkScanner`](super::BulkScanner).
    Bulk {
        /// The index of action lines that name none; everything, where there is an ingest pipeline that may choose another.
        targets: Targets,
    },
    /// `_msearch`, to be taken apart by [`msearch`](super::msearch).
    Msearch {
        /// The index of headers that name none.
        targets: Targets,
        /// `_msearch/template`.
        template: bool,
    },
    /// `_mget`, to be taken apart by [`mget`](super::mget).
    Mget {
        /// The index of items that name none.
        targets: Targets,
        /// Whether it sees writes before a refresh; so unless `realtime=false`.
        real_time: bool,
    },
    /// Neither stored nor a write.
    Pass {
        /// Why.
        why: PassReason,
    },
}

/// Why a request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassReason {
    /// No pattern fits.
    Unknown,
    /// Its path can be read in two ways.
    Path,
    /// Its query string is not one, or has more parameters than are looked at.
    Query,
    /// Known, and never stored: it has a state on the server, or tells of the server itself.
    Never,
}

impl PassReason {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "no known endpoint",
            Self::Path => "its path can be read in two ways",
            Self::Query => "its query string cannot be read",
            Self::Never => "an endpoint that is never stored",
        }
    }
}

/// Reads whose answers may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadKind {
    /// `_search`.
    Search,
    /// `_search/template`.
    SearchTemplate,
    /// `_count`.
    Count,
    /// `_cat/count`.
    CatCount,
    /// `_field_caps`.
    FieldCaps,
    /// `_explain/{id}`.
    Explain,
    /// `_validate/query`.
    ValidateQuery,
    /// `_termvectors`.
    Termvectors,
    /// `_mtermvectors`.
    Mtermvectors,
    /// `_rank_eval`.
    RankEval,
    /// `_mvt`.
    Mvt,
    /// `_terms_enum`.
    TermsEnum,
    /// `_knn_search`.
    KnnSearch,
    /// `_render/template`.
    RenderTemplate,
    /// `_sql`.
    Sql,
    /// `_query`, which is ES|QL.
    Esql,
    /// `_eql/search`.
    Eql,
    /// `GET _doc/{id}`.
    Doc,
    /// `GET _source/{id}`.
    Source,
    /// One search of an `_msearch`.
    MsearchItem,
    /// One search of an `_msearch/template`.
    MsearchTemplateItem,
    /// One document of an `_mget`.
    MgetItem,
}

/// Requests that change what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteKind {
    /// One document.
    Document,
    /// `_delete_by_query`, `_update_by_query`.
    ByQuery,
    /// `_reindex`: [`reindex_destination`](super::reindex_destination) reads what it writes to from its body.
    Reindex,
    /// Aliases: a map of them is no longer right.
    Aliases,
    /// An index or a data stream as a whole, its mapping or its settings. A map of aliases may no longer be right.
    Index,
    /// `_refresh`, `_flush`, a read with `refresh=true`: earlier writes become visible.
    Refresh,
    /// `_cache/clear`: whoever sends it wants to see what there is.
    CacheClear,
    /// Stored scripts and templates, on which searches may depend.
    Scripts,
    /// Users, roles and keys: what somebody may see changes.
    Security,
    /// Not known, and its method may change something.
    Unknown,
}

/// Classifies a request by its method (in capitals, as HTTP has them), its path and its query string, both as they were sent.
///
/// ```
/// # use larder_http::search::{classify, Endpoint, ReadKind};
/// let endpoint = classify("POST", "/shop/_search", Some("typed_keys"));
/// assert!(matches!(endpoint, Endpoint::Read { kind: ReadKind::Search, .. }));
/// // A GET with an effect.
/// assert!(matches!(classify("GET", "/_refresh", None), Endpoint::Write { .. }));
/// ```
pub fn classify(method: &str, path: &str, query: Option<&str>) -> Endpoint {
    let Some(segments) = path::segments(path) else { return unknown(method, PassReason::Path) };
    let Some(parameters) = query::parse(query.unwrap_or_default()) else {
        return unknown(method, PassReason::Query);
    };
    for line in table::TABLE {
        if line.methods.split(' ').any(|word| word == method)
            && let Some(target) = fits(line.pattern, &segments)
        {
            return endpoint(line.rule, target, &parameters);
        }
    }
    unknown(method, PassReason::Unknown)
}

fn unknown(method: &str, why: PassReason) -> Endpoint {
    if matches!(method, "GET" | "HEAD" | "OPTIONS") {
        Endpoint::Pass { why }
    } else {
        Endpoint::Write { kind: WriteKind::Unknown, targets: Targets::everything(), lingers: false }
    }
}

/// What a path that fits says it is about.
#[derive(Clone, Copy)]
enum Target<'a> {
    Nothing,
    Expression(&'a str),
}

/// Whether a path fits a pattern, and the expression that says what it is about, if there is one.
fn fits<'a>(pattern: &[Seg], segments: &'a [Segment<'_>]) -> Option<Target<'a>> {
    let open = pattern.last() == Some(&Seg::Rest);
    let pattern = if open { &pattern[..pattern.len() - 1] } else { pattern };
    if segments.len() < pattern.len() || !open && segments.len() > pattern.len() {
        return None;
    }
    let mut target = Target::Nothing;
    for (seg, segment) in pattern.iter().zip(segments) {
        let fits = match seg {
            Seg::Word(word) => segment.raw == *word,
            // What begins with an underscore is a word of the engine. One that is written `%5Fsearch` is a word to some
            // servers and not to others.
            Seg::Target => !segment.text.starts_with('_') || segment.raw == "_all",
            Seg::Any | Seg::Rest => true,
        };
        if !fits {
            return None;
        }
        if *seg == Seg::Target {
            target = Target::Expression(&segment.text);
        }
    }
    Some(target)
}

fn endpoint(rule: Rule, target: Target<'_>, parameters: &query::Parameters<'_>) -> Endpoint {
    let targets = match target {
        Target::Nothing => Targets::everything(),
        Target::Expression(expression) => Targets::parse(expression),
    };
    let not = |name: &str| parameters.get(name).is_some_and(|value| value == "false");
    let has = |name: &str| parameters.get(name).is_some();
    let refreshes = has("refresh") && !not("refresh");
    let refresh = || Endpoint::Write { kind: WriteKind::Refresh, targets: targets.clone(), lingers: false };
    match rule {
        Rule::Read(kind) => {
            let never = match kind {
                ReadKind::Search | ReadKind::SearchTemplate => has("scroll"),
                ReadKind::Eql => {
                    has("wait_for_completion_timeout") || has("keep_on_completion") || has("keep_alive")
                }
                _ => false,
            };
            if never {
                return Endpoint::Pass { why: PassReason::Never };
            }
            Endpoint::Read { kind, targets, real_time: false }
        }
        Rule::RealTime(_) | Rule::Mget if refreshes => refresh(),
        Rule::RealTime(kind) => Endpoint::Read { kind, targets, real_time: !not("realtime") },
        Rule::Mget => Endpoint::Mget { targets, real_time: !not("realtime") },
        Rule::Msearch { template } => Endpoint::Msearch { targets, template },
        Rule::Bulk => {
            let targets = match target {
                _ if piped(parameters) => Targets::everything(),
                Target::Expression(_) => targets,
                Target::Nothing => Targets::nothing(),
            };
            Endpoint::Bulk { targets }
        }
        Rule::Write(kind) => {
            let everything = kind == WriteKind::Aliases || piped(parameters);
            let targets = if everything { Targets::everything() } else { targets };
            Endpoint::Write { kind, targets, lingers: not("wait_for_completion") }
        }
        Rule::WriteAll(kind) => {
            Endpoint::Write { kind, targets: Targets::everything(), lingers: not("wait_for_completion") }
        }
        Rule::Never => Endpoint::Pass { why: PassReason::Never },
    }
}

/// An ingest pipeline may write to another index than it was asked to.
fn piped(parameters: &query::Parameters<'_>) -> bool {
    parameters.get("pipeline").is_some_and(|pipeline| pipeline != "_none")
}
