//! From values to stores and caches. Nothing is connected to; every section is read, so that everything that is
//! wrong is known at once.

mod advice;
mod caches;
mod conflicts;
mod failover;
mod names;
mod stores;
mod traced;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use larder_core::{
    Backend, Clock, Codecs, Format, Formats, Result, cache::Listener, codec::Compression, layer::Faults,
};

pub(crate) use self::{
    advice::of_stats,
    names::{find_cache, shares_namespace, unknown},
};
use crate::{
    config::{
        Advice, Explanation, KeyPath, Known, Layer, Loaded, Mistake, Mistakes, Section, Sources, Tree,
        did_you_mean, list, load,
    },
    model,
    registry::{AnySettings, Registry},
};

/// Everything that a configuration says, ready for use.
pub(crate) struct Plan {
    pub(crate) stores: BTreeMap<String, Arc<dyn Backend>>,
    pub(crate) caches: BTreeMap<String, CachePlan>,
    /// For caches that are not configured; `None` when they are an error.
    pub(crate) undeclared: Option<CachePlan>,
    /// What can be read.
    pub(crate) codecs: Codecs,
    pub(crate) formats: Formats,
    /// The sections of the program's own.
    pub(crate) sections: BTreeMap<String, AnySettings>,
    pub(crate) explanation: Explanation,
    /// What is accepted and worth a look.
    pub(crate) advice: Vec<Advice>,
}

/// What the program adds to stores, beside their configuration.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// Receives what happens to them.
    pub(crate) listener: Option<Arc<dyn Listener>>,
    /// What makes them fail, by name.
    pub(crate) faults: BTreeMap<String, Faults>,
}

/// How a cache is made.
#[derive(Debug, Clone)]
pub(crate) struct CachePlan {
    pub(crate) store: String,
    /// The stores in front of it, nearest first.
    pub(crate) near: Vec<String>,
    /// `None`: the name of the cache.
    pub(crate) namespace: Option<String>,
    pub(crate) schema: u32,
    pub(crate) policy: larder_core::cache::Policy,
    /// The same, as it is written.
    pub(crate) written: model::Policy,
    pub(crate) format: Arc<dyn Format>,
    pub(crate) compression: Option<Compression>,
    pub(crate) max_value: u64,
    pub(crate) invalidation_lag: Duration,
}

impl Plan {
    pub(crate) fn make(sources: Sources, registry: &Registry, clock: &Clock, hooks: &Hooks) -> Result<Self> {
        let known = Known {
            sections: registry.section_names().collect(),
            codecs: registry.codec_names().collect(),
            resolve: &|backend| registry.resolve(backend).to_owned(),
            built_in: model::built_in(),
        };
        let Loaded { tree, others, unreadable } = load(sources, &known)?;
        let mut planner = Planner::new(&tree, registry, clock);
        planner.hooks = Some(hooks);
        planner.check_sections();
        planner.plan_codecs();
        planner.plan_sections();
        planner.plan_stores();
        planner.check_faults();
        let (defaults, inherited) = planner.plan_defaults();
        let caches = planner.plan_caches(&inherited);
        let Planner {
            mut mistakes, mut advice, explanation, codecs, stores, store_names, own_sections, ..
        } = planner;
        for other in &others {
            for mistake in check_other(other, registry, clock, &store_names) {
                // What is beside the file may not be a profile, whatever its name.
                match mistake.origin.as_ref().map(|origin| origin.layer) {
                    Some(Layer::ProfileSection) => mistakes.add(mistake),
                    _ => advice.push(mistake.into()),
                }
            }
        }
        advice.extend(unreadable.into_iter().map(Advice::from));
        mistakes.check(&tree.secrets())?;
        let undeclared = defaults.filter(|_| tree.declared_caches.is_empty());
        let formats = registry.formats().clone();
        let mut plan =
            Self { stores, caches, undeclared, codecs, formats, sections: own_sections, explanation, advice };
        plan.advise_jitter();
        for advice in &mut plan.advice {
            advice.message = tree.secrets().hide(&advice.message).into_owned();
        }
        plan.explanation.advise(plan.advice.clone());
        Ok(plan)
    }
}

/// What is wrong with a profile that was not chosen, as far as it can be known here.
fn check_other(tree: &Tree, registry: &Registry, clock: &Clock, stores: &[String]) -> Vec<Mistake> {
    let mut planner = Planner::new(tree, registry, clock);
    planner.also_stores = stores.to_vec();
    planner.check_sections();
    planner.plan_codecs();
    planner.plan_stores();
    let (_, inherited) = planner.plan_defaults();
    planner.plan_caches(&inherited);
    let secrets = tree.secrets();
    let mistakes = planner.mistakes.into_vec().into_iter();
    // The rest is the configuration's own, and was said.
    let is_its_own = |mistake: &Mistake| {
        let layer = mistake.origin.as_ref().map(|origin| origin.layer);
        matches!(layer, Some(Layer::ProfileSection | Layer::ProfileFile))
    };
    mistakes.filter(is_its_own).map(|mistake| mistake.without(&secrets)).collect()
}

struct Planner<'p> {
    tree: &'p Tree,
    registry: &'p Registry,
    clock: &'p Clock,
    /// `None` where nothing is made.
    hooks: Option<&'p Hooks>,
    mistakes: Mistakes,
    advice: Vec<Advice>,
    explanation: Explanation,
    codecs: Codecs,
    stores: BTreeMap<String, Arc<dyn Backend>>,
    /// Of all that are configured, also of those that could not be made.
    store_names: Vec<String>,
    /// Of those that other layers configure, for a profile that was not chosen.
    also_stores: Vec<String>,
    own_sections: BTreeMap<String, AnySettings>,
}

impl<'p> Planner<'p> {
    fn new(tree: &'p Tree, registry: &'p Registry, clock: &'p Clock) -> Self {
        Self {
            tree,
            registry,
            clock,
            hooks: None,
            mistakes: Mistakes::default(),
            advice: Vec::new(),
            explanation: Explanation::new(tree),
            codecs: Codecs::new(),
            stores: BTreeMap::new(),
            store_names: Vec::new(),
            also_stores: Vec::new(),
            own_sections: BTreeMap::new(),
        }
    }

    fn check_sections(&mut self) {
        let sections: Vec<&str> = self.registry.section_names().collect();
        // What editors of JSON look for.
        let is_known = |key: &str| key == "$schema" || sections.contains(&key);
        for (key, value) in self.tree.root.iter().filter(|(key, _)| !is_known(key)) {
            let message = if value.as_dict().is_some() || value.as_array().is_some() {
                let hint = did_you_mean(key, sections.iter().copied());
                format!("unknown section{hint} Accepted: {}", list(sections.iter().copied()))
            } else {
                "is outside of every section; put it below [defaults], [caches.NAME] or [stores.NAME]"
                    .to_owned()
            };
            let path = KeyPath::new([key]);
            let origin = self.tree.origin(value.tag(), &path);
            self.mistakes.add(Mistake::new(&path, Some(origin), message));
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
}
