//! Variables of the environment: `LARDER_STORES__MAIN__URL` is `stores.main.url`. A variable's value is text and
//! stays text until the setting it is for says what it wants, so that the password `007` keeps its zeros.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use figment::value::{Dict, Value};

use super::{
    error::{Mistake, Mistakes},
    origin::{Layer, Origin},
    path::KeyPath,
    provided::{Provided, nest},
    secrecy, text,
    variable_names::{PREFIX, SEPARATOR, near_miss},
};

pub(super) use super::variable_names::{FILE, PROFILE};

/// How deep a variable can reach.
const MAX_DEPTH: usize = 16;

/// The variables of a process, or of a test.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub(crate) fn of_the_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable that is there and not empty, as text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Mistake> {
        self.get(name).map(|value| as_text(name, value)).transpose()
    }

    /// What the variables set in these sections.
    pub(super) fn settings(&self, sections: &[&str], mistakes: &mut Mistakes) -> Vec<Variable> {
        let mut settings = Vec::new();
        for (name, value) in &self.0 {
            let Some(name) = name.to_str() else { continue };
            if [FILE, PROFILE].contains(&name) {
                continue;
            }
            match setting(name, value, sections) {
                Ok(Some(setting)) => settings.push(setting),
                Ok(None) => {}
                Err(mistake) => mistakes.add(mistake),
            }
        }
        settings
    }
}

/// A variable that sets something.
#[derive(Debug)]
pub(super) struct Variable {
    name: String,
    pub(super) keys: Vec<String>,
    value: String,
}

/// Makes each variable a source of its own, so that each value knows its variable. `below` is what the layers
/// below have made: its names are what the variables' names are matched with.
pub(super) fn layer(
    variables: Vec<Variable>,
    below: &Value,
    codecs: &[&str],
    mistakes: &mut Mistakes,
) -> Vec<Provided> {
    let mut layer = Vec::new();
    let mut seen: Vec<(Vec<String>, String)> = Vec::new();
    for Variable { name, keys, value } in variables {
        let keys = match spell(keys, below, codecs) {
            Ok(keys) => keys,
            Err(why) => {
                mistakes.add(Mistake::in_place(origin(&name), why));
                continue;
            }
        };
        let overlaps = |(set, _): &&(Vec<String>, String)| keys.starts_with(set) || set.starts_with(&keys);
        if let Some((_, other)) = seen.iter().find(overlaps) {
            let message = format!("the variable {other} sets the same; keep one of them");
            mistakes.add(Mistake::new(&KeyPath::new(keys), Some(origin(&name)), message));
            continue;
        }
        layer.push(Provided::new(origin(&name), nest(&keys, value)));
        seen.push((keys, name));
    }
    layer
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

pub(super) fn origin(variable: &str) -> Origin {
    Origin::new(Layer::Environment, variable)
}

/// What a variable sets; `None` if it is not one of ours.
fn setting(name: &str, value: &OsStr, sections: &[&str]) -> Result<Option<Variable>, Mistake> {
    let refuse = |why: String| Err(Mistake::in_place(origin(name), why));
    if let Some(meant) = near_miss(name, sections) {
        return refuse(meant);
    }
    let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SEPARATOR)) else {
        return Ok(None);
    };
    let keys: Vec<String> = rest.split(SEPARATOR).map(str::to_lowercase).collect();
    if keys.iter().any(String::is_empty) {
        return refuse("a part of the name is empty".to_owned());
    }
    if keys.len() > MAX_DEPTH {
        return refuse(format!("the name has more than {MAX_DEPTH} parts"));
    }
    if !sections.contains(&&*keys[0]) {
        let hint = text::did_you_mean(&keys[0], sections.iter().copied());
        return refuse(format!(
            "unknown section {}{hint} Accepted: {}",
            secrecy::quoted(&keys[0]),
            text::list(sections.iter().copied())
        ));
    }
    Ok(Some(Variable { name: name.to_owned(), keys, value: as_text(name, value)? }))
}

fn as_text(name: &str, value: &OsStr) -> Result<String, Mistake> {
    let refuse = || Mistake::in_place(origin(name), "the value is not UTF-8");
    value.to_str().map(str::to_owned).ok_or_else(refuse)
}

/// Spells the keys as the layers below do: `search_results` is `search-results` if there is one of this name.
fn spell(keys: Vec<String>, below: &Value, codecs: &[&str]) -> Result<Vec<String>, String> {
    let mut here = Some(below);
    let mut spelled: Vec<String> = Vec::with_capacity(keys.len());
    for key in keys {
        let known = here.and_then(Value::as_dict).into_iter().flat_map(Dict::keys).map(String::as_str);
        let is_codec = spelled.len() == 1 && spelled[0] == "codecs";
        let known = known.chain(codecs.iter().copied().filter(|_| is_codec));
        let mut alike: Vec<&str> = known.filter(|known| text::fold(known) == key).collect();
        alike.sort_unstable();
        alike.dedup();
        let spelling = match alike[..] {
            [] => key,
            [one] => one.to_owned(),
            _ if alike.contains(&&*key) => key,
            _ => return Err(format!("the name matches several keys: {}", text::list(alike))),
        };
        here = here.and_then(Value::as_dict).and_then(|dict| dict.get(&spelling));
        spelled.push(spelling);
    }
    Ok(spelled)
}
