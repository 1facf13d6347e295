//! The hits of an answer: which version of which document each is, and the answer with other bodies in it.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    canonical::Digester,
    json::members::{Elements, Members, text_of},
};

/// The most hits that are looked at: the engines' own default limit.
const MAX_HITS: usize = 10_000;

/// What stands behind the body of a document in a hit, as the engines write it.
const BEHIND: &[&[u8]] =
    &[b"fields", b"highlight", b"sort", b"matched_queries", b"_explanation", b"inner_hits"];

/// Which index each name stands for. An index that is deleted and created anew has the same name and may have the same versions
/// of the same documents, but not the same identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities(BTreeMap<String, String>);

impl Identities {
    /// From the answer to `GET TARGET/_settings/index.uuid`, flat or not. Nothing if it does not look like one.
    ///
    /// ```
    /// # use larder_http::search::Identities;
    /// let flat = Identities::read(br#"{"shop":{"settings":{"index.uuid":"kTX"}}}"#).unwrap();
    /// assert_eq!(Identities::read(br#"{"shop":{"settings":{"index":{"uuid":"kTX"}}}}"#), Some(flat));
    /// ```
    pub fn read(answer: &[u8]) -> Option<Self> {
        std::str::from_utf8(answer).ok()?;
        let mut found = BTreeMap::new();
        for index in Members::new(answer) {
            let index = index.ok()?;
            let settings = value(index.value, b"settings")?;
            let uuid = match value(settings, b"index.uuid") {
                Some(uuid) => uuid,
                None => value(value(settings, b"index")?, b"uuid")?,
            };
            let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
            found.insert(text(&index.name)?, text(&text_of(uuid)?)?);
        }
        Some(Self(found))
    }
}

/// The hits of an answer to a search.
#[derive(Debug, Clone)]
pub struct Hits<'a> {
    answer: &'a [u8],
    /// Where the list of hits stands.
    at: Range<usize>,
    list: Vec<Hit<'a>>,
}

#[derive(Debug, Clone)]
struct Hit<'a> {
    members: Vec<(&'a str, &'a [u8])>,
}

/// The hits of an answer. Nothing if it does not look like one, or has more hits than are looked at.
pub fn hits(answer: &[u8]) -> Option<Hits<'_>> {
    std::str::from_utf8(answer).ok()?;
    let outer = place(answer, b"hits")?;
    let inner = place(&answer[outer.clone()], b"hits")?;
    let at = outer.start + inner.start..outer.start + inner.end;
    let mut hits = Vec::new();
    for element in Elements::new(&answer[at.clone()]) {
        if hits.len() == MAX_HITS {
            return None;
        }
        let element = element.ok()?;
        let mut members: Vec<(&str, &[u8])> = Vec::with_capacity(8);
        for member in Members::new(element) {
            let member = member.ok()?;
            // Names with escapes are none that the engines write.
            let std::borrow::Cow::Borrowed(name) = member.name else { return None };
            let name = std::str::from_utf8(name).ok()?;
            if members.iter().any(|(other, _)| *other == name) {
                return None;
            }
            members.push((name, member.value));
        }
        hits.push(Hit { members });
    }
    Some(Hits { answer, at, list: hits })
}

impl<'a> Hits<'a> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A digest over which version of which document each hit is, in their order. Nothing where one does not say so.
    pub fn fingerprint(&self, identities: &Identities) -> Option<[u8; 32]> {
        let mut digester = Digester::new("hits");
        for hit in &self.list {
            let index = text_of(hit.value("_index")?)?;
            let uuid = identities.0.get(std::str::from_utf8(&index).ok()?)?;
            digester.field(1, uuid.as_bytes());
            for name in ["_seq_no", "_primary_term"] {
                let number = hit.value(name)?;
                // Negative ones mean that there is none.
                if !number.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                digester.field(2, number);
            }
            digester.field(3, &text_of(hit.value("_id")?)?);
            // Two documents may have one identifier if they are in different shards.
            digester.field(4, hit.value("_routing").unwrap_or_default());
        }
        Some(digester.finish())
    }

    /// The body of each document, where it has one.
    pub fn bodies(&self) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.list.iter().map(|hit| hit.value("_source"))
    }

    /// The answer with these bodies instead of its own, one for each hit. Versions stay if the client has asked for them.
    pub fn with<'b>(&self, bodies: impl IntoIterator<Item = Option<&'b [u8]>>, versions: bool) -> Vec<u8> {
        let bodies: Vec<Option<&[u8]>> = bodies.into_iter().collect();
        let more: usize = bodies.iter().flatten().map(|body| body.len() + 16).sum();
        let mut out = Vec::with_capacity(self.answer.len() + more);
        out.extend_from_slice(&self.answer[..self.at.start]);
        out.push(b'[');
        for (place, hit) in self.list.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b",{" } else { b"{" });
            let mut body = bodies.get(place).copied().flatten();
            for &(name, value) in &hit.members {
                let is_version = matches!(name, "_seq_no" | "_primary_term");
                if name == "_source" || is_version && !versions {
                    continue;
                }
                if BEHIND.contains(&name.as_bytes()) {
                    body.take().into_iter().for_each(|body| member(&mut out, "_source", body));
                }
                member(&mut out, name, value);
            }
            body.into_iter().for_each(|body| member(&mut out, "_source", body));
            out.push(b'}');
        }
        out.push(b']');
        out.extend_from_slice(&self.answer[self.at.end..]);
        out
    }
}

impl<'a> Hit<'a> {
    fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.members.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }
}

/// Writes a member behind others. The name needs no escapes.
pub(super) fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
}

/// Where the value of a member stands; nothing if there is none, or two, or something is not JSON.
fn place(object: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    for member in Members::new(object) {
        let member = member.ok()?;
        if *member.name == *name && found.replace(member.at).is_some() {
            return None;
        }
    }
    found
}

fn value<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    place(object, name).map(|at| &object[at])
}
