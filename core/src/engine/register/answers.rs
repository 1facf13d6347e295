//! What a store has said of versions, by what they are versions of. Each read asks for those of the namespace's levels, at
//! least twice: they stand in a row of their own, so that finding one is no hashing of bytes.

use std::collections::HashMap;

use crate::entry::Scope;

/// An answer for each of some scopes.
#[derive(Debug)]
pub(super) struct Answers<A> {
    /// Of the levels of the namespace, by their numbers.
    levels: Vec<Option<A>>,
    tags: HashMap<Scope, A>,
}

impl<A> Default for Answers<A> {
    fn default() -> Self {
        Self { levels: Vec::new(), tags: HashMap::new() }
    }
}

impl<A> Answers<A> {
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

    pub(super) fn get_mut(&mut self, scope: &Scope) -> Option<&mut A> {
        match scope {
            Scope::Namespace(level) => self.levels.get_mut(usize::from(*level))?.as_mut(),
            tag @ Scope::Tag(_) => self.tags.get_mut(tag),
        }
    }

    pub(super) fn insert(&mut self, scope: Scope, answer: A) {
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
    }

    pub(super) fn each(&mut self, change: impl FnMut(&mut A)) {
        self.levels.iter_mut().flatten().chain(self.tags.values_mut()).for_each(change);
    }

    /// Forgets those of which this does not hold.
    pub(super) fn retain(&mut self, keep: impl Fn(&A) -> bool) {
        for answer in &mut self.levels {
            answer.take_if(|answer| !keep(answer));
        }
        self.tags.retain(|_, answer| keep(answer));
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
        *answers.get_mut(&tag("a")).unwrap() += 1;
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
}
