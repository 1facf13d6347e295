//! Every value that holds, and where it came from: for the person who asks why a cache behaves as it does.

use std::fmt;

use figment::value::{Dict, Value};

use super::{
    advice::Advice,
    origin::Origin,
    path::KeyPath,
    reference,
    secrecy::{HIDDEN, quoted_path},
    show::show,
    tree::{Dropped, Tree},
};

/// One value that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The path of the key: `caches.search.ttl`.
    pub key: String,
    /// The value, or `***` where it must not be shown.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// Whether a cache inherited it from `[defaults]`.
    pub inherited: bool,
}

/// Every value that holds, as [`Larder::explain`](crate::Larder::explain) gives it. `Display` has a line for
/// each, with its layer and its file, variable or line of code.
#[derive(Debug, Clone)]
pub struct Explanation {
    settings: Vec<Setting>,
    dropped: Vec<Dropped>,
    advice: Vec<Advice>,
    profile: Option<(String, Origin)>,
}

impl Explanation {
    pub(crate) fn new(tree: &Tree) -> Self {
        Self {
            settings: Vec::new(),
            dropped: tree.dropped.clone(),
            advice: Vec::new(),
            profile: tree.profile.clone(),
        }
    }

    /// Adds what is worth a look.
    pub(crate) fn advise(&mut self, advice: Vec<Advice>) {
        self.advice = advice;
    }

    /// Adds every value of a table that holds no secrets. Those whose keys are not in `own` are inherited from the
    /// section at `above`.
    pub(crate) fn add(&mut self, tree: &Tree, path: &KeyPath, dict: &Dict, own: &Dict, above: &KeyPath) {
        for (key, value) in dict {
            let inherited = !own.contains_key(key);
            let stands = if inherited { above.key(key) } else { path.key(key) };
            self.push(tree, &path.key(key), &show(value), tree.origin(value.tag(), &stands), inherited);
        }
    }

    /// Adds the settings of a backend or codec. `settings` is what became of what was `given`, as it shows
    /// itself: complete, with its own defaults, and with its secrets hidden.
    pub(crate) fn add_settings(&mut self, tree: &Tree, path: &KeyPath, given: &Dict, settings: &Dict) {
        for (key, value) in settings {
            self.add_setting(tree, &path.key(key), given.get(key), None, value);
        }
        // It may keep something to itself, or nothing may have become of it.
        for (key, value) in given.iter().filter(|(key, _)| !settings.contains_key(*key)) {
            let path = path.key(key);
            self.push(tree, &path, HIDDEN, tree.origin(value.tag(), &path), false);
        }
    }

    fn add_setting(
        &mut self,
        tree: &Tree,
        path: &KeyPath,
        given: Option<&Value>,
        above: Option<&Origin>,
        value: &Value,
    ) {
        let origin = given.map(|given| tree.origin(given.tag(), path)).or_else(|| above.cloned());
        let table = given.and_then(Value::as_dict);
        if let Some(reference) = table.filter(|table| reference::is_one(table)) {
            let shown = reference::show(reference);
            return self.push(tree, path, &shown, origin.unwrap_or(Origin::BUILT_IN), false);
        }
        match value {
            Value::Dict(_, dict) => {
                // Where the settings look another way than what was given, all of them come from all of it.
                let above = origin.filter(|_| table.is_none());
                for (key, value) in dict {
                    let given = table.and_then(|table| table.get(key));
                    self.add_setting(tree, &path.key(key), given, above.as_ref(), value);
                }
            }
            Value::Empty(..) if origin.is_none() => {}
            _ => {
                let shown = match value.as_str() {
                    _ if path.is_telling() => HIDDEN.to_owned(),
                    Some(file) if file != HIDDEN && path.names_a_file() => quoted_path(file),
                    _ => show(value),
                };
                self.push(tree, path, &shown, origin.unwrap_or(Origin::BUILT_IN), false);
            }
        }
    }

    fn push(&mut self, tree: &Tree, path: &KeyPath, value: &str, origin: Origin, inherited: bool) {
        // What is secret in one place is shown in no other.
        let (key, value) = (path.to_string(), tree.secrets().hide(value).into_owned());
        self.settings.push(Setting { key, value, origin, inherited });
    }

    /// The values that hold, section by section.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The value of this key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((profile, origin)) = &self.profile {
            writeln!(f, "# profile {profile:?}, chosen by {origin}")?;
        }
        for Setting { key, value, origin, inherited } in &self.settings {
            let from = if *inherited { "[defaults], " } else { "" };
            writeln!(f, "{key} = {value}  # {from}{origin}")?;
        }
        for advice in &self.advice {
            writeln!(f, "# advice: {advice}")?;
        }
        for Dropped { key, origin, because } in &self.dropped {
            writeln!(f, "# dropped: {key} of {origin}, since {because} chose another backend")?;
        }
        Ok(())
    }
}
