//! The layers, put together. figment merges them and remembers beside every value which one it came from; what
//! it does not know is that a store whose backend was changed must not keep the settings of the old one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Tag, Value},
};

use super::{
    Sources,
    environment::{self, Environment, Variable, nest},
    error::{Mistake, Mistakes},
    file,
    origin::{Layer, Origin},
    path::KeyPath,
    text,
};
use crate::registry::Registry;

const BACKEND: &str = "backend";

/// What one source says: a file, a variable, a line of code.
#[derive(Debug)]
pub(super) struct Provided {
    origin: Origin,
    dict: Dict,
}

impl Provided {
    pub(super) fn new(origin: Origin, dict: Dict) -> Self {
        Self { origin, dict }
    }

    fn stores(&self) -> Option<&Dict> {
        self.dict.get("stores").and_then(Value::as_dict)
    }

    fn stores_mut(&mut self) -> Option<&mut Dict> {
        match self.dict.get_mut("stores") {
            Some(Value::Dict(_, stores)) => Some(stores),
            _ => None,
        }
    }
}

impl Provider for Provided {
    fn metadata(&self) -> Metadata {
        self.origin.metadata()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

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
    pub(super) root: Dict,
    pub(super) environment: Environment,
    pub(super) dropped: Vec<Dropped>,
    pub(super) profile: Option<(String, Origin)>,
    /// The names of the caches that somebody declared; a variable alone declares none.
    pub(super) declared_caches: BTreeSet<String>,
    figment: Figment,
}

impl Tree {
    /// Reads every source and puts them together.
    pub(super) fn load(sources: Sources, registry: &Registry) -> larder_core::Result<Self> {
        let mut mistakes = Mistakes::default();
        let Sources { file, profile, directory, environment, program } = sources;
        let directory = directory.unwrap_or_else(|| PathBuf::from("."));
        let file = match file {
            Some(file) => Some(file),
            None => environment.get(environment::FILE).map(PathBuf::from),
        };
        let profile = match profile {
            Some((profile, at)) => Some((profile, at)),
            None => environment
                .text(environment::PROFILE)?
                .map(|profile| (profile, environment::origin(environment::PROFILE))),
        };

        let mut layers = vec![Provided::new(Origin::BUILT_IN, super::model::built_in())];
        layers.extend(files(file.as_deref(), &directory, profile.as_ref())?);
        let program = self::program(program, &mut mistakes);
        let variables = environment.settings(&mut mistakes);
        if configures_stores(&layers[1..], &variables, &program) {
            layers[0].dict.remove("stores");
        }

        let below = merge(&layers)?.1;
        let codecs: Vec<&str> = registry.codec_names().collect();
        layers.extend(environment::layer(variables, &below, &codecs, &mut mistakes));
        layers.extend(program);
        mistakes.check()?;

        let dropped = drop_settings_of_other_backends(&mut layers, registry);
        let declared_caches = layers
            .iter()
            .filter(|layer| layer.origin.layer != Layer::Environment)
            .filter_map(|layer| layer.dict.get("caches").and_then(Value::as_dict))
            .flat_map(|caches| caches.keys().cloned())
            .collect();
        let (figment, root) = merge(&layers)?;
        let root = root.into_dict().unwrap_or_default();
        Ok(Self { root, environment, dropped, profile, declared_caches, figment })
    }

    /// Where a value came from.
    pub(super) fn origin(&self, tag: Tag) -> Origin {
        self.figment.get_metadata(tag).map_or(Origin::BUILT_IN, Origin::of)
    }
}

/// The configuration file and the profile's part of it.
fn files(
    named: Option<&Path>,
    directory: &Path,
    profile: Option<&(String, Origin)>,
) -> Result<Vec<Provided>, Mistake> {
    let mut layers = Vec::new();
    let mut profiles = Dict::new();
    let file = file::find(named, directory)?;
    if let Some(file) = &file {
        let origin = Origin::new(Layer::File, file::show(file));
        let mut dict = file::read(file, &origin)?;
        match dict.remove("profiles") {
            None => {}
            Some(Value::Dict(_, sections)) => profiles = sections,
            Some(_) => {
                let message = "expected a table of sections: [profiles.NAME.stores.main]";
                return Err(Mistake::new(&KeyPath::new(["profiles"]), Some(origin), message));
            }
        }
        layers.push(Provided::new(origin, dict));
    }
    let Some((profile, chosen_by)) = profile else { return Ok(layers) };
    check_profile_name(profile, chosen_by)?;
    let known: Vec<String> = profiles.keys().cloned().collect();
    let section = profiles.remove(profile);
    let beside = file::find_profile(file.as_deref(), directory, profile)?;
    if section.is_none() && beside.is_none() {
        let stem =
            file.as_deref().map_or_else(|| "larder".to_owned(), |file| file::show(&file.with_extension("")));
        let hint = text::did_you_mean(profile, known.iter().map(String::as_str));
        let message = format!(
            "the profile {profile:?} is nowhere{hint} There is neither a section [profiles.{profile}] nor a file \
             {stem}.{profile}.toml"
        );
        return Err(Mistake::in_place(chosen_by.clone(), message));
    }
    if let Some(section) = section {
        let shown = file.as_deref().map(file::show).unwrap_or_default();
        let origin = Origin::new(Layer::ProfileSection, shown);
        let key = KeyPath::new(["profiles", profile]);
        let Value::Dict(_, section) = section else {
            return Err(Mistake::new(&key, Some(origin), "expected a table"));
        };
        layers.push(Provided::new(origin, section));
    }
    if let Some(beside) = beside {
        let origin = Origin::new(Layer::ProfileFile, file::show(&beside));
        let dict = file::read(&beside, &origin)?;
        layers.push(Provided::new(origin, dict));
    }
    Ok(layers)
}

/// The name becomes a part of a file's name, so it must not be able to leave the directory.
fn check_profile_name(profile: &str, chosen_by: &Origin) -> Result<(), Mistake> {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if !profile.is_empty() && profile.len() <= text::LONGEST && profile.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "{} is not the name of a profile; it has letters, digits, - and _, and {} of them at most",
        text::quoted(profile),
        text::LONGEST
    );
    Err(Mistake::in_place(chosen_by.clone(), message))
}

/// What the program set, each by itself.
fn program(set: Vec<super::Set>, mistakes: &mut Mistakes) -> Vec<Provided> {
    let mut layer: Vec<Provided> = Vec::new();
    for super::Set { path, value, at } in set {
        let origin = Origin::new(Layer::Program, format!("{}:{}", at.file(), at.line()));
        let keys = KeyPath::parse(&path).map(|path| {
            path.segments().iter().filter_map(|segment| segment.as_key().map(str::to_owned)).collect()
        });
        let keys: Vec<String> = match keys {
            Ok(keys) => keys,
            Err(why) => {
                let message = format!("{} is not the path of a key: {why}", text::quoted(&path));
                mistakes.add(Mistake::in_place(origin, message));
                continue;
            }
        };
        match value {
            Ok(value) => layer.push(Provided::new(origin, nest(&keys, value))),
            Err(why) => mistakes.add(Mistake::new(&KeyPath::new(keys), Some(origin), why)),
        }
    }
    layer
}

/// Whether any layer but the built-in one has a store. The built-in store gives way then: whoever configures
/// one says of which backend it is, so that no setting is ever taken for another backend's.
fn configures_stores(files: &[Provided], variables: &[Variable], program: &[Provided]) -> bool {
    let has_stores = |layer: &Provided| layer.stores().is_some_and(|stores| !stores.is_empty());
    files.iter().chain(program).any(has_stores)
        || variables.iter().any(|variable| variable.keys[0] == "stores")
}

/// A store whose backend a later layer changes begins anew there: what the layers below say was meant for
/// another backend.
fn drop_settings_of_other_backends(layers: &mut [Provided], registry: &Registry) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    let mut names: Vec<String> =
        layers.iter().filter_map(Provided::stores).flat_map(|stores| stores.keys().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut current: Option<String> = None;
        for position in 0..layers.len() {
            let chosen = layers[position].stores().and_then(|stores| stores.get(&name));
            let chosen = chosen.and_then(|store| store.find_ref(BACKEND)).and_then(Value::as_str);
            let Some(chosen) = chosen.map(|chosen| registry.resolve(chosen).to_owned()) else { continue };
            if current.as_ref().is_some_and(|current| *current != chosen) {
                let because = layers[position].origin.clone();
                for below in layers.iter_mut().filter(|below| below.origin.layer < because.layer) {
                    drop_store(below, &name, &because, &mut dropped);
                }
            }
            current = Some(chosen);
        }
    }
    dropped
}

fn drop_store(below: &mut Provided, name: &str, because: &Origin, dropped: &mut Vec<Dropped>) {
    let Some(store) = below.stores_mut().and_then(|stores| stores.remove(name)) else { return };
    let path = KeyPath::new(["stores", name]);
    let keys = store.into_dict().unwrap_or_default().into_keys().filter(|key| key != BACKEND);
    dropped.extend(keys.map(|key| Dropped {
        key: path.key(&key),
        origin: below.origin.clone(),
        because: because.clone(),
    }));
}

fn merge(layers: &[Provided]) -> Result<(Figment, Value), Mistake> {
    let mut figment = Figment::new();
    for layer in layers {
        // It merges by value, and wants one it can keep.
        figment = figment.merge(Provided::new(layer.origin.clone(), layer.dict.clone()));
    }
    // The empty path is the whole; figment fails when a provider does, and these do not.
    let root =
        figment.find_value("").map_err(|error| Mistake::new(&KeyPath::default(), None, error.to_string()))?;
    Ok((figment, root))
}
