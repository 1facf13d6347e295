//! What is stored for one address.

use bytes::Bytes;
use larder_http::caching::{
    Stored,
    groups::{CACHE_GROUPS, groups},
};
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, request::Target};

/// What is stored for one address: an answer for each variant, the newest last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    variants: Vec<Variant>,
    /// Why the upstream could not be asked: for those who have waited for it. Never stored.
    #[serde(skip)]
    failure: Option<Failure>,
}

/// One answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Variant {
    /// All but the body.
    pub stored: Stored,
    /// The body.
    pub body: Bytes,
}

impl Entry {
    /// More variants than this are not kept of one address; the oldest goes first.
    pub const MAX_VARIANTS: usize = 16;

    /// What is given to those who wait when the upstream failed: what was there before, and why it is not newer.
    pub(super) fn failed(&self, failure: Failure) -> Self {
        Self { variants: self.variants.clone(), failure: Some(failure) }
    }

    /// Why the upstream could not be asked.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// All but the bodies, in order.
    pub fn stored(&self) -> impl Iterator<Item = &Stored> {
        self.variants.iter().map(|variant| &variant.stored)
    }

    /// The variant at this place.
    pub fn variant(&self, place: usize) -> Option<&Variant> {
        self.variants.get(place)
    }

    /// With this variant, in the place of those that the same requests chose. The sum of the bodies stays below `most`
    /// bytes, the new one aside.
    pub(super) fn with(&self, new: Variant, most: usize) -> Self {
        let others = self.variants.iter().filter(|old| old.stored.selecting != new.stored.selecting);
        let mut variants: Vec<Variant> = others.cloned().collect();
        variants.sort_by_key(|variant| variant.stored.received);
        let mut bytes: usize = variants.iter().map(|variant| variant.body.len()).sum();
        while variants.len() >= Self::MAX_VARIANTS || (!variants.is_empty() && bytes + new.body.len() > most)
        {
            bytes -= variants.remove(0).body.len();
        }
        variants.push(new);
        Self { variants, failure: None }
    }

    /// Without the variant at this place.
    pub(super) fn without(&self, place: usize) -> Self {
        let mut variants = self.variants.clone();
        if place < variants.len() {
            variants.remove(place);
        }
        Self { variants, failure: None }
    }

    /// For how many seconds it is worth keeping, where a stale answer is kept for `keep_stale`.
    pub(super) fn keep(&self, keep_stale: u64, now: std::time::SystemTime) -> u64 {
        /// A year: no store keeps entries for as long as HTTP may say.
        const MOST: i64 = 365 * 24 * 60 * 60;
        let keep = |stored: &Stored| {
            let window = stored.freshness.while_revalidate.max(stored.freshness.if_error).max(keep_stale);
            stored.ttl(now).saturating_add(i64::try_from(window).unwrap_or(MOST)).clamp(1, MOST)
        };
        let longest = self.stored().map(keep).max().unwrap_or(1);
        longest.unsigned_abs()
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> u64 {
        let one = |variant: &Variant| {
            let fields = variant.stored.headers.iter();
            let fields: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
            (variant.body.len() + fields + 256) as u64
        };
        self.variants.iter().map(one).sum()
    }

    /// The tags of the groups that its answers are in (RFC 9875). Groups belong to an origin.
    pub(super) fn tags(&self, target: &Target) -> Vec<String> {
        let names = self.stored().flat_map(|stored| groups(&stored.headers, &CACHE_GROUPS));
        let mut tags: Vec<String> = names.filter_map(|name| group_tag(target, &name)).collect();
        tags.sort();
        tags.dedup();
        tags.truncate(64);
        tags
    }
}

/// The tag of a group; `None` for names of origin and group that are too long together.
pub(super) fn group_tag(target: &Target, group: &str) -> Option<String> {
    let tag = format!("group {}://{} {group}", target.scheme, target.authority);
    (tag.len() <= 255).then_some(tag)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{Request, Response};
    use larder_http::caching::{
        Exchange, Rules,
        storing::{Storing, storing},
    };

    use super::*;

    fn variant(value: &str, seconds: u64, body: &'static str) -> Variant {
        let (request, ()) = Request::get("/").header("foo", value).body(()).unwrap().into_parts();
        let answer = Response::builder().header("vary", "foo").header("cache-control", "max-age=60");
        let (answer, ()) = answer.header("cache-groups", "\"g\"").body(()).unwrap().into_parts();
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        let exchange = Exchange { request: &request, answer: &answer, asked: at, answered: at };
        let Storing::Store(stored) = storing(&exchange, &Rules::default()) else {
            panic!("it may be stored")
        };
        Variant { stored: *stored, body: Bytes::from_static(body.as_bytes()) }
    }

    fn bodies(entry: &Entry) -> Vec<&str> {
        entry.variants.iter().map(|variant| std::str::from_utf8(&variant.body).unwrap()).collect()
    }

    #[test]
    fn a_new_answer_takes_the_place_of_the_one_for_the_same_requests() {
        let entry = Entry::default().with(variant("1", 0, "a"), 100).with(variant("2", 1, "b"), 100);
        assert_eq!(bodies(&entry.with(variant("1", 2, "c"), 100)), ["b", "c"]);
        assert_eq!(bodies(&entry.without(0)), ["b"]);
        assert_eq!(bodies(&entry.without(7)), ["a", "b"]);
    }

    #[test]
    fn the_oldest_make_room() {
        let entry = Entry::default().with(variant("1", 5, "aaaa"), 8).with(variant("2", 1, "bbbb"), 8);
        assert_eq!(bodies(&entry.with(variant("3", 6, "cccc"), 8)), ["aaaa", "cccc"]);
        let many = (0..40).fold(Entry::default(), |entry, n| entry.with(variant(&n.to_string(), n, ""), 8));
        assert_eq!(many.variants.len(), Entry::MAX_VARIANTS);
    }

    #[test]
    fn how_long_it_is_kept() {
        let entry = Entry::default().with(variant("1", 100, ""), 8);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(
            (entry.keep(0, at(100)), entry.keep(3600, at(100)), entry.keep(0, at(500))),
            (60, 3660, 1)
        );
        assert_eq!(entry.keep(u64::MAX, at(100)), 365 * 24 * 60 * 60);
    }

    #[test]
    fn groups_belong_to_an_origin() {
        let target = Target {
            scheme: http::uri::Scheme::HTTP,
            authority: "a.example".parse().unwrap(),
            path: "/".parse().unwrap(),
        };
        let entry = Entry::default().with(variant("1", 0, ""), 8).with(variant("2", 0, ""), 8);
        assert_eq!(entry.tags(&target), ["group http://a.example g"]);
        assert_eq!(group_tag(&target, &"x".repeat(300)), None);
    }
}
