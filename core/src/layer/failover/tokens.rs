//! Tokens of the second store, so that none of them is one of the first.

use crate::{
    backend::{Condition, Lookup, Written},
    entry::Token,
};

/// How the tokens of a store look outside. Stores that count have small numbers, and so would take each other's for their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens(u64);

impl Tokens {
    /// As they are.
    pub(super) const OF_FIRST: Self = Self(0);

    /// Those of the second store in this era, which are none in another era either.
    pub(super) fn of_second(era: u64) -> Self {
        // The finalizer of SplitMix64: numbers of neighbouring eras have nothing in common.
        let mixed = (era ^ (era >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(mixed ^ (mixed >> 31))
    }

    /// From outside to inside and back.
    fn turned(self, Token(token): Token) -> Token {
        Token(token ^ self.0)
    }

    pub(super) fn condition(self, condition: Condition) -> Condition {
        match condition {
            Condition::Unchanged(token) => Condition::Unchanged(self.turned(token)),
            other => other,
        }
    }

    pub(super) fn written(self, written: Written) -> Written {
        match written {
            Written::Yes(token) => Written::Yes(self.turned(token)),
            Written::No => Written::No,
        }
    }

    pub(super) fn lookup(self, lookup: Lookup) -> Lookup {
        match lookup {
            Lookup::Hit(entry) if self != Self::OF_FIRST => {
                let token = self.turned(entry.token());
                Lookup::Hit(entry.with_token(token))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_those_of_neighbouring_eras_are_far_from_each_other() {
        let (one, other) = (Tokens::of_second(1001), Tokens::of_second(1003));
        let counted = Token(17);
        assert_eq!(one.turned(one.turned(counted)), counted);
        assert_eq!(Tokens::OF_FIRST.turned(counted), counted);
        for foreign in [one.turned(other.turned(counted)), one.turned(counted)] {
            assert!(foreign.0 > u64::from(u32::MAX), "a store that counts may come to {foreign:?}");
        }
    }
}
