//! A section of a configuration (`[stores.main]`), and how it is read into a settings type.

use std::cell::RefCell;

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::{
    de::{DeError, Reading, ValueReader, What, without},
    error::{Mistake, Mistakes},
    layers::Tree,
    origin::Origin,
    path::{KeyPath, Segment},
    secrecy, text,
};

/// How many mistakes of one section are reported.
const MOST: usize = 20;

/// A table of settings, and where it stands.
#[derive(Clone)]
pub(crate) struct Section<'t> {
    pub(super) tree: &'t Tree,
    pub(super) path: KeyPath,
    pub(super) dict: Dict,
    pub(super) origin: Origin,
    /// Keys that may stand in the section beside those of the type that is read.
    pub(super) also: &'static [&'static str],
}

impl<'t> Section<'t> {
    /// The section at this key of a table; empty if there is none, and a mistake if it is no table.
    pub(super) fn of(
        tree: &'t Tree,
        parent: &KeyPath,
        table: &Dict,
        key: &str,
        mistakes: &mut Mistakes,
    ) -> Self {
        let path = parent.key(key);
        let mut section = Self { tree, path, dict: Dict::new(), origin: Origin::BUILT_IN, also: &[] };
        match table.get(key) {
            None => {}
            Some(Value::Dict(tag, dict)) => {
                section.origin = tree.origin(*tag);
                section.dict.clone_from(dict);
            }
            Some(other) => {
                section.origin = tree.origin(other.tag());
                let message = format!("found {}, expected a table", secrecy::found(other));
                mistakes.add(section.mistake("", message));
            }
        }
        section
    }

    /// The sections at all keys of a table. What is no section is a mistake.
    pub(super) fn all(
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
    pub(super) fn split(&self, keys: &'static [&'static str]) -> (Self, Self) {
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
        let origin =
            self.dict.get(key).map_or_else(|| self.origin.clone(), |value| self.tree.origin(value.tag()));
        Mistake::new(&self.path.key(key), Some(origin), message)
    }

    /// Reads it into a settings type. Everything that is wrong with it is reported; then there is no value.
    pub(crate) fn read<T: DeserializeOwned>(&self, mistakes: &mut Mistakes) -> Option<T> {
        let mut dict = self.dict.clone();
        let mut wrong: Vec<KeyPath> = Vec::new();
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
            if let What::Missing(key) = &error.what {
                path = path.key(key);
                if wrong.contains(&path) {
                    return None;
                }
            }
            mistakes.add(self.describe(error, &path));
            wrong.push(path);
            match rest {
                Some(rest) if wrong.len() < MOST => dict = rest,
                _ => return None,
            }
        }
    }

    fn describe(&self, error: DeError, path: &KeyPath) -> Mistake {
        let DeError { what, place } = error;
        let origin = place.as_ref().map_or_else(|| self.origin.clone(), |place| self.tree.origin(place.tag));
        let (found, kind, is_hidden) =
            place.map_or_else(Default::default, |place| (place.found, place.kind, place.is_hidden));
        let message = match what {
            // What stands in the place of text may be a secret: one that is a number, say.
            What::Expected(expected) if expected == "a string" => {
                let or =
                    if kind == "a table" { ", { file = \"PATH\" } or { env = \"VARIABLE\" }" } else { "" };
                format!("found {kind}, expected a string{or}")
            }
            What::Expected(_) | What::OneOf(_) | What::Message(_) if is_hidden => {
                "the value is not accepted; it is a secret and not shown".to_owned()
            }
            What::Expected(expected) => format!("found {found}, expected {}", in_words(&expected)),
            What::OneOf(names) => {
                let hint = text::did_you_mean(found.trim_matches('"'), names.iter().copied());
                format!("found {found}{hint} Accepted: {}", text::list(names.iter().copied()))
            }
            What::UnknownKey(keys) => {
                let own =
                    if path.segments().len() == self.path.segments().len() + 1 { self.also } else { &[] };
                let keys = own.iter().chain(keys).copied();
                let key = path.segments().last().and_then(Segment::as_key).unwrap_or_default();
                let hint = text::did_you_mean(key, keys.clone());
                format!("unknown key{hint} Accepted: {}", text::list(keys))
            }
            What::Missing(_) => "is missing".to_owned(),
            What::Reference(why) => why,
            // A type may repeat what it did not accept, credentials included.
            What::Message(why) => secrecy::without_credentials(&why),
        };
        Mistake::new(path, Some(origin), message)
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
