//! The layers, put together. figment merges them and remembers beside every value which one it came from; what
//! it does not know is that a store whose backend was changed must not keep the settings of the old one.

use std::path::PathBuf;

use figment::value::{Dict, Value};

use super::{
    environment::{self, Variable},
    error::{Mistake, Mistakes},
    origin::{Layer, Origin},
    path::KeyPath,
    profiles::{self, Files},
    provided::{Provided, nest},
    secrecy,
    sources::{Set, Sources},
    tree::{Dropped, Tree, merge},
};

const BACKEND: &str = "backend";

/// What is known of a configuration before any of it is read.
pub(crate) struct Known<'k> {
    /// The sections that there may be.
    pub(crate) sections: Vec<&'k str>,
    /// The names of the codecs, which sections of `[codecs]` may have.
    pub(crate) codecs: Vec<&'k str>,
    /// The name of a backend itself, where it has several.
    pub(crate) resolve: &'k dyn Fn(&str) -> String,
    /// What holds when nothing is said.
    pub(crate) built_in: Dict,
}

/// What the sources come to.
pub(crate) struct Loaded {
    pub(crate) tree: Tree,
    /// What the profiles that were not chosen would say.
    pub(crate) others: Vec<Tree>,
    /// What is wrong with files of profiles that were not chosen.
    pub(crate) unreadable: Vec<Mistake>,
}

/// Reads every source and puts them together.
pub(crate) fn load(sources: Sources, known: &Known<'_>) -> larder_core::Result<Loaded> {
    let mut mistakes = Mistakes::default();
    let Sources { file, profile, directory, environment, program } = sources;
    if let Some(directory) = directory.as_ref().filter(|directory| !directory.is_dir()) {
        let message = format!("there is no directory {}", secrecy::quoted_path(&directory.to_string_lossy()));
        return Err(Mistake::new(&KeyPath::default(), None, message).into());
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from("."));
    let is_named = file.is_none() && environment.get(environment::FILE).is_some();
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

    let mut layers = vec![Provided::new(Origin::BUILT_IN, known.built_in.clone())];
    let Files { layers: files, others, unreadable } =
        profiles::read(file.as_deref(), &directory, profile.as_ref(), &known.sections).map_err(
            |mut mistake| {
                let is_named =
                    is_named && mistake.origin.as_ref().is_some_and(|origin| origin.position.is_none());
                if is_named && mistake.key.is_empty() {
                    mistake.message =
                        format!("{} (named by the variable {})", mistake.message, environment::FILE);
                }
                mistake
            },
        )?;
    let others = others.into_iter().map(|other| partial(other, files.first(), known)).collect();
    layers.extend(files);
    let program = self::program(program, &mut mistakes);
    let variables = environment.settings(&known.sections, &mut mistakes);
    if configures_stores(&layers[1..], &variables, &program) {
        layers[0].dict.remove("stores");
    }

    let below = Value::from(merge(&layers).1);
    layers.extend(environment::layer(variables, &below, &known.codecs, &mut mistakes));
    layers.extend(program);
    let dropped = drop_settings_of_other_backends(&mut layers, known.resolve);
    let declared_caches = layers
        .iter()
        .filter(|layer| layer.origin.layer != Layer::Environment)
        .filter_map(|layer| layer.dict.get("caches").and_then(Value::as_dict))
        .flat_map(|caches| caches.keys().cloned())
        .collect();
    let mut tree = Tree::merge(layers, environment);
    mistakes.check(&tree.secrets())?;
    (tree.dropped, tree.profile, tree.declared_caches) = (dropped, profile, declared_caches);
    Ok(Loaded { tree, others, unreadable })
}

/// What holds in a profile that was not chosen, as far as files say it.
fn partial(profile: Provided, file: Option<&Provided>, known: &Known<'_>) -> Tree {
    let mut layers = vec![Provided::new(Origin::BUILT_IN, known.built_in.clone())];
    layers.extend(
        file.map(|file| Provided::in_file(file.origin.clone(), file.dict.clone(), file.places.clone())),
    );
    layers.push(profile);
    if configures_stores(&layers[1..], &[], &[]) {
        layers[0].dict.remove("stores");
    }
    drop_settings_of_other_backends(&mut layers, known.resolve);
    let mut tree = Tree::merge(layers, environment::Environment::default());
    tree.is_partial = true;
    tree
}

/// What the program set, each by itself.
fn program(set: Vec<Set>, mistakes: &mut Mistakes) -> Vec<Provided> {
    let mut layer: Vec<Provided> = Vec::new();
    for Set { path, value, at } in set {
        let keys = KeyPath::parse(&path).map(|path| {
            path.segments().iter().filter_map(|segment| segment.as_key().map(str::to_owned)).collect()
        });
        let keys: Vec<String> = match keys {
            Ok(keys) => keys,
            Err(why) => {
                let message = format!("{} is not the path of a key: {why}", secrecy::quoted(&path));
                mistakes.add(Mistake::in_place(at, message));
                continue;
            }
        };
        match value {
            Ok(value) => layer.push(Provided::new(at, nest(&keys, value))),
            Err(why) => mistakes.add(Mistake::new(&KeyPath::new(keys), Some(at), why)),
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
fn drop_settings_of_other_backends(
    layers: &mut [Provided],
    resolve: &dyn Fn(&str) -> String,
) -> Vec<Dropped> {
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
            let Some(chosen) = chosen.map(resolve) else { continue };
            if current.as_ref().is_some_and(|current| *current != chosen) {
                let because = at(&layers[position], &KeyPath::new(["stores", &name, BACKEND]));
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
    dropped.extend(keys.map(|key| {
        let key = path.key(&key);
        Dropped { origin: at(below, &key), key, because: because.clone() }
    }));
}

fn at(layer: &Provided, path: &KeyPath) -> Origin {
    layer.origin.at(layer.places.find(path.segments()))
}
