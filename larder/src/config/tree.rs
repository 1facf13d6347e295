//! Every value that holds, and where it came from.

use std::{
    cell::{Ref, RefCell},
    collections::BTreeSet,
};

use figment::{
    Figment,
    value::{Dict, Tag, Value},
};

use super::{
    environment::Environment,
    origin::Origin,
    path::{KeyPath, Segment},
    places::Places,
    provided::{Numbered, Provided},
    secrecy::Secrets,
};

/// A setting that a later layer made meaningless by choosing another backend for its store.
#[derive(Debug, Clone)]
pub(crate) struct Dropped {
    pub(super) key: KeyPath,
    pub(super) origin: Origin,
    /// What chose the other backend.
    pub(super) because: Origin,
}

/// Every value that holds, and where it came from.
pub(crate) struct Tree {
    pub(crate) root: Dict,
    pub(super) environment: Environment,
    pub(super) dropped: Vec<Dropped>,
    pub(super) profile: Option<(String, Origin)>,
    /// The names of the caches that somebody declared; a variable alone declares none.
    pub(crate) declared_caches: BTreeSet<String>,
    /// Whether this is what a profile would say that was not chosen: its variables and secrets are on another machine.
    pub(crate) is_partial: bool,
    figment: Figment,
    layers: Vec<(Origin, Places)>,
    secrets: RefCell<Secrets>,
}

impl Tree {
    /// Merges the layers, later ones over earlier ones.
    pub(super) fn merge(layers: Vec<Provided>, environment: Environment) -> Self {
        let (figment, root) = merge(&layers);
        let mut secrets = Secrets::default();
        // Of every layer: what another one has replaced is in the file all the same.
        for layer in &layers {
            collect_table(&mut KeyPath::default(), &layer.dict, &mut secrets);
        }
        Self {
            root,
            environment,
            dropped: Vec::new(),
            profile: None,
            declared_caches: BTreeSet::new(),
            is_partial: false,
            figment,
            layers: layers.into_iter().map(|layer| (layer.origin, layer.places)).collect(),
            secrets: RefCell::new(secrets),
        }
    }

    /// Where the value at a path came from.
    pub(crate) fn origin(&self, tag: Tag, path: &KeyPath) -> Origin {
        let number = self.figment.get_metadata(tag).and_then(Numbered::number);
        let Some((origin, places)) = number.and_then(|number| self.layers.get(number)) else {
            return Origin::BUILT_IN;
        };
        origin.at(places.find(path.segments()))
    }

    /// What must not be shown, wherever it stands.
    pub(crate) fn secrets(&self) -> Ref<'_, Secrets> {
        self.secrets.borrow()
    }

    /// Remembers a text that was kept elsewhere, and so must not be shown.
    pub(super) fn keep_secret(&self, text: &str) {
        self.secrets.borrow_mut().add(text);
    }
}

/// What the layers come to.
pub(super) fn merge(layers: &[Provided]) -> (Figment, Dict) {
    let figment = layers.iter().enumerate().fold(Figment::new(), |figment, (number, layer)| {
        // It merges by value, and wants one it can keep.
        figment.merge(layer.numbered(number))
    });
    // The empty path is the whole; figment fails when a provider does, and these do not.
    let root = figment.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
    (figment, root)
}

fn collect_table(path: &mut KeyPath, dict: &Dict, secrets: &mut Secrets) {
    for (key, value) in dict {
        secrets.add_from(key);
        path.push(Segment::Key(key.clone()));
        collect(path, value, secrets);
        path.pop();
    }
}

fn collect(path: &mut KeyPath, value: &Value, secrets: &mut Secrets) {
    match value {
        Value::Dict(_, dict) => collect_table(path, dict, secrets),
        Value::Array(_, values) => values.iter().for_each(|value| collect(path, value, secrets)),
        Value::String(_, text) if path.is_telling() && !path.names_a_file() && !is_reference(path) => {
            secrets.add(text);
        }
        Value::String(_, text) => secrets.add_from(text),
        _ => {}
    }
}

/// Where a text is kept is no secret: `password.env`.
fn is_reference(path: &KeyPath) -> bool {
    matches!(path.segments().last().and_then(Segment::as_key), Some("env" | "file"))
}
