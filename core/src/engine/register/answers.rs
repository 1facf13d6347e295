//! What a store has said of versions, by what they are versions of. Each read asks for those of the namespace's levels, at
//! least twice: they stand in a row of their own, so that finding one is no hashing of bytes.

use std::{collections::HashMap, sync::Arc};

use super::state::State;
use crate::entry::Scope;

/// An answer for each of some scopes.
#[derive(Debug)]
pub(super) struct Answers<A> {
    /// Of the levels of the namespace, by their numbers.
    levels: Vec<Option<A>>,
    tags: HashMap<Scope, A>,
    /// Another one whenever an answer is changed, replaced or forgotten.
    state: Arc<State>,
}

impl<A> Default for Answers<A> {
    fn default() -> Self {
        Self { levels: Vec::new(), tags: HashMap::new(), state: Arc::default() }
    }
}

impl<A> Answers<A> {
    /// Names the state of all answers: who has looked at some of them needs not look again while it is the same.
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// About how many there are: never fewer.
    pub(super) fn len(&self) -> usize {
        self.levels.len() + self.tags.len()
    }

    #[inline]
    pub(super) fn get(&self, scope: &Scope) -> Option<&A> {
        match scope {
            Scope::Namespace(level) => self.levels.get(usize::from(*level))?.as_ref(),
            tag @ Scope::Tag(_) => self.tags.get(tag),
        }
    }

    /// Changes an answer, if there is one.
    pub(super) fn change(&mut self, scope: &Scope, change: impl FnOnce(&mut A)) {
        let answer = match scope {
            Scope::Namespace(level) => self.levels.get_mut(usize::from(*level)).and_then(Option::as_mut),
            tag @ Scope::Tag(_) => self.tags.get_mut(tag),
        };
        if let Some(answer) = answer {
            change(answer);
            self.state.has_changed();
        }
    }

    pub(super) fn insert(&mut self, scope: Scope, answer: A) {
        let is_other = self.get(&scope).is_some();
        match scope {
            Scope::Namespace(level) => {
                let level = usize::from(level);
                if self.levels.len() <= level {
                    // A level is a byte: there are 256 at most.
                    self.levels.resize_with(level + 1, || None);
                }
                self.levels[level] = Some(answer);
            }
            tag @ Scope::Tag(_) => {
                self.tags.insert(tag, answer);
            }
        }
        // Nobody can have looked at one that was not there.
        if is_other {
            self.state.has_changed();
        }
    }

    pub(super) fn remove(&mut self, scope: &Scope) {
        match scope {
            Scope::Namespace(level) => {
                if let Some(answer) = self.levels.get_mut(usize::from(*level)) {
                    *answer = None;
                }
            }
            tag @ Scope::Tag(_) => {
                self.tags.remove(tag);
            }
        }
        self.state.has_changed();
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
    }

    pub(super) fn each(&mut self, change: impl FnMut(&mut A)) {
        self.levels.iter_mut().flatten().chain(self.tags.values_mut()).for_each(change);
        self.state.has_changed();
    }

    /// Forgets those of which this does not hold.
    pub(super) fn retain(&mut self, keep: impl Fn(&A) -> bool) {
        for answer in &mut self.levels {
            answer.take_if(|answer| !keep(answer));
        }
        self.tags.retain(|_, answer| keep(answer));
        self.state.has_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_tags_are_kept_apart_and_found_again() {
        let tag = |name: &str| Scope::Tag(name.into());
        let mut answers = Answers::default();
        for (scope, answer) in
            [(Scope::Namespace(2), 2), (tag("a"), 10), (Scope::Namespace(0), 0), (tag(""), 11)]
        {
            assert_eq!(answers.get(&scope), None);
            answers.insert(scope.clone(), answer);
            assert_eq!(answers.get(&scope), Some(&answer));
        }
        assert_eq!((answers.get(&Scope::Namespace(1)), answers.get(&Scope::Namespace(255))), (None, None));
        assert!(answers.len() >= 4);
        answers.insert(Scope::Namespace(2), 3);
        answers.change(&tag("a"), |answer| *answer += 1);
        answers.change(&tag("z"), |_| unreachable!("there is none"));
        answers.retain(|answer| *answer != 0);
        assert_eq!((answers.get(&Scope::Namespace(0)), answers.get(&Scope::Namespace(2))), (None, Some(&3)));
        assert_eq!(answers.get(&tag("a")), Some(&11));
        answers.retain(|answer| *answer == 3);
        assert_eq!((answers.get(&tag("a")), answers.get(&tag(""))), (None, None));
        answers.remove(&Scope::Namespace(2));
        answers.remove(&Scope::Namespace(9));
        answers.remove(&tag("z"));
        assert_eq!(answers.get(&Scope::Namespace(2)), None);
    }
    #[test]
    fn whoever_changes_an_answer_changes_the_state() {
        let (one, other) = (Scope::Namespace(0), Scope::Tag("a".into()));
        let mut answers = Answers::default();
        let mut seen = vec![answers.state().now()];
        let mut has_changed = |answers: &Answers<i32>| {
            let now = answers.state().now();
            let is_new = !seen.contains(&now);
            seen.push(now);
            is_new
        };
        answers.insert(one.clone(), 1);
        answers.insert(other.clone(), 2);
        assert!(!has_changed(&answers), "nobody can have looked at what was not there");
        answers.insert(other.clone(), 3);
        assert!(has_changed(&answers));
        answers.change(&one, |answer| *answer = 4);
        assert!(has_changed(&answers));
        answers.each(|answer| *answer = 5);
        assert!(has_changed(&answers));
        answers.retain(|_| true);
        assert!(has_changed(&answers));
        answers.remove(&one);
        assert!(has_changed(&answers));
        answers.clear();
        assert!(has_changed(&answers));
        assert_eq!(answers.get(&other), None);
    }
}
