//! The sections `[codecs]` and `[stores]`, and those of the program's own.

use std::{sync::Arc, time::Duration};

use figment::value::{Dict, Value};
use larder_core::{
    Backend, Clock, Result,
    layer::{Breaker, Deadline, Fault},
    settings::Span,
};

use super::{Planner, failover::First, names::unknown, traced::traced};
use crate::{
    config::{KeyPath, Mistake, Mistakes, Section, did_you_mean, list, quoted},
    model::{BreakerSection, DEFAULT_DEADLINE, FRAME, Frame, NONE, StoreNames},
    registry::Context,
};

/// Whether another library would call the backend so.
fn is_backend(key: &str) -> bool {
    did_you_mean(key, ["backend"].into_iter()).contains("backend")
}

/// A store with the layers that are its own.
enum Layered {
    Plain(Arc<dyn Backend>),
    WithBreaker(Box<Breaker<Arc<dyn Backend>>>),
}

/// A store that is ready, or waits for another one.
enum Planned<'p> {
    Whole(Arc<dyn Backend>),
    First(Box<First<'p>>),
}

impl<'p> Planner<'p> {
    pub(super) fn plan_codecs(&mut self) {
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
                let ready = (kind.read)(section, &mut self.mistakes);
                if self.tree.is_partial {
                    continue;
                }
                let made = ready.and_then(|ready| ready.make(section, &context, &mut self.mistakes));
                if let Some((_, settings)) = &made {
                    self.explanation.add_settings(self.tree, &section.path, &section.dict, settings);
                }
                made
            } else {
                // Nobody configured it. That one which needs settings is not there matters to a cache that
                // names it, and to nobody else.
                let mut ignored = Mistakes::default();
                let path = KeyPath::new(["codecs"]);
                let section = Section::of(self.tree, &path, &Dict::new(), name, &mut ignored);
                let ready = (kind.read)(&section, &mut ignored);
                ready.and_then(|ready| ready.make(&section, &context, &mut ignored))
            };
            if let Some((codec, _)) = made {
                self.codecs = self.codecs.clone().with(codec);
            }
        }
    }

    /// The sections of the program's own.
    pub(super) fn plan_sections(&mut self) {
        for (name, kind) in self.registry.sections() {
            let section = self.section(name);
            let is_there = self.tree.root.contains_key(name);
            let mut mistakes = Mistakes::default();
            let ready = (kind.read)(&section, &mut mistakes);
            // One that is not configured and cannot do without is not there.
            if is_there {
                mistakes.into_vec().into_iter().for_each(|mistake| self.mistakes.add(mistake));
            }
            let made = ready
                .and_then(|ready| ready.make(&section, &Context::new(name, self.clock), &mut self.mistakes));
            if let Some((settings, shown)) = made {
                self.explanation.add_settings(self.tree, &section.path, &section.dict, &shown);
                self.own_sections.insert(name.to_owned(), settings);
            }
        }
    }

    pub(super) fn plan_stores(&mut self) {
        let sections = self.sections("stores");
        self.store_names = sections.iter().map(|(name, _)| name.clone()).collect();
        let mut firsts = Vec::new();
        for (name, section) in sections {
            if self.mistakes.is_full() {
                return;
            }
            match self.plan_store(&name, &section) {
                Some(Planned::Whole(store)) => drop(self.stores.insert(name, store)),
                Some(Planned::First(first)) => firsts.push(*first),
                None => {}
            }
        }
        // When all others are there.
        for first in firsts {
            self.plan_failover(first);
        }
    }

    /// Whether a chain names this store in front of another.
    fn is_near(&self, name: &str) -> bool {
        let section = |key: &str| self.tree.root.get(key).and_then(Value::as_dict);
        let caches = section("caches").into_iter().flat_map(Dict::values).filter_map(Value::as_dict);
        let chains = caches.chain(section("defaults")).filter_map(|cache| cache.get("store"));
        // What is no list of names is a mistake, and is reported where it is read.
        let mut chains = chains.filter_map(|chain| chain.deserialize::<StoreNames>().ok());
        chains.any(|chain| chain.tiers().is_some_and(|(_, near)| near.iter().any(|near| near == name)))
    }

    fn plan_store(&mut self, name: &str, section: &Section<'p>) -> Option<Planned<'p>> {
        let (mut frame, mut rest) = section.split(FRAME);
        if !frame.dict.contains_key("backend") {
            if self.tree.is_partial {
                return None;
            }
            let accepted = list(self.registry.backend_names());
            let in_other_words = section.dict.keys().find(|key| is_backend(key));
            let message = if let Some(key) = in_other_words {
                format!("is missing, did you mean \"backend\" where it says {key:?}? Accepted: {accepted}")
            } else {
                // What is taken for a new store may be an old one with its name mistyped.
                let others = self.store_names.iter().map(String::as_str).filter(|other| *other != name);
                let hint = did_you_mean(name, others);
                format!("is missing for the store {}{hint} Accepted: {accepted}", quoted(name))
            };
            self.mistakes.add(section.mistake("backend", message));
            return None;
        }
        let frame_settings: Frame = frame.read(&mut self.mistakes)?;
        let second = frame_settings.failover.clone().filter(|second| second != NONE);
        let second = second.filter(|second| self.can_be_second(name, second, &frame));
        let backend = &frame_settings.backend;
        let Some(kind) = self.registry.backend(backend) else {
            let message = unknown("backend", backend, self.registry.backend_names());
            self.mistakes.add(frame.mistake("backend", message));
            return None;
        };
        // What a constructor says about no key in particular is about the backend that was chosen.
        rest.origin = frame.origin_of("backend");
        let ready = (kind.read)(&rest, &mut self.mistakes);
        if self.tree.is_partial {
            return None;
        }
        let context = Context::new(name, self.clock).tier(self.is_near(name));
        let (store, settings) = ready?.make(&rest, &context, &mut self.mistakes)?;
        let store: Arc<dyn Backend> = match self.hooks.and_then(|hooks| hooks.faults.get(name)) {
            Some(faults) => Arc::new(Fault::new(store, faults.clone())),
            None => store,
        };
        let is_shared = store.capabilities().shared;
        let bound = match frame_settings.deadline {
            Some(bound) => bound.0,
            None => is_shared.then_some(DEFAULT_DEADLINE),
        };
        let breaker = match frame_settings.breaker {
            Some(breaker) => breaker.0,
            None => (is_shared && bound.is_some()).then(BreakerSection::default),
        };
        frame
            .dict
            .entry("deadline".to_owned())
            .or_insert_with(|| bound.map_or_else(|| NONE.to_owned(), |bound| Span(bound).to_string()).into());
        frame.dict.entry("failover".to_owned()).or_insert_with(|| NONE.into());
        frame.dict.entry("trace".to_owned()).or_insert_with(|| false.into());
        let given = own_settings(&mut frame, breaker);
        self.explanation.add(self.tree, &section.path, &frame.dict, &frame.dict, &section.path);
        if let Some(breaker) = breaker {
            self.explanation.add_settings(self.tree, &section.path.key("breaker"), &given, &shown(&breaker));
        }
        self.explanation.add_settings(self.tree, &section.path, &rest.dict, &settings);
        let layered =
            self.around(name, section, store, (bound, breaker), frame_settings.breaker.is_some())?;
        let trace = frame_settings.trace;
        Some(match (layered, second) {
            (Layered::Plain(store), None) => Planned::Whole(traced(store, name, trace)),
            (Layered::WithBreaker(store), None) => Planned::Whole(traced(Arc::new(*store), name, trace)),
            (Layered::WithBreaker(store), Some(second)) => {
                let name = name.to_owned();
                Planned::First(Box::new(First { name, section: frame, store: *store, second, trace }))
            }
            (Layered::Plain(_), Some(_)) => {
                let message = if is_shared {
                    "needs a breaker, which says when the other store answers; set breaker, and a deadline"
                } else {
                    "this store is in this process's memory; only a store that processes share can have a second one"
                };
                self.mistakes.add(frame.mistake("failover", message));
                return None;
            }
        })
    }

    /// The program can make only those stores fail that there are: else a test of it would show nothing.
    pub(super) fn check_faults(&mut self) {
        let names = self.hooks.into_iter().flat_map(|hooks| hooks.faults.keys());
        for name in names.filter(|name| !self.store_names.contains(name)) {
            let known = self.store_names.iter().map(String::as_str);
            let path = KeyPath::new(["stores", name]);
            let message = format!("`LarderBuilder::faults` names it: {}", unknown("store", name, known));
            self.mistakes.add(Mistake::new(&path, None, message));
        }
    }

    /// The store with its layers.
    fn around(
        &mut self,
        name: &str,
        section: &Section<'p>,
        store: Arc<dyn Backend>,
        (bound, breaker): (Option<Duration>, Option<BreakerSection>),
        is_asked_for: bool,
    ) -> Option<Layered> {
        let Some(breaker) = breaker else {
            return Some(Layered::Plain(match bound {
                Some(bound) => Arc::new(Deadline::new(store, name, bound)),
                None => store,
            }));
        };
        let own = Section::of(self.tree, &section.path, &section.dict, "breaker", &mut self.mistakes);
        if bound.is_none() && is_asked_for {
            let message = "a store that hangs never opens its breaker without a deadline; set deadline, such as \"50ms\"";
            self.advice.push(section.mistake("breaker", message).into());
        }
        match with_breaker(name, store, breaker, bound, self.clock) {
            Ok(store) => {
                let listener = self.hooks.and_then(|hooks| hooks.listener.clone());
                Some(Layered::WithBreaker(Box::new(match listener {
                    Some(listener) => {
                        store.on_change(move |store, circuit| listener.on_circuit(store, circuit))
                    }
                    None => store,
                })))
            }
            Err(error) => {
                self.mistakes.add(own.refused(&shown(&breaker), error.message()));
                None
            }
        }
    }
}

fn with_breaker(
    name: &str,
    store: Arc<dyn Backend>,
    breaker: BreakerSection,
    bound: Option<Duration>,
    clock: &Clock,
) -> Result<Breaker<Arc<dyn Backend>>> {
    let store = Breaker::new(store, name, breaker.settings(), clock)?;
    match bound {
        Some(bound) => store.with_deadline(bound),
        None => Ok(store),
    }
}

/// Takes the breaker's settings out of a store's frame, where they are explained one by one; or says there that it has none.
fn own_settings(frame: &mut Section<'_>, breaker: Option<BreakerSection>) -> Dict {
    if breaker.is_none() {
        frame.dict.entry("breaker".to_owned()).or_insert_with(|| NONE.into());
        return Dict::new();
    }
    frame.dict.remove("breaker").and_then(Value::into_dict).unwrap_or_default()
}

/// The settings as they show themselves.
fn shown(breaker: &BreakerSection) -> Dict {
    Value::serialize(breaker).ok().and_then(Value::into_dict).unwrap_or_default()
}
