//! Entries that are carried from one process to the next by a store that leaves a snapshot: what they were written under, judged
//! here and renewed there.

use super::super::stamps::Levels;
use crate::{
    entry::{Scope, Stamp, Stamps},
    key::Namespace,
    versions::Versions,
};

impl Versions {
    /// Whether an entry of this namespace that was written under these still stands: nothing of it was invalidated or expired.
    pub fn stands(&self, namespace: &Namespace, stamps: &[Stamp]) -> bool {
        let levels = Levels::of(namespace);
        levels.are_all_in(stamps)
            && stamps.iter().all(|stamp| {
                levels.record(&stamp.scope).is_some_and(|record| self.get(&record.owned()) == stamp.version)
            })
    }

    /// What an entry of this namespace that was written under these scopes would be written under now. `None` if no entry of it
    /// can have been: its levels are not all among them, in order and first.
    pub fn stamps_of(&self, namespace: &Namespace, scopes: &[Scope]) -> Option<Stamps> {
        let levels = Levels::of(namespace);
        let mut stamps = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let version = self.get(&levels.record(scope)?.owned());
            stamps.push(Stamp { scope: scope.clone(), version });
        }
        levels.are_all_in(&stamps).then(|| stamps.into())
    }
}

#[cfg(test)]
#[cfg(not(larder_loom))]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_carried_and_what_was_invalidated_does_not_stand() {
        let (before, after) = (Versions::new(), Versions::new());
        let namespace = Namespace::new("shop/users", 1).unwrap();
        let scopes = [Scope::Namespace(0), Scope::Namespace(1), Scope::Tag("t".into())];
        let stamps = before.stamps_of(&namespace, &scopes).unwrap();
        assert!(before.stands(&namespace, &stamps));
        assert!(!after.stands(&namespace, &stamps), "they are another process's");
        let carried = after.stamps_of(&namespace, &scopes).unwrap();
        assert!(after.stands(&namespace, &carried));
        let levels = Levels::of(&namespace);
        for scope in &scopes {
            let stamps = after.stamps_of(&namespace, &scopes).unwrap();
            assert!(after.bump(levels.record(scope).unwrap().owned(), scope == &scopes[1]));
            assert!(!after.stands(&namespace, &stamps), "{scope:?}");
        }
        for incomplete in [&scopes[1..], &scopes[2..], &[], &[Scope::Namespace(1), Scope::Namespace(0)]] {
            assert!(after.stamps_of(&namespace, incomplete).is_none(), "{incomplete:?}");
        }
        assert!(
            after
                .stamps_of(&namespace, &[Scope::Namespace(0), Scope::Namespace(1), Scope::Namespace(2)])
                .is_none()
        );
        after.seal();
        assert!(!after.bump(levels.record(&scopes[0]).unwrap().owned(), false));
    }
}
