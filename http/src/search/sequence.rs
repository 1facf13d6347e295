//! Sequence numbers of indices: by them somebody who asks now and then learns which indices were written to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    canonical::Digester,
    json::members::{Elements, Members},
};

/// What the sequence numbers of all indices were at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SequenceNumbers(BTreeMap<String, [u8; 32]>);

impl SequenceNumbers {
    /// What is asked for, without the rest of a large answer.
    pub const PATH: &str = "/_stats?level=shards&expand_wildcards=open,hidden&filter_path=\
                            indices.*.uuid,indices.*.shards.*.seq_no.max_seq_no";

    /// From the answer to a request for [`PATH`](Self::PATH). Nothing if it is none, or does not say any.
    ///
    /// Of the copies of a shard, the one that is farthest counts: others follow.
    ///
    /// ```
    /// # use larder_http::search::SequenceNumbers;
    /// let read = |number: u8| {
    ///     let shards = format!(r#"{{"0":[{{"seq_no":{{"max_seq_no":{number}}}}}]}}"#);
    ///     SequenceNumbers::read(format!(r#"{{"indices":{{"a":{{"uuid":"x","shards":{shards}}}}}}}"#).as_bytes())
    /// };
    /// let (before, after) = (read(7).unwrap(), read(8).unwrap());
    /// assert_eq!(after.changed(&before).collect::<Vec<_>>(), ["a"]);
    /// ```
    pub fn read(answer: &[u8]) -> Option<Self> {
        let mut all = Self::default();
        let (mut said, mut is_one) = (false, answer.trim_ascii() == b"{}");
        for member in Members::new(answer) {
            let member = member.ok()?;
            if *member.name != *b"indices" {
                continue;
            }
            is_one = true;
            for index in Members::new(member.value) {
                let index = index.ok()?;
                let name = String::from_utf8(index.name.to_vec()).ok()?;
                let (numbers, has) = numbers_of(index.value)?;
                said |= has;
                all.0.insert(name, numbers);
            }
        }
        (is_one && (said || all.0.is_empty())).then_some(all)
    }

    /// The indices whose numbers are other ones than before, or that were there at one of the two times only.
    pub fn changed<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let gone = before.0.keys().filter(|name| !self.0.contains_key(*name));
        let others = self.0.iter().filter(|(name, numbers)| before.0.get(*name) != Some(numbers));
        others.map(|(name, _)| name).chain(gone).map(String::as_str)
    }

    /// How many indices there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Those of one index, and whether it says any.
fn numbers_of(index: &[u8]) -> Option<([u8; 32], bool)> {
    let mut digester = Digester::new("sequence numbers");
    let mut shards = BTreeMap::new();
    for member in Members::new(index) {
        let member = member.ok()?;
        match &*member.name {
            b"uuid" => digester.field(1, member.value),
            b"shards" => {
                for shard in Members::new(member.value) {
                    let shard = shard.ok()?;
                    if let Some(largest) = largest_of(shard.value)? {
                        shards.insert(shard.name, largest);
                    }
                }
            }
            _ => {}
        }
    }
    for (shard, largest) in &shards {
        digester.field(2, shard);
        digester.field(3, &largest.to_be_bytes());
    }
    Some((digester.finish(), !shards.is_empty()))
}

/// The largest number of the copies of a shard, which is -1 where nothing was written. The outer one is none where the text is broken.
#[allow(clippy::option_option, reason = "broken and absent are two things")]
fn largest_of(copies: &[u8]) -> Option<Option<i64>> {
    let mut largest = None;
    for copy in Elements::new(copies) {
        for member in Members::new(copy.ok()?) {
            let member = member.ok()?;
            if *member.name != *b"seq_no" {
                continue;
            }
            for number in Members::new(member.value) {
                let number = number.ok()?;
                if *number.name == *b"max_seq_no" {
                    let number: i64 = std::str::from_utf8(number.value).ok()?.parse().ok()?;
                    largest = largest.max(Some(number));
                }
            }
        }
    }
    Some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(uuid: &str, shards: &str) -> String {
        format!(r#"{{"uuid":"{uuid}","shards":{shards}}}"#)
    }

    fn read(indices: &[(&str, String)]) -> Option<SequenceNumbers> {
        let indices: Vec<_> = indices.iter().map(|(name, index)| format!(r#""{name}":{index}"#)).collect();
        SequenceNumbers::read(format!(r#"{{"indices":{{{}}}}}"#, indices.join(",")).as_bytes())
    }

    const SEVEN: &str = r#"{"0":[{"seq_no":{"max_seq_no":7}},{"seq_no":{"max_seq_no":5}}],"1":[{"seq_no":{"max_seq_no":-1}}]}"#;

    #[test]
    fn what_has_changed() {
        let before =
            read(&[("a", index("x", SEVEN)), ("b", index("y", SEVEN)), ("c", index("z", SEVEN))]).unwrap();
        assert_eq!(before.changed(&before).count(), 0);
        // A copy has caught up, which is no change; another index was made anew; one is gone, and one is new.
        let after = read(&[
            ("a", index("x", &SEVEN.replace('5', "7"))),
            ("b", index("new", SEVEN)),
            ("d", index("z", SEVEN)),
        ])
        .unwrap();
        let mut changed: Vec<_> = after.changed(&before).collect();
        changed.sort_unstable();
        assert_eq!(changed, ["b", "c", "d"]);
        let after = read(&[("a", index("x", &SEVEN.replace("-1", "0")))]).unwrap();
        assert!(after.changed(&before).any(|name| name == "a"));
    }

    #[test]
    fn what_says_none() {
        for answer in [
            "",
            "[]",
            "7",
            r#"{"error":"x"}"#,
            r#"{"indices":[]}"#,
            r#"{"indices":{"a":{}}}"#,
            r#"{"indices":{"a":{"shards":{"0":[{}]}}}}"#,
        ] {
            assert_eq!(SequenceNumbers::read(answer.as_bytes()), None, "{answer}");
        }
        assert_eq!(read(&[("a", index("x", &SEVEN.replace('7', "x")))]), None);
        for none in ["{}", r#"{"indices":{}}"#] {
            assert_eq!(SequenceNumbers::read(none.as_bytes()), Some(SequenceNumbers::default()));
        }
    }
}
