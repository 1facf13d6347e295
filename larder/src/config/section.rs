//! A section of a configuration (`[stores.main]`), and how it is read into a settings type.

use std::cell::RefCell;

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::{
    de::{DeError, Reading, ValueReader, What, without},
    error::{Mistake, Mistakes},
    hints,
    origin::Origin,
    path::{KeyPath, Segment},
    secrecy, show, text,
    tree::Tree,
};

/// How many mistakes of one section are reported.
const MOST: usize = 20;

/// A table of settings, and where it stands.
#[derive(Clone)]
pub(crate) struct Section<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) path: KeyPath,
    pub(crate) dict: Dict,
    pub(crate) origin: Origin,
    /// Keys that may stand in the section beside those of the type that is read.
    pub(crate) also: &'static [&'static str],
}

impl<'t> Section<'t> {
    /// The section at this key of a table; empty if there is none, and a mistake if it is no table.
    pub(crate) fn of(
        tree: &'t Tree,
        parent: &KeyPath,
        table: &Dict,
        key: &str,
        mistakes: &mut Mistakes,
    ) -> Self {
        let path = parent.key(key);
        let mut section =
            Self { tree, path: path.clone(), dict: Dict::new(), origin: Origin::BUILT_IN, also: &[] };
        match table.get(key) {
            None => {}
            Some(Value::Dict(tag, dict)) => {
                section.origin = tree.origin(*tag, &path);
                section.dict.clone_from(dict);
            }
            Some(other) => {
                section.origin = tree.origin(other.tag(), &path);
                let like = match (parent.segments().last().and_then(Segment::as_key), other) {
                    (_, Value::Array(..)) => {
                        " of settings; in TOML, [[…]] begins a list, […] a table".to_owned()
                    }
                    (Some(parent), _) => format!(" of settings: [{parent}.NAME]"),
                    (None, _) => " of settings".to_owned(),
                };
                mistakes.add(
                    section.mistake("", format!("found {}, expected a table{like}", show::found(other))),
                );
            }
        }
        section
    }

    /// The sections at all keys of a table. What is no section is a mistake.
    pub(crate) fn all(
        tree: &'t Tree,
        parent: &KeyPath,
        table: &Dict,
        mistakes: &mut Mistakes,
    ) -> Vec<(String, Self)> {
        let mut sections = Vec::new();
        for (key, value) in table {
            let section = Self::of(tree, parent, table, key, mistakes);
            if value.as_dict().is_some() {
                sections.push((key.clone(), section));
            }
        }
        sections
    }

    /// The same section with only these keys, or with all but these.
    pub(crate) fn split(&self, keys: &'static [&'static str]) -> (Self, Self) {
        let (mut chosen, mut rest) = (self.clone(), self.clone());
        chosen.dict.retain(|key, _| keys.contains(&key.as_str()));
        rest.dict.retain(|key, _| !keys.contains(&key.as_str()));
        rest.also = keys;
        (chosen, rest)
    }

    /// A mistake about one of its keys, or about the section if the key is empty.
    pub(crate) fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        if key.is_empty() {
            return Mistake::new(&self.path, Some(self.origin.clone()), message);
        }
        Mistake::new(&self.path.key(key), Some(self.origin_of(key)), message)
    }

    /// Where one of its keys comes from; the section, if it does not have it.
    pub(crate) fn origin_of(&self, key: &str) -> Origin {
        let value = self.dict.get(key);
        value.map_or_else(|| self.origin.clone(), |value| self.tree.origin(value.tag(), &self.path.key(key)))
    }

    /// The mistake that a constructor found. Its message begins with the key that it is about (`` `url`: … ``, `level is
    /// 12`), among those that were given or are `known`, or it is about the section as a whole.
    pub(crate) fn refused(&self, known: &Dict, why: &str) -> Mistake {
        let (named, rest) = match why.strip_prefix('`').and_then(|why| why.split_once('`')) {
            Some((named, rest)) => (named, rest.strip_prefix(": ").unwrap_or(why)),
            None => (why.split([' ', ':', '=', ';', ',']).next().unwrap_or_default(), why),
        };
        let (key, index) = named.split_once('[').unwrap_or((named, ""));
        let is_named = why.starts_with('`') && !key.is_empty();
        if !is_named && !self.dict.contains_key(key) && !known.contains_key(key) {
            return self.mistake("", why);
        }
        let mut path = self.path.key(key);
        if let Some(index) = index.strip_suffix(']').and_then(|index| index.parse().ok()) {
            path.push(Segment::Index(index));
        }
        let origin = self.dict.get(key).map(|value| self.tree.origin(value.tag(), &path));
        Mistake::new(&path, Some(origin.unwrap_or_else(|| self.origin.clone())), rest)
    }

    /// Reads it into a settings type. Everything that is wrong with it is reported; then there is no value.
    pub(crate) fn read<T: DeserializeOwned>(&self, mistakes: &mut Mistakes) -> Option<T> {
        let mut dict = self.dict.clone();
        let mut wrong: Vec<KeyPath> = Vec::new();
        for (path, value) in self.empty_secrets() {
            let message =
                "is empty; leave the key out if there is none, or check what should have filled it in";
            mistakes.add(Mistake::new(&path, Some(self.tree.origin(value.tag(), &path)), message));
            wrong.push(path);
        }
        loop {
            let reading = Reading { tree: self.tree, path: RefCell::new(self.path.clone()) };
            let value = Value::from(dict.clone());
            let result = T::deserialize(ValueReader::new(&value, &reading));
            let error = match result {
                Ok(settings) => return wrong.is_empty().then_some(settings),
                Err(error) => error,
            };
            let mut path = error.place.as_ref().map_or_else(|| self.path.clone(), |place| place.path.clone());
            // serde stops at the first mistake. Without the value that it stopped at, it finds the next one.
            let rest = without(&dict, &path.keys_below(&self.path));
            if let What::Missing(key) | What::Twice(key) = &error.what {
                path = path.key(key);
                // It is missing because it was wrong and has been left out.
                if wrong.iter().any(|wrong| wrong.segments().starts_with(path.segments())) {
                    return None;
                }
            }
            // What a profile that was not chosen leaves out, its own deployment may say.
            let may_be_elsewhere = matches!(error.what, What::Missing(_) | What::Reference(_));
            if !(self.tree.is_partial && may_be_elsewhere) {
                mistakes.add(self.describe(error, &path));
            }
            wrong.push(path);
            match rest {
                Some(rest) if wrong.len() < MOST => dict = rest,
                _ => return None,
            }
        }
    }

    /// Settings that are called like secrets and are empty: a password that was to be filled in by something that failed.
    fn empty_secrets(&self) -> Vec<(KeyPath, &Value)> {
        let mut found = Vec::new();
        let mut open: Vec<(KeyPath, &Value)> =
            self.dict.iter().map(|(key, value)| (self.path.key(key), value)).collect();
        while let Some((path, value)) = open.pop() {
            match value {
                Value::Dict(_, dict) => open.extend(dict.iter().map(|(key, value)| (path.key(key), value))),
                Value::String(_, text) if text.is_empty() && path.is_telling() => found.push((path, value)),
                _ => {}
            }
        }
        found
    }

    fn describe(&self, error: DeError, path: &KeyPath) -> Mistake {
        let DeError { what, place } = error;
        let origin =
            place.as_ref().map_or_else(|| self.origin.clone(), |place| self.tree.origin(place.tag, path));
        let value = place.as_ref().and_then(|place| place.text.clone());
        let value = value.as_deref();
        let (found, kind, is_hidden) =
            place.map_or_else(Default::default, |place| (place.found, place.kind, place.is_hidden));
        let message = match what {
            // What stands in the place of text may be a secret: one that is a number, say.
            What::Expected(expected) if expected == "a string" => {
                let or =
                    if kind == "a table" { ", { file = \"PATH\" } or { env = \"VARIABLE\" }" } else { "" };
                let found = if kind == "a boolean" && !is_hidden { &found } else { kind };
                format!("found {found}, expected a string{or}")
            }
            What::Expected(_) | What::OneOf(_) | What::Message(_) if is_hidden => {
                "the value is not accepted; it is a secret and not shown".to_owned()
            }
            What::Expected(expected) => {
                let hint = hints::duration(value.unwrap_or_default(), &expected);
                let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
                format!("found {found}, expected {}{hint}", in_words(&expected))
            }
            What::OneOf(names) => {
                let hint = text::did_you_mean(found.trim_matches('"'), names.iter().copied());
                format!("found {found}{hint} Accepted: {}", text::list(names.iter().copied()))
            }
            What::UnknownKey(keys) => {
                let is_direct = path.segments().len() == self.path.segments().len() + 1;
                let own = if is_direct { self.also } else { &[] };
                let keys = own.iter().chain(keys).copied();
                let key = path.segments().last().and_then(Segment::as_key).unwrap_or_default();
                let section = path.segments().first().and_then(Segment::as_key).unwrap_or_default();
                let hint = match hints::elsewhere(section, key).filter(|_| is_direct) {
                    Some(elsewhere) => format!("; {elsewhere}."),
                    None => did_you_mean(key, keys.clone()),
                };
                format!("unknown key{hint} Accepted: {}", text::list(keys))
            }
            What::Missing(_) => "is missing and has no default".to_owned(),
            What::Twice(_) => "is given twice, under two names; keep one of them".to_owned(),
            What::Reference(why) => why,
            // A type may repeat what it did not accept, credentials included.
            What::Message(why) => secrecy::without_credentials(&why),
        };
        Mistake::new(path, Some(origin), message)
    }
}

/// The end of a sentence about a key that nobody knows: what another library calls so, or the nearest.
pub(crate) fn did_you_mean<'n>(key: &str, keys: impl Iterator<Item = &'n str> + Clone) -> String {
    match hints::synonym(key, keys.clone()) {
        Some(ours) => format!(", did you mean {ours:?}?"),
        None => text::did_you_mean(key, keys),
    }
}

/// What a type says that it expects, for people who do not know its name in Rust.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "a string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ if expected.starts_with("struct ") => "a table",
        _ if expected.starts_with("a nonzero u") => "a whole number from 1 on",
        _ => expected,
    };
    words.to_owned()
}
