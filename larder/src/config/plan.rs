//! From values to stores and caches. Nothing is connected to; every section is read, so that everything that is
//! wrong is known at once.

use std::{collections::BTreeMap, sync::Arc};

use figment::value::{Dict, Tag, Value};
use larder_core::{
    Backend, Clock, Codecs, Format, Formats, Result, codec::Compression, key::Namespace, layer::Deadline,
    settings::Span,
};

use super::{
    Sources,
    error::{Mistake, Mistakes},
    explain::Explanation,
    layers::Tree,
    model::{self, DEFAULT_DEADLINE, FRAME, Frame, IDENTITY, Identity, NONE, Policy},
    path::KeyPath,
    secrecy::quoted,
    section::Section,
    text::{did_you_mean, fold, list},
};
use crate::{
    builtin,
    registry::{Context, Registry},
};

/// The sections of a configuration.
const SECTIONS: [&str; 4] = ["defaults", "stores", "codecs", "caches"];

/// Everything that a configuration says, ready for use.
pub(crate) struct Plan {
    pub(crate) stores: BTreeMap<String, Arc<dyn Backend>>,
    pub(crate) caches: BTreeMap<String, CachePlan>,
    /// For caches that are not configured; `None` when they are an error.
    pub(crate) undeclared: Option<CachePlan>,
    /// What can be read.
    pub(crate) codecs: Codecs,
    pub(crate) formats: Formats,
    pub(crate) explanation: Explanation,
}

/// How a cache is made.
#[derive(Debug, Clone)]
pub(crate) struct CachePlan {
    pub(crate) store: String,
    /// `None`: the name of the cache.
    pub(crate) namespace: Option<String>,
    pub(crate) schema: u32,
    pub(crate) policy: larder_core::cache::Policy,
    pub(crate) format: Arc<dyn Format>,
    pub(crate) compression: Option<Compression>,
    pub(crate) max_value: u64,
    pub(crate) invalidation_lag: std::time::Duration,
}

impl Plan {
    pub(crate) fn make(sources: Sources, registry: &Registry, clock: &Clock) -> Result<Self> {
        let tree = Tree::load(sources, registry)?;
        let mut planner = Planner {
            tree: &tree,
            registry,
            clock,
            mistakes: Mistakes::default(),
            explanation: Explanation::new(&tree),
            codecs: Codecs::new(),
            stores: BTreeMap::new(),
            store_names: Vec::new(),
        };
        planner.check_sections();
        planner.plan_codecs();
        planner.plan_stores();
        let (defaults, inherited) = planner.plan_defaults();
        let caches = planner.plan_caches(&inherited);
        let Planner { mistakes, explanation, codecs, stores, .. } = planner;
        mistakes.check()?;
        let undeclared = defaults.filter(|_| tree.declared_caches.is_empty());
        Ok(Self { stores, caches, undeclared, codecs, formats: registry.formats().clone(), explanation })
    }
}

struct Planner<'p> {
    tree: &'p Tree,
    registry: &'p Registry,
    clock: &'p Clock,
    mistakes: Mistakes,
    explanation: Explanation,
    codecs: Codecs,
    stores: BTreeMap<String, Arc<dyn Backend>>,
    /// Of all that are configured, also of those that could not be made.
    store_names: Vec<String>,
}

impl<'p> Planner<'p> {
    fn check_sections(&mut self) {
        // What editors of JSON look for.
        let is_known = |key: &str| key == "$schema" || SECTIONS.contains(&key);
        for (key, value) in self.tree.root.iter().filter(|(key, _)| !is_known(key)) {
            let hint = did_you_mean(key, SECTIONS);
            let message = format!("unknown section{hint} Accepted: {}", list(SECTIONS));
            let origin = self.tree.origin(value.tag());
            self.mistakes.add(Mistake::new(&KeyPath::new([key]), Some(origin), message));
        }
    }

    /// The sections below `[stores]` and its like.
    fn sections(&mut self, of: &str) -> Vec<(String, Section<'p>)> {
        let all = self.section(of);
        let path = KeyPath::new([of]);
        Section::all(self.tree, &path, &all.dict, &mut self.mistakes)
    }

    fn section(&mut self, name: &str) -> Section<'p> {
        Section::of(self.tree, &KeyPath::default(), &self.tree.root, name, &mut self.mistakes)
    }

    fn plan_codecs(&mut self) {
        let sections = self.sections("codecs");
        for (name, section) in &sections {
            if self.mistakes.is_full() {
                return;
            }
            if !self.registry.codec_names().any(|known| known == name) {
                let message = unknown("codec", name, self.registry.codec_names());
                self.mistakes.add(section.mistake("", message));
            }
        }
        for (name, kind) in self.registry.codecs() {
            let context = Context::new(name, self.clock);
            let made = if let Some((_, section)) = sections.iter().find(|(section, _)| section == name) {
                let made = (kind.make)(section, &context, &mut self.mistakes);
                if let Some((_, settings)) = &made {
                    self.explanation.add_settings(self.tree, &section.path, &section.dict, settings);
                }
                made
            } else {
                // Nobody configured it. That one which needs settings is not there matters to a cache that
                // names it, and to nobody else.
                let path = KeyPath::new(["codecs"]);
                let section = Section::of(self.tree, &path, &Dict::new(), name, &mut self.mistakes);
                (kind.make)(&section, &context, &mut Mistakes::default())
            };
            if let Some((codec, _)) = made {
                self.codecs = self.codecs.clone().with(codec);
            }
        }
    }

    fn plan_stores(&mut self) {
        let sections = self.sections("stores");
        self.store_names = sections.iter().map(|(name, _)| name.clone()).collect();
        for (name, section) in sections {
            if self.mistakes.is_full() {
                return;
            }
            if let Some(store) = self.plan_store(&name, &section) {
                self.stores.insert(name, store);
            }
        }
    }

    fn plan_store(&mut self, name: &str, section: &Section<'p>) -> Option<Arc<dyn Backend>> {
        let (mut frame, rest) = section.split(FRAME);
        if !frame.dict.contains_key("backend") {
            // What is taken for a new store may be an old one with its name mistyped.
            let others = self.store_names.iter().map(String::as_str).filter(|other| *other != name);
            let hint = did_you_mean(name, others);
            let accepted = list(self.registry.backend_names());
            let message = format!("is missing for the store {}{hint} Accepted: {accepted}", quoted(name));
            self.mistakes.add(section.mistake("backend", message));
            return None;
        }
        let frame_settings: Frame = frame.read(&mut self.mistakes)?;
        let backend = &frame_settings.backend;
        let Some(kind) = self.registry.backend(backend) else {
            let message = unknown("backend", backend, self.registry.backend_names());
            self.mistakes.add(frame.mistake("backend", message));
            return None;
        };
        let (store, settings) = (kind.make)(&rest, &Context::new(name, self.clock), &mut self.mistakes)?;
        let bound = match frame_settings.deadline {
            Some(bound) => bound.0,
            None => store.capabilities().shared.then_some(DEFAULT_DEADLINE),
        };
        frame
            .dict
            .entry("deadline".to_owned())
            .or_insert_with(|| bound.map_or_else(|| NONE.to_owned(), |bound| Span(bound).to_string()).into());
        self.explanation.add(self.tree, &section.path, &frame.dict, &frame.dict);
        self.explanation.add_settings(self.tree, &section.path, &rest.dict, &settings);
        Some(match bound {
            Some(bound) => Arc::new(Deadline::new(store, name, bound)),
            None => store,
        })
    }

    /// The policy of a cache that is not configured, and what the others inherit.
    fn plan_defaults(&mut self) -> (Option<CachePlan>, Dict) {
        let mut section = self.section("defaults");
        if !section.dict.contains_key("store") {
            let store = match &self.store_names[..] {
                [only] => Some(only),
                several => several.iter().find(|name| *name == "main"),
            };
            if let Some(store) = store {
                section.dict.insert("store".to_owned(), Value::String(Tag::Default, store.clone()));
            }
        }
        let policy = section.read::<Policy>(&mut self.mistakes);
        self.explanation.add(self.tree, &section.path, &section.dict, &section.dict);
        let Some(policy) = policy else {
            // So that the caches are checked as well, and what is wrong here is not said once for each.
            let mut inherited =
                model::built_in().remove("defaults").and_then(Value::into_dict).unwrap_or_default();
            inherited.extend(section.dict.remove("store").map(|store| ("store".to_owned(), store)));
            return (None, inherited);
        };
        // Without any store, something else is wrong with them.
        let is_needed = self.tree.declared_caches.is_empty() && !self.store_names.is_empty();
        if policy.store.is_none() && is_needed {
            self.mistakes.add(section.mistake("store", self.which_store()));
        }
        let policy = self.resolve(&section, &section.dict, policy, Identity::default());
        (policy, section.dict)
    }

    fn plan_caches(&mut self, inherited: &Dict) -> BTreeMap<String, CachePlan> {
        let mut caches = BTreeMap::new();
        // Of each namespace in each store, the cache that has it.
        let mut taken: BTreeMap<(String, String), String> = BTreeMap::new();
        for (name, own) in self.sections("caches") {
            if self.mistakes.is_full() {
                break;
            }
            if !self.tree.declared_caches.is_empty() && !self.tree.declared_caches.contains(&name) {
                let message = unknown("cache", &name, self.tree.declared_caches.iter().map(String::as_str));
                self.mistakes.add(own.mistake("", message));
                continue;
            }
            let mut effective = inherited.clone();
            effective.extend(own.dict.clone());
            let (identity, policy) = Section { dict: effective.clone(), ..own.clone() }.split(IDENTITY);
            let identity = identity.read::<Identity>(&mut self.mistakes);
            let policy = policy.read::<Policy>(&mut self.mistakes);
            self.explanation.add(self.tree, &own.path, &effective, &own.dict);
            let (Some(identity), Some(policy)) = (identity, policy) else { continue };
            if policy.store.is_none() {
                let message = self.which_store();
                self.mistakes.add(own.mistake("store", message));
                continue;
            }
            let path = identity.namespace.clone().unwrap_or_else(|| name.clone());
            let Some(policy) = self.resolve(&own, &own.dict, policy, identity) else { continue };
            match Namespace::new(&path, policy.schema) {
                Err(error) => self.mistakes.add(own.mistake("namespace", error.message())),
                Ok(namespace) => {
                    let place = (policy.store.clone(), namespace.text().to_owned());
                    if let Some(other) = taken.insert(place, name.clone()) {
                        let message = shares_namespace(&path, &other);
                        self.mistakes.add(own.mistake("namespace", message));
                    }
                }
            }
            caches.insert(name, policy);
        }
        caches
    }

    /// Looks up what a policy names. Only what is `own` is reported: the rest was, where it stands.
    fn resolve(
        &mut self,
        section: &Section<'_>,
        own: &Dict,
        policy: Policy,
        identity: Identity,
    ) -> Option<CachePlan> {
        let mut refuse = |key: &str, message: String| {
            if own.contains_key(key) {
                self.mistakes.add(section.mistake(key, message));
            }
        };
        let conduct = policy.conduct();
        let store = policy.store?;
        let names = self.store_names.iter().map(String::as_str);
        let store_is_there = self.store_names.contains(&store);
        if !store_is_there {
            refuse("store", unknown("store", &store, names));
        }
        let formats = self.registry.formats();
        let format = formats.by_name(&policy.format);
        if format.is_none() {
            refuse("format", unknown("format", &policy.format, formats.names()));
        }
        let codec = self.codecs.by_name(&policy.codec);
        let codec_is_there = policy.codec == NONE || codec.is_some();
        if !codec_is_there {
            let is_known = self.registry.codec_names().any(|known| known == policy.codec);
            let message = if is_known {
                format!("the codec {:?} needs settings; give them in [codecs.{}]", policy.codec, policy.codec)
            } else {
                unknown("codec", &policy.codec, [NONE].into_iter().chain(self.registry.codec_names()))
            };
            refuse("codec", message);
        }
        if policy.max_value.get() == 0 {
            refuse("max_value", "found 0 B, expected a size of at least 1 B".to_owned());
        }
        // Without its store, which has been reported, it cannot be checked.
        let check = self.stores.get(&store).map(|store| conduct.check(&store.capabilities()));
        if let Some(Err(unfit)) = check {
            // What [defaults] says may fit one store and not another.
            let message = format!("{} (store {})", unfit.why, quoted(&store));
            self.mistakes.add(section.mistake(unfit.setting, message));
            return None;
        }
        if !store_is_there || !codec_is_there {
            return None;
        }
        // On a machine whose addresses are shorter, no value is larger than what they can address.
        let threshold = usize::try_from(policy.compress_above.get()).unwrap_or(usize::MAX);
        Some(CachePlan {
            store,
            namespace: identity.namespace,
            schema: identity.schema,
            policy: conduct,
            format: Arc::clone(format?),
            compression: codec.map(|codec| Compression::new(Arc::clone(codec), threshold)),
            max_value: policy.max_value.get(),
            invalidation_lag: policy.invalidation_lag.get(),
        })
    }

    fn which_store(&self) -> String {
        let accepted = list(self.store_names.iter().map(String::as_str));
        format!("there are several stores and none is called \"main\". Accepted: {accepted}")
    }
}

/// Why two caches must not have one namespace.
pub(crate) fn shares_namespace(namespace: &str, other: &str) -> String {
    format!(
        "the cache {other:?} has the namespace {namespace:?} on the same store; a load of one could bring back \
         what the other has just invalidated, so use one cache for both"
    )
}

/// That nothing is called so, and what is.
pub(crate) fn unknown<'n>(what: &str, name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let accepted = list(names.iter().copied());
    let quoted = quoted(name);
    match builtin::feature_of(name) {
        Some(feature) if what == "backend" || what == "codec" => format!(
            "the {what} {quoted} is not in this program, which was built without larder's feature {feature:?}. \
             Accepted: {accepted}"
        ),
        _ => format!("there is no {what} {quoted}{} Accepted: {accepted}", did_you_mean(name, names)),
    }
}

/// Finds a cache by the name that the program has for it; variables write `-` as `_`.
pub(crate) fn find_cache<'c>(caches: &'c BTreeMap<String, CachePlan>, name: &str) -> Option<&'c CachePlan> {
    caches.get(name).or_else(|| caches.get(&fold(name)))
}
