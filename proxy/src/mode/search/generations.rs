//! Generations: what an answer depends on and what a write ends, as tags of the cache.
//!
//! There is one for each name, one that every write ends (the wildcard), and one that only writes to everything end. An answer that
//! depends on the wildcard needs no other, since whatever ends a name's ends the wildcard's as well. One more is for what names stand
//! for: a map of them depends on it, and what was answered by that map.

use std::collections::BTreeSet;

use larder_http::search::{Bumps, Names, Targets};

/// Ended by writes to everything; every answer depends on it.
pub(super) const EVERYTHING: &str = "*";
/// Ended by every write.
pub(super) const WILDCARD: &str = "w";
/// Ended by what changes the meaning of names.
pub(super) const NAMES: &str = "n";

/// Some generations, by their tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Generations(BTreeSet<String>);

impl Generations {
    /// What an answer about these depends on.
    pub(super) fn of_read(targets: &Targets, names: &Names) -> Self {
        let depends = targets.depends(names);
        let mut tags = BTreeSet::from([EVERYTHING.to_owned()]);
        // A name more than an entry may have tags is never reached: there are fewer names.
        if depends.wildcard || depends.indices.len() > 60 {
            tags.insert(WILDCARD.to_owned());
        } else {
            tags.extend(depends.indices.iter().filter_map(|name| tag(name)));
            if matches!(names, Names::Map(_)) {
                tags.insert(NAMES.to_owned());
            }
        }
        Self(tags)
    }

    /// What was written to the index itself that has this name, whoever has done it.
    pub(super) fn of_index(name: &str) -> Self {
        Self([WILDCARD.to_owned()].into_iter().chain(tag(name)).collect())
    }

    /// What a write to these ends.
    pub(super) fn of_write(targets: &Targets, names: &Names) -> Self {
        let mut tags = BTreeSet::new();
        match targets.bumps(names) {
            Bumps::Everything => drop(tags.insert(EVERYTHING.to_owned())),
            Bumps::Indices(indices) => {
                tags.insert(WILDCARD.to_owned());
                tags.extend(indices.iter().filter_map(|name| tag(name)));
            }
        }
        Self(tags)
    }

    /// What a write to everything ends.
    pub(super) fn everything() -> Self {
        Self(BTreeSet::from([EVERYTHING.to_owned()]))
    }

    /// The same, and what names stand for.
    pub(super) fn everything_and_names() -> Self {
        Self([EVERYTHING, NAMES].map(str::to_owned).into())
    }

    /// What a change of the meaning of names ends, and nothing else.
    pub(super) fn names() -> Self {
        Self(BTreeSet::from([NAMES.to_owned()]))
    }

    /// Whether an answer that depends on these depends on each write, whatever names stand for.
    pub(super) fn are_of_any(&self) -> bool {
        self.0.contains(WILDCARD)
    }

    /// Whether these are ended by a write to everything.
    pub(super) fn are_everything(&self) -> bool {
        self.0.contains(EVERYTHING)
    }

    /// These as well.
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Without those.
    pub(super) fn subtract(&mut self, those: &Self) {
        self.0.retain(|tag| !those.0.contains(tag));
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl From<Vec<String>> for Generations {
    fn from(tags: Vec<String>) -> Self {
        Self(tags.into_iter().collect())
    }
}

/// A tag has up to 255 bytes, and a name as many: a name that does not fit shares its tag with those that begin with the same.
fn tag(name: &str) -> Option<String> {
    let end = (0..=name.len().min(250)).rev().find(|&end| name.is_char_boundary(end))?;
    name.get(..end).map(|name| format!("i:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(read: &str, write: &str, names: &Names) -> bool {
        let read = Generations::of_read(&Targets::parse(read), names);
        let write = Generations::of_write(&Targets::parse(write), names);
        read.tags().any(|tag| write.tags().any(|other| other == tag))
    }

    #[test]
    fn a_write_reaches_what_may_depend_on_it() {
        let long = "x".repeat(255);
        for (read, write, unknown, no_aliases) in [
            ("a", "a", true, true),
            ("a", "b", true, false),
            ("a,b", "b", true, true),
            ("a*", "b", true, true),
            ("_all", "b", true, true),
            ("a", "b*", true, true),
            ("a", "_all", true, true),
            ("<a-{now/d}>", "b", true, true),
            (&long, &long, true, true),
        ] {
            assert_eq!(meet(read, write, &Names::Unknown), unknown, "{read} {write}");
            assert_eq!(meet(read, write, &Names::NoAliases), no_aliases, "{read} {write}");
        }
        let everything = Generations::of_write(&Targets::everything(), &Names::NoAliases);
        assert_eq!(everything.tags().collect::<Vec<_>>(), [EVERYTHING]);
    }
}
