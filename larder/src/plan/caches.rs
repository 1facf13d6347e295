//! The sections `[defaults]` and `[caches]`.

use std::{collections::BTreeMap, sync::Arc};

use figment::value::{Dict, Tag, Value};
use larder_core::{Backend, codec::Compression, key::Namespace};

use super::{
    CachePlan, Planner, conflicts,
    names::{shares_namespace, unknown},
};
use crate::{
    config::{KeyPath, Layer, Mistake, Origin, Section, list, quoted},
    model::{self, IDENTITY, Identity, NONE, Near, Policy},
};

const DEFAULTS: &str = "defaults";

/// What a section says, and what it inherits: of a section within it, each key by itself.
fn inheriting(own: &Dict, inherited: &Dict) -> Dict {
    let mut all = inherited.clone();
    for (key, value) in own {
        let merged = match (value, inherited.get(key)) {
            (Value::Dict(tag, own), Some(Value::Dict(_, inherited))) => {
                Value::Dict(*tag, inheriting(own, inherited))
            }
            _ => value.clone(),
        };
        all.insert(key.clone(), merged);
    }
    all
}

/// A cache's section, and what holds there with what it inherits.
struct Effective<'s, 'p> {
    own: &'s Section<'p>,
    all: &'s Dict,
}

impl Effective<'_, '_> {
    fn is_own(&self, key: &str) -> bool {
        self.own.dict.contains_key(key)
    }
}

impl Planner<'_> {
    /// The policy of a cache that is not configured, and what the others inherit.
    pub(super) fn plan_defaults(&mut self) -> (Option<CachePlan>, Dict) {
        let mut section = self.section(DEFAULTS);
        if !section.dict.contains_key("store") {
            let store = match &self.store_names[..] {
                [only] => Some(only),
                several => several.iter().find(|name| *name == "main"),
            };
            if let Some(store) = store {
                section.dict.insert("store".to_owned(), Value::String(Tag::Default, store.clone()));
            }
        }
        // What is no table has been reported.
        let is_table = self.tree.root.get(DEFAULTS).is_none_or(|defaults| defaults.as_dict().is_some());
        let policy = if is_table { section.read::<Policy>(&mut self.mistakes) } else { None };
        self.explanation.add(self.tree, &section.path, &section.dict, &section.dict, &section.path);
        let Some(policy) = policy else {
            // So that the caches are checked as well, and what is wrong here is not said once for each.
            let mut inherited =
                model::built_in().remove(DEFAULTS).and_then(Value::into_dict).unwrap_or_default();
            inherited.extend(section.dict.remove("store").map(|store| ("store".to_owned(), store)));
            return (None, inherited);
        };
        // Without any store, something else is wrong with them.
        let is_needed = self.tree.declared_caches.is_empty() && !self.store_names.is_empty();
        if policy.store.is_none() && is_needed && !self.tree.is_partial {
            self.mistakes.add(section.mistake("store", self.which_store()));
        }
        let effective = Effective { own: &section, all: &section.dict };
        let policy = self.resolve(&effective, policy, Identity::default());
        (policy, section.dict)
    }

    pub(super) fn plan_caches(&mut self, inherited: &Dict) -> BTreeMap<String, CachePlan> {
        let mut caches = BTreeMap::new();
        // Of each namespace in each store, the cache that has it.
        let mut taken: BTreeMap<(String, String), (String, Origin)> = BTreeMap::new();
        for (name, own) in self.sections("caches") {
            if self.mistakes.is_full() {
                break;
            }
            if !self.tree.declared_caches.is_empty() && !self.tree.declared_caches.contains(&name) {
                let message = unknown("cache", &name, self.tree.declared_caches.iter().map(String::as_str));
                self.mistakes.add(own.mistake("", message));
                continue;
            }
            let all = inheriting(&own.dict, inherited);
            let (identity, policy) = Section { dict: all.clone(), ..own.clone() }.split(IDENTITY);
            let identity = identity.read::<Identity>(&mut self.mistakes);
            let policy = policy.read::<Policy>(&mut self.mistakes);
            self.explanation.add(self.tree, &own.path, &all, &own.dict, &KeyPath::new([DEFAULTS]));
            let (Some(identity), Some(policy)) = (identity, policy) else { continue };
            if policy.store.is_none() {
                if !self.tree.is_partial {
                    let message = self.which_store();
                    self.mistakes.add(own.mistake("store", message));
                }
                continue;
            }
            let path = identity.namespace.clone().unwrap_or_else(|| name.clone());
            let effective = Effective { own: &own, all: &all };
            let Some(policy) = self.resolve(&effective, policy, identity) else { continue };
            match Namespace::new(&path, policy.schema) {
                Err(error) => self.mistakes.add(own.mistake("namespace", error.message())),
                Ok(namespace) => {
                    let mut other = None;
                    for store in policy.near.iter().chain([&policy.store]) {
                        let place = (store.clone(), namespace.text().to_owned());
                        let here = (name.clone(), own.origin_of("namespace"));
                        other = taken.insert(place, here).or(other);
                    }
                    if let Some((other, origin)) = other {
                        let message = shares_namespace(&path, &other, Some(&origin));
                        self.mistakes.add(own.mistake("namespace", message));
                    }
                }
            }
            caches.insert(name, policy);
        }
        caches
    }

    /// Looks up what a policy names. Only what is its own is reported: the rest was, where it stands.
    fn resolve(
        &mut self,
        effective: &Effective<'_, '_>,
        policy: Policy,
        identity: Identity,
    ) -> Option<CachePlan> {
        let own = effective.own;
        let origin = |key: &str| {
            let path = if effective.is_own(key) { own.path.key(key) } else { KeyPath::new([DEFAULTS, key]) };
            effective.all.get(key).map(|value| own.tree.origin(value.tag(), &path))
        };
        let known = self.mistakes.len();
        for conflict in conflicts::of(&policy) {
            // Between two that are inherited: it was said at [defaults].
            if let Some(key) = conflict.keys.iter().find(|key| effective.is_own(key)) {
                let message = conflict.describe(key, origin);
                self.mistakes.add(own.mistake(key, message));
            }
        }
        let mut refuse = |key: &str, message: String| {
            if effective.is_own(key) {
                self.mistakes.add(own.mistake(key, message));
            }
        };
        let conduct = policy.conduct();
        let stores = policy.store.as_ref()?;
        let missing = stores.names().iter().find(|name| !self.store_names.contains(name));
        let (store, near) = stores.tiers()?;
        let (store, near) = (store.to_owned(), near.to_vec());
        if let Some(missing) = missing.filter(|name| !self.also_stores.contains(name)) {
            refuse("store", unknown("store", missing, self.store_names.iter().map(String::as_str)));
        }
        for (key, message) in chain_mistakes(&self.stores, &policy.near, (&store, &near)) {
            refuse(key, message);
        }
        let formats = self.registry.formats();
        let format = formats.by_name(&policy.format);
        if format.is_none() {
            refuse("format", unknown("format", &policy.format, formats.names()));
        }
        let codec = self.codecs.by_name(&policy.codec);
        let is_known = self.registry.codec_names().any(|known| known == policy.codec);
        let codec_is_there = policy.codec == NONE || codec.is_some() || (self.tree.is_partial && is_known);
        if !codec_is_there {
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
            let of_store = unfit.why.starts_with("the store");
            let message =
                if of_store { format!("{} (store {})", unfit.why, quoted(&store)) } else { unfit.why };
            let mistake = own.mistake(unfit.setting, message);
            let origin = origin(unfit.setting).or(mistake.origin.clone());
            self.mistakes.add(Mistake { origin, ..mistake });
            return None;
        }
        if self.mistakes.len() > known || !self.store_names.contains(&store) || !codec_is_there {
            return None;
        }
        if let Some(backend) = self.stores.get(&store) {
            let capabilities = backend.capabilities();
            for conflict in conflicts::with_store(&policy, &store, &capabilities) {
                let is_own = |key: &&&str| {
                    // Nobody said what is built in.
                    effective.is_own(key) && origin(key).is_some_and(|origin| origin.layer != Layer::BuiltIn)
                };
                if let Some(key) = conflict.keys.iter().find(is_own) {
                    let message = conflict.describe(key, origin);
                    self.advice.push(own.mistake(key, message).into());
                }
            }
        }
        // On a machine whose addresses are shorter, no value is larger than what they can address.
        let threshold = usize::try_from(policy.compress_above.get()).unwrap_or(usize::MAX);
        Some(CachePlan {
            store,
            near,
            namespace: identity.namespace,
            schema: identity.schema,
            policy: conduct,
            max_value: policy.max_value.get(),
            invalidation_lag: policy.invalidation_lag.get(),
            written: policy,
            format: Arc::clone(format?),
            compression: codec.map(|codec| Compression::new(Arc::clone(codec), threshold)),
        })
    }

    fn which_store(&self) -> String {
        let accepted = list(self.store_names.iter().map(String::as_str));
        format!("there are several stores and none is called \"main\". Accepted: {accepted}")
    }
}

/// What is wrong with near tiers before this store.
fn chain_mistakes(
    stores: &BTreeMap<String, Arc<dyn Backend>>,
    settings: &Near,
    (store, near): (&str, &[String]),
) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    let is_far =
        |name: &&String| stores.get(*name).is_some_and(|store| store.invalidation().here().is_none());
    if let Some(far) = near.iter().find(is_far) {
        let message = format!(
            "the store {} is not in this process's memory, and stands in front of {}; only the last store of a chain may be \
             shared with others",
            quoted(far),
            quoted(store)
        );
        mistakes.push(("store", message));
    }
    let never_listens = !settings.bus || stores.get(store).is_some_and(|store| store.bus().is_none());
    let has_no_time = settings.ttl.0.is_none() && settings.ttl_without_bus.get().is_zero();
    if !near.is_empty() && never_listens && has_no_time {
        let message = "found a ttl_without_bus of 0 s, and nothing is heard of what others change, so that no copy would \
                       be served; give a ttl, or name one store only";
        mistakes.push(("near", message.to_owned()));
    }
    mistakes
}
