//! Who listens to what.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use larder_core::{
    backend::{Ear, Notice},
    key::Namespace,
};

/// Those who listen, and to what the texts of keys begin with.
#[derive(Debug, Default)]
pub(super) struct Ears(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// A prefix includes the `:` behind the namespace, which stands in no other place before it.
    by_prefix: HashMap<String, Vec<Weak<dyn Ear>>>,
    all: Vec<Weak<dyn Ear>>,
    /// Those that wait for the server to be asked for their prefixes.
    new: Vec<(Vec<String>, Weak<dyn Ear>)>,
}

/// What the server is asked for, and who is told when it has agreed.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) prefixes: Vec<String>,
    ears: Vec<Weak<dyn Ear>>,
}

impl Ears {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        self.state().new.push((namespace.key_prefixes().collect(), ear));
    }

    /// Whether nobody listens any more. Forgets those who are gone.
    pub(super) fn is_empty(&self) -> bool {
        let mut state = self.state();
        let is_there = |ear: &Weak<dyn Ear>| ear.strong_count() > 0;
        state.all.retain(is_there);
        state.new.retain(|(_, ear)| is_there(ear));
        state.by_prefix.values_mut().for_each(|ears| ears.retain(is_there));
        // Those that the server has not agreed to yet are among these only.
        state.new.is_empty() && state.by_prefix.values().all(Vec::is_empty)
    }

    /// A new channel: everybody is new on it.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        let mut prefixes: Vec<(Vec<String>, Weak<dyn Ear>)> = Vec::new();
        for (prefix, ears) in std::mem::take(&mut state.by_prefix) {
            for ear in ears.into_iter().filter(|ear| ear.strong_count() > 0) {
                match prefixes.iter_mut().find(|(_, known)| known.ptr_eq(&ear)) {
                    Some((prefixes, _)) => prefixes.push(prefix.clone()),
                    None => prefixes.push((vec![prefix.clone()], ear)),
                }
            }
        }
        state.all.clear();
        state.new.append(&mut prefixes);
    }

    /// What the server has not been asked for yet on this channel, and who waits for it. `None`: nobody waits. From here on they
    /// are told of changes; what may have been missed before is a gap once the server has [agreed](Self::agreed).
    pub(super) fn ask(&self) -> Option<Asked> {
        let mut state = self.state();
        if state.new.is_empty() {
            return None;
        }
        let mut asked = Asked::default();
        let mut seen = HashSet::new();
        for (prefixes, ear) in std::mem::take(&mut state.new) {
            if ear.strong_count() == 0 {
                continue;
            }
            for prefix in prefixes {
                let ears = state.by_prefix.entry(prefix.clone()).or_insert_with(|| {
                    seen.insert(prefix.clone());
                    Vec::new()
                });
                ears.retain(|ear| ear.strong_count() > 0);
                ears.push(Weak::clone(&ear));
            }
            asked.ears.push(ear);
        }
        asked.prefixes.extend(seen);
        Some(asked)
    }

    /// The server has agreed to tell those.
    pub(super) fn agreed(&self, asked: Asked) {
        let there: Vec<Arc<dyn Ear>> = asked.ears.iter().filter_map(Weak::upgrade).collect();
        there.iter().for_each(|ear| ear.hear(Notice::Gap));
        self.state().all.extend(asked.ears);
    }

    /// Tells those whom the key of this text concerns.
    pub(super) fn changed(&self, text: &str) {
        let Some(end) = text.find(':') else { return };
        let ears: Vec<Arc<dyn Ear>> = {
            let state = self.state();
            let Some(ears) = state.by_prefix.get(&text[..=end]) else { return };
            ears.iter().filter_map(Weak::upgrade).collect()
        };
        ears.iter().for_each(|ear| ear.hear(Notice::Changed(text)));
    }

    /// Tells everybody whom the server tells.
    pub(super) fn tell(&self, notice: Notice<'_>) {
        let ears: Vec<Arc<dyn Ear>> = self.state().all.iter().filter_map(Weak::upgrade).collect();
        ears.iter().for_each(|ear| ear.hear(notice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Ear for Heard {
        fn hear(&self, notice: Notice<'_>) {
            self.0.lock().unwrap().push(match notice {
                Notice::Changed(text) => text.to_owned(),
                Notice::Gap => "gap".to_owned(),
                _ => "alive".to_owned(),
            });
        }
    }

    impl Heard {
        fn on(ears: &Ears, namespace: &str) -> Arc<Self> {
            let heard = Arc::new(Self::default());
            let ear: Arc<dyn Ear> = Arc::clone(&heard) as _;
            ears.add(&Namespace::new(namespace, 0).unwrap(), Arc::downgrade(&ear));
            heard
        }

        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[test]
    fn each_hears_of_its_own_namespace_and_of_the_levels_above_it() {
        let ears = Ears::default();
        let (users, shop) = (Heard::on(&ears, "shop/users"), Heard::on(&ears, "shop"));
        let asked = ears.ask().unwrap();
        let mut prefixes = asked.prefixes.clone();
        prefixes.sort();
        assert_eq!(prefixes, ["shop!v:", "shop/users!v:", "shop/users:", "shop:"], "each once");
        assert!(ears.ask().is_none() && !ears.is_empty());
        ears.agreed(asked);
        for text in ["shop:a", "shop/users:b", "shop!v:generation", "shopping:c", "nothing"] {
            ears.changed(text);
        }
        ears.tell(Notice::Gap);
        assert_eq!(users.take(), ["gap", "shop/users:b", "shop!v:generation", "gap"]);
        assert_eq!(shop.take(), ["gap", "shop:a", "shop!v:generation", "gap"]);
        // On a new channel everything is asked for again.
        ears.renew();
        ears.tell(Notice::Gap);
        assert!(shop.take().is_empty(), "the server has not agreed yet");
        assert_eq!(ears.ask().unwrap().prefixes.len(), 4);
        drop((users, shop));
        ears.renew();
        assert!(ears.ask().is_none() && ears.is_empty());
    }
}
