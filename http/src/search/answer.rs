//! Which answers may be stored: whole, successful, and seen to be so.

use std::{fmt, fmt::Write as _, ops::Range, time::Duration};

use sha2::{Digest as _, Sha256};

use super::ReadKind;
use crate::json::members::{Elements, Members};

/// What of an answer decides whether it is worth storing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// How long the engine says it took.
    pub took: Option<Duration>,
    /// How long the body is, in bytes.
    pub bytes: usize,
    /// A strong entity tag, with its quotes: equal for bodies that differ in `took` alone. Of this coding of the body; another one
    /// needs another tag.
    pub etag: String,
}

/// Why an answer may not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// Its status is not 200.
    Status,
    /// It is not strict JSON, has a name twice, or is not of the form that this kind of answer has.
    Broken,
    /// It does not say whether it is whole: it has another format, or `filter_path` has removed what says it.
    Unseen,
    /// `timed_out`.
    TimedOut,
    /// Shards have failed.
    Shards,
    /// Clusters have failed, were skipped, or have answered in part.
    Clusters,
    /// `is_partial`, `complete: false`, or failures that are listed.
    Partial,
    /// `is_running`.
    Running,
    /// It names a context that is kept on the server: `_scroll_id`, `pit_id`, `cursor`, `id`.
    Stateful,
    /// What was asked for is not there.
    Missing,
}

impl Why {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Status => "its status is not 200",
            Self::Broken => "it is not what such an answer looks like",
            Self::Unseen => "it does not say whether it is whole",
            Self::TimedOut => "it timed out",
            Self::Shards => "shards have failed",
            Self::Clusters => "a cluster has not answered in full",
            Self::Partial => "it is partial",
            Self::Running => "it is still being computed",
            Self::Stateful => "it names a context on the server",
            Self::Missing => "what was asked for is not there",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Why {}

/// What the top of an answer says.
#[derive(Debug, Default)]
struct Top {
    took: Option<(u64, Range<usize>)>,
    timed_out: bool,
    shards: bool,
    found: Option<bool>,
    complete: Option<bool>,
}

/// Whether the answer to a read may be stored. `body` is decoded by its `Content-Encoding`.
///
/// # Errors
/// [`Why`] not.
///
/// ```
/// # use larder_http::search::{storable, ReadKind, Why};
/// let whole = br#"{"took":3,"timed_out":false,"_shards":{"total":1,"failed":0},"hits":{}}"#;
/// assert_eq!(storable(ReadKind::Search, 200, whole)?.took, Some(std::time::Duration::from_millis(3)));
/// let part = br#"{"took":3,"timed_out":false,"_shards":{"total":2,"failed":1},"hits":{}}"#;
/// assert_eq!(storable(ReadKind::Search, 200, part), Err(Why::Shards));
/// # Ok::<(), Why>(())
/// ```
pub fn storable(kind: ReadKind, status: u16, body: &[u8]) -> Result<Admission, Why> {
    if status != 200 {
        return Err(Why::Status);
    }
    match kind {
        // Text or an array, by the client's choice; nothing in it can be partial.
        ReadKind::CatCount => return Ok(admission(None, body)),
        // A binary format in which nothing is looked for.
        ReadKind::Mvt => return Err(Why::Unseen),
        // A client's document: what its members are called means nothing.
        ReadKind::Source => {
            for member in object(body)? {
                member.map_err(|_| Why::Broken)?;
            }
            return Ok(admission(None, body));
        }
        _ => {}
    }
    let top = top(kind, body)?;
    let (needs_time, needs_shards) = match kind {
        ReadKind::Search
        | ReadKind::SearchTemplate
        | ReadKind::KnnSearch
        | ReadKind::MsearchItem
        | ReadKind::MsearchTemplateItem => (true, true),
        ReadKind::Count | ReadKind::ValidateQuery | ReadKind::TermsEnum => (false, true),
        ReadKind::Eql => (true, false),
        _ => (false, false),
    };
    if needs_time && !top.timed_out || needs_shards && !top.shards {
        return Err(Why::Unseen);
    }
    match kind {
        ReadKind::Doc | ReadKind::MgetItem if top.found != Some(true) => {
            return Err(if top.found == Some(false) { Why::Missing } else { Why::Unseen });
        }
        ReadKind::TermsEnum if top.complete.is_none() => return Err(Why::Unseen),
        _ => {}
    }
    Ok(admission(top.took, body))
}

fn object(body: &[u8]) -> Result<Members<'_>, Why> {
    match body.trim_ascii_start().first() {
        Some(b'{') if std::str::from_utf8(body).is_ok() => Ok(Members::new(body)),
        Some(b'{') | None => Err(Why::Broken),
        // YAML, CBOR, a table.
        Some(_) => Err(Why::Unseen),
    }
}

fn top(kind: ReadKind, body: &[u8]) -> Result<Top, Why> {
    let mut top = Top::default();
    let mut seen = Vec::new();
    for member in object(body)? {
        let member = member.map_err(|_| Why::Broken)?;
        let value = member.value;
        let is_item = matches!(kind, ReadKind::MsearchItem | ReadKind::MsearchTemplateItem);
        match &*member.name {
            b"took" => {
                let took = number(value).ok_or(Why::Broken)?;
                top.took = Some((took, member.at.clone()));
            }
            b"timed_out" => top.timed_out = is(value, false, Why::TimedOut)?,
            b"_shards" => top.shards = shards(value)?,
            b"_clusters" => clusters(value)?,
            b"is_partial" => drop(is(value, false, Why::Partial)?),
            b"is_running" => drop(is(value, false, Why::Running)?),
            b"complete" => top.complete = Some(is(value, true, Why::Partial)?),
            b"found" => top.found = Some(value == b"true"),
            b"status" if is_item && value != b"200" => return Err(Why::Status),
            b"error" => return Err(Why::Status),
            b"_scroll_id" | b"pit_id" | b"cursor" => return Err(Why::Stateful),
            b"id" if matches!(kind, ReadKind::Eql | ReadKind::Sql | ReadKind::Esql) => {
                return Err(Why::Stateful);
            }
            b"failures" => empty(value)?,
            b"failed_indices" if value != b"0" => return Err(Why::Partial),
            b"docs" if kind == ReadKind::Mtermvectors => documents(value)?,
            _ => {}
        }
        // The first few are all that are known; a name that comes twice among others does no harm.
        if KNOWN.contains(&&*member.name) {
            if seen.contains(&member.name) {
                return Err(Why::Broken);
            }
            seen.push(member.name);
        }
    }
    Ok(top)
}

/// Members that say something here.
const KNOWN: &[&[u8]] = &[
    b"took",
    b"timed_out",
    b"_shards",
    b"_clusters",
    b"is_partial",
    b"is_running",
    b"complete",
    b"found",
    b"status",
    b"failures",
    b"failed_indices",
    b"docs",
    b"hits",
    b"responses",
];

/// True if the value is the wanted one; an error if it is the other one.
fn is(value: &[u8], wanted: bool, otherwise: Why) -> Result<bool, Why> {
    match value {
        b"true" if wanted => Ok(true),
        b"false" if !wanted => Ok(true),
        b"true" | b"false" => Err(otherwise),
        _ => Err(Why::Broken),
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Whether it says that none has failed; an error if some have.
fn shards(value: &[u8]) -> Result<bool, Why> {
    let mut failed = None;
    for member in Members::new(value) {
        let member = member.map_err(|_| Why::Broken)?;
        match &*member.name {
            b"failed" if failed.replace(member.value).is_some() => return Err(Why::Broken),
            b"failures" => empty(member.value).map_err(|_| Why::Shards)?,
            _ => {}
        }
    }
    match failed {
        None => Ok(false),
        Some(b"0") => Ok(true),
        Some(_) => Err(Why::Shards),
    }
}

fn clusters(value: &[u8]) -> Result<(), Why> {
    for member in Members::new(value) {
        let member = member.map_err(|_| Why::Broken)?;
        let bad: &[&[u8]] = &[b"skipped", b"partial", b"failed", b"running"];
        if bad.contains(&&*member.name) && member.value != b"0" {
            return Err(Why::Clusters);
        }
    }
    Ok(())
}

/// An error if there is something in an object or an array.
fn empty(value: &[u8]) -> Result<(), Why> {
    let mut members = Members::new(value);
    let mut elements = Elements::new(value);
    if members.next().is_none() || elements.next().is_none() { Ok(()) } else { Err(Why::Partial) }
}

fn documents(value: &[u8]) -> Result<(), Why> {
    for document in Elements::new(value) {
        for member in Members::new(document.map_err(|_| Why::Broken)?) {
            if *member.map_err(|_| Why::Broken)?.name == *b"error" {
                return Err(Why::Partial);
            }
        }
    }
    Ok(())
}

pub(crate) fn admission(took: Option<(u64, Range<usize>)>, body: &[u8]) -> Admission {
    let etag = match &took {
        Some((_, at)) => etag([&body[..at.start], &body[at.end..]].into_iter()),
        None => etag(std::iter::once(body)),
    };
    Admission { took: took.map(|(took, _)| Duration::from_millis(took)), bytes: body.len(), etag }
}

/// A strong entity tag over a body that comes in pieces.
pub(super) fn etag<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut sha = Sha256::new();
    pieces.for_each(|piece| sha.update(piece));
    let mut etag = String::with_capacity(34);
    etag.push('"');
    for byte in &sha.finalize()[..16] {
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}
