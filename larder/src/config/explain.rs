//! Every value that holds, and where it came from: for the person who asks why a cache behaves as it does.

use std::fmt;

use figment::value::{Dict, Value};

use super::{
    layers::{Dropped, Tree},
    origin::Origin,
    path::KeyPath,
    reference, secrecy,
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
    profile: Option<(String, Origin)>,
}

impl Explanation {
    pub(super) fn new(tree: &Tree) -> Self {
        Self { settings: Vec::new(), dropped: tree.dropped.clone(), profile: tree.profile.clone() }
    }

    /// Adds every value of a table that holds no secrets. Those whose keys are not in `own` are inherited.
    pub(super) fn add(&mut self, tree: &Tree, path: &KeyPath, dict: &Dict, own: &Dict) {
        for (key, value) in dict {
            let inherited = !own.contains_key(key);
            self.push(&path.key(key), secrecy::show(value), tree.origin(value.tag()), inherited);
        }
    }

    /// Adds the settings of a backend or codec. `settings` is what became of what was `given`, as it shows
    /// itself: complete, with its own defaults, and with its secrets hidden.
    pub(super) fn add_settings(&mut self, tree: &Tree, path: &KeyPath, given: &Dict, settings: &Dict) {
        for (key, value) in settings {
            self.add_setting(tree, &path.key(key), given.get(key), None, value);
        }
        // It may keep something to itself, or nothing may have become of it.
        for (key, value) in given.iter().filter(|(key, _)| !settings.contains_key(*key)) {
            self.push(&path.key(key), secrecy::HIDDEN.to_owned(), tree.origin(value.tag()), false);
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
        let origin = given.map(|given| tree.origin(given.tag())).or_else(|| above.cloned());
        let table = given.and_then(Value::as_dict);
        if let Some(reference) = table.filter(|table| reference::is_one(table)) {
            let shown = secrecy::show(&Value::from(reference.clone()));
            return self.push(path, shown, origin.unwrap_or(Origin::BUILT_IN), false);
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
                let is_hidden = secrecy::is_telling(path);
                let shown = if is_hidden { secrecy::HIDDEN.to_owned() } else { secrecy::show(value) };
                self.push(path, shown, origin.unwrap_or(Origin::BUILT_IN), false);
            }
        }
    }

    fn push(&mut self, path: &KeyPath, value: String, origin: Origin, inherited: bool) {
        self.settings.push(Setting { key: path.to_string(), value, origin, inherited });
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
        for Dropped { key, origin, because } in &self.dropped {
            writeln!(f, "# dropped: {key} of {origin}, since {because} chose another backend")?;
        }
        Ok(())
    }
}
