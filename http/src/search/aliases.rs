//! Which indices a name stands for, by what an engine says of its aliases and data streams.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::json::members::{Elements, Members, text_of};

/// Which indices a name stands for, and itself: who reads and who writes by one name meet, whatever it stands for. To be asked for
/// again when a write of kind [`Aliases`](super::WriteKind::Aliases) or [`Index`](super::WriteKind::Index) has passed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AliasMap(BTreeMap<String, BTreeSet<String>>);

impl AliasMap {
    /// From the answer to `GET _alias`. Nothing if it does not look like one. A data stream stands in it as an index does: see
    /// [`with_data_streams`](Self::with_data_streams).
    ///
    /// ```
    /// # use larder_http::search::{AliasMap, Names, Targets};
    /// let map = AliasMap::read(br#"{"shop-3": {"aliases": {"shop": {}}}}"#).unwrap();
    /// let (names, targets) = (Names::Map(map), Targets::parse("shop"));
    /// let depends = targets.depends(&names);
    /// assert!(depends.indices.contains("shop-3") && !depends.wildcard);
    /// ```
    pub fn read(answer: &[u8]) -> Option<Self> {
        let mut map = Self::default();
        for index in Members::new(answer) {
            let index = index.ok()?;
            let name = text(&index.name)?;
            map.stands_for(&name, []);
            for member in Members::new(index.value) {
                let member = member.ok()?;
                if *member.name == *b"aliases" {
                    for alias in Members::new(member.value) {
                        map.stands_for(&text(&alias.ok()?.name)?, [name.clone()]);
                    }
                }
            }
        }
        Some(map)
    }

    /// With what the answer to `GET _data_stream` says: a data stream stands for its backing indices, and so does whatever stands for
    /// the data stream. Nothing if it does not look like one.
    ///
    /// ```
    /// # use larder_http::search::{AliasMap, Names, Targets};
    /// let map = AliasMap::read(br#"{"logs": {"aliases": {"web": {}}}}"#).unwrap();
    /// let streams = br#"{"data_streams": [{"name": "logs", "indices": [{"index_name": ".ds-logs-1"}]}]}"#;
    /// let names = Names::Map(map.with_data_streams(streams).unwrap());
    /// assert!(Targets::parse("web").depends(&names).indices.contains(".ds-logs-1"));
    /// ```
    pub fn with_data_streams(mut self, answer: &[u8]) -> Option<Self> {
        let mut streams: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut is_one = false;
        for member in Members::new(answer) {
            let member = member.ok()?;
            if *member.name != *b"data_streams" {
                continue;
            }
            is_one = true;
            for stream in Elements::new(member.value) {
                let (name, indices) = stream_of(stream.ok()?)?;
                streams.entry(name).or_default().extend(indices);
            }
        }
        for indices in self.0.values_mut() {
            let backing: Vec<_> = indices.iter().filter_map(|name| streams.get(name)).collect();
            let backing: BTreeSet<_> = backing.into_iter().flatten().cloned().collect();
            indices.extend(backing);
        }
        for (name, indices) in streams {
            indices.iter().for_each(|index| self.stands_for(index, []));
            self.stands_for(&name, indices);
        }
        is_one.then_some(self)
    }

    fn stands_for(&mut self, name: &str, indices: impl IntoIterator<Item = String>) {
        let all = self.0.entry(name.to_owned()).or_insert_with(|| BTreeSet::from([name.to_owned()]));
        all.extend(indices);
    }

    /// Whether each name of the other stands for the same in this one. There may be new ones.
    pub fn extends(&self, other: &Self) -> bool {
        other.0.iter().all(|(name, indices)| self.0.get(name) == Some(indices))
    }

    /// How many names it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn indices(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        self.0.get(name).map(|indices| indices.iter().map(String::as_str))
    }
}

/// The name of a data stream, and those of its backing indices. One that does not say them cannot be known.
fn stream_of(stream: &[u8]) -> Option<(String, Vec<String>)> {
    let (mut name, mut indices) = (None, None);
    for member in Members::new(stream) {
        let member = member.ok()?;
        match &*member.name {
            b"name" => name = Some(text(&text_of(member.value)?)?),
            b"indices" => {
                let all = indices.get_or_insert_with(Vec::new);
                for index in Elements::new(member.value) {
                    let mut found = None;
                    for member in Members::new(index.ok()?) {
                        let member = member.ok()?;
                        if *member.name == *b"index_name" {
                            found = Some(text(&text_of(member.value)?)?);
                        }
                    }
                    all.push(found?);
                }
            }
            _ => {}
        }
    }
    Some((name?, indices?))
}

fn text(name: &[u8]) -> Option<String> {
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_data_streams() {
        for answer in [
            "{}",
            "[]",
            "",
            r#"{"data_streams":{}}"#,
            r#"{"data_streams":[{}]}"#,
            r#"{"data_streams":[{"name":"a"}]}"#,
            r#"{"data_streams":[{"name":7,"indices":[]}]}"#,
            r#"{"data_streams":[{"name":"a","indices":[{}]}]}"#,
            r#"{"data_streams":[{"name":"a","indices":[{"index_name":"b"}]}"#,
        ] {
            assert_eq!(AliasMap::default().with_data_streams(answer.as_bytes()), None, "{answer}");
        }
        let none = AliasMap::default().with_data_streams(br#"{"data_streams":[]}"#);
        assert_eq!(none, Some(AliasMap::default()));
    }

    #[test]
    fn what_is_new_alone_changes_nothing() {
        let of = |answer: &str| AliasMap::read(answer.as_bytes()).unwrap();
        let one = of(r#"{"a":{"aliases":{"x":{}}}}"#);
        assert!(of(r#"{"a":{"aliases":{"x":{}}},"b":{}}"#).extends(&one));
        for other in [
            r#"{"a":{}}"#,
            r#"{"b":{"aliases":{"x":{}}},"a":{}}"#,
            r#"{"a":{"aliases":{"x":{}}},"b":{"aliases":{"x":{}}}}"#,
        ] {
            assert!(!of(other).extends(&one), "{other}");
        }
    }
}
