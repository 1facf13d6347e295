//! What a request is about, and the generations that follow from it: those a stored answer depends on, and those a write bumps.
//!
//! A name in a path may be an index, an alias or a data stream, and nothing in it says which. So by default an answer depends on
//! each name and on the *wildcard*, a generation that every write bumps. [`Names`] is what makes it better.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::aliases::AliasMap;

/// The longest name that is kept, in bytes: the engines' own limit for an index.
pub const MAX_NAME: usize = 255;
/// The most names that are kept. More are treated as everything.
pub const MAX_NAMES: usize = 64;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    names: BTreeSet<String>,
    /// Something besides `names` that a name alone does not say: a pattern, an exclusion, `_all`, nothing, date math, another
    /// cluster, too much.
    loose: bool,
    date_math: Vec<String>,
}

impl Targets {
    /// Everything: no target, `_all`, or what cannot be known.
    pub fn everything() -> Self {
        Self { names: BTreeSet::new(), loose: true, date_math: Vec::new() }
    }

    /// Nothing so far.
    pub(crate) fn nothing() -> Self {
        Self { names: BTreeSet::new(), loose: false, date_math: Vec::new() }
    }

    /// By an expression as it stands in a path (decoded) or a body: `a`, `a,b`, `logs-*`, `-excluded`, `_all`, `<logs-{now/d}>`,
    /// `cluster:index`.
    pub fn parse(expression: &str) -> Self {
        let mut targets = Self::nothing();
        targets.add(expression);
        targets
    }

    pub(crate) fn add(&mut self, expression: &str) {
        for name in split(expression) {
            self.add_one(name);
        }
    }

    fn add_one(&mut self, name: &str) {
        if name.starts_with(['<', '-', '+']) && name.contains('<') && name.contains("now") {
            self.loose = true;
            if self.date_math.len() < MAX_NAMES {
                self.date_math.push(name.to_owned());
            } else {
                // One more that nobody can read: never rounded.
                "<{now}>".clone_into(&mut self.date_math[0]);
            }
        } else if !is_plain(name) || self.names.len() >= MAX_NAMES {
            self.loose = true;
        } else {
            self.names.insert(name.to_owned());
        }
    }

    pub(crate) fn add_everything(&mut self) {
        self.loose = true;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.names.iter().for_each(|name| self.add_one(name));
        other.date_math.iter().for_each(|name| self.add_one(name));
        self.loose |= other.loose;
    }

    /// The plain names among them, each of which may be an index, an alias or a data stream.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the plain names are all there is.
    pub fn are_names(&self) -> bool {
        !self.loose && !self.names.is_empty()
    }

    /// The names with date math in them, `<logs-{now/d}>`: which index is meant changes with time.
    pub fn date_math(&self) -> &[String] {
        &self.date_math
    }

    /// What a stored answer about these depends on.
    pub fn depends<'a>(&'a self, names: &'a Names) -> Depends<'a> {
        let mut depends = Depends { indices: BTreeSet::new(), wildcard: !self.are_names() };
        for name in &self.names {
            match names {
                Names::Unknown => {
                    depends.wildcard = true;
                    depends.indices.insert(name);
                }
                Names::NoAliases => {
                    depends.wildcard |= self.names.len() > 1;
                    depends.indices.insert(name);
                }
                Names::Map(map) => {
                    if let Some(indices) = map.indices(name) {
                        depends.indices.extend(indices);
                    } else {
                        depends.wildcard = true;
                        depends.indices.insert(name);
                    }
                }
            }
        }
        if depends.indices.len() > MAX_NAMES {
            return Depends { indices: BTreeSet::new(), wildcard: true };
        }
        depends
    }

    /// What a write to these bumps.
    pub fn bumps<'a>(&'a self, names: &'a Names) -> Bumps<'a> {
        if !self.are_names() {
            return Bumps::Everything;
        }
        let mut bumped = BTreeSet::new();
        for name in &self.names {
            match names {
                Names::Unknown | Names::NoAliases => drop(bumped.insert(name.as_str())),
                // A name that the map does not know may be an alias that is newer than the map.
                Names::Map(map) => match map.indices(name) {
                    Some(indices) => bumped.extend(indices),
                    None => return Bumps::Everything,
                },
            }
        }
        if bumped.len() > MAX_NAMES { Bumps::Everything } else { Bumps::Indices(bumped) }
    }
}

/// At commas, but for those in date math, which may have some in its format.
fn split(expression: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    expression.split(move |character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
}

/// What can be the name of one index, alias or data stream by the engines' rules, and is not too long.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(['_', '-', '+', '<'])
        && !name.chars().any(|character| {
            character.is_control()
                || matches!(character, '*' | '?' | ':' | '"' | '<' | '>' | '|' | ' ' | '/' | '\\' | ',' | '#')
        })
}

/// The generations that a stored answer depends on. They are read before the upstream is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depends<'a> {
    /// Of these names.
    pub indices: BTreeSet<&'a str>,
    /// Of the wildcard, too: every write changes the answer.
    pub wildcard: bool,
}

/// The generations that a write bumps, before it is forwarded and after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bumps<'a> {
    /// All there are, of whatever name.
    Everything,
    /// Of these names, and always the wildcard as well.
    Indices(BTreeSet<&'a str>),
}

/// What is known of names. All proxies that share a store must know it in the same way: one that takes a name for an index while
/// another writes through an alias of it would not see the write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Names {
    /// Nothing: each may be an alias. Every answer depends on every write. The default.
    #[default]
    Unknown,
    /// The operator says that there are neither aliases nor data streams: a name is an index.
    NoAliases,
    /// What the engine says of its aliases and data streams.
    Map(AliasMap),
}
