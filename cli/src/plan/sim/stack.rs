//! Stack distances: how many other keys, and bytes of them, were asked for since a key was last asked for. A cache of that size
//! that drops what was used least recently is the smallest that answers (Mattson and others, 1970). Sums are kept
//! in a tree over the order of last uses, which is numbered anew when its places run out.

/// A place that is not taken.
const FREE: u32 = u32::MAX;
/// A tree has at least so many places.
const LEAST: usize = 1024;
/// So many sums are one sum of the level above. A Fenwick tree needs three times the cache lines for each use of a key.
const FAN: usize = 16;

/// How many, and how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) keys: f64,
    pub(crate) bytes: f64,
}

impl Sum {
    /// A key of this size that stands for as many. Whole numbers are exact below 2^53.
    pub(crate) fn of(bytes: u32, stands_for: f64) -> Self {
        Self { keys: stands_for, bytes: f64::from(bytes) * stands_for }
    }

    fn plus(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }

    fn minus(self, other: Self) -> Self {
        Self { keys: self.keys - other.keys, bytes: self.bytes - other.bytes }
    }
}

/// The order in which keys were last used. Each key is known by a number of the caller's.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// What each place has, then the sums of [`FAN`] places each, of as many of those, and so on up to one block.
    levels: Vec<Vec<Sum>>,
    /// Whose place it is.
    owners: Vec<u32>,
    next: usize,
}

impl Stack {
    /// A key is used, and the place that it had is `place`; gives what was used since then, without it, and its new place.
    /// With `None`, it is a new one.
    ///
    /// `moved` hears of keys whose places change.
    pub(crate) fn use_key(
        &mut self,
        key: u32,
        place: Option<(u32, Sum)>,
        one: Sum,
        moved: impl FnMut(u32, u32),
    ) -> (Option<Sum>, u32) {
        let since = place.map(|(place, before)| self.take(place as usize, before));
        if self.next == self.owners.len() {
            self.number_anew(moved);
        }
        let at = self.next;
        self.next += 1;
        self.owners[at] = key;
        self.add(at, one);
        // There are fewer places than `u32` counts: twice the keys.
        (since, u32::try_from(at).unwrap_or(FREE))
    }

    /// Reads what is needed when the key at this place is used. What it gives has no meaning.
    pub(crate) fn look(&self, place: u32) -> u32 {
        let own =
            self.levels.first().and_then(|level| level.get(place as usize)).is_some_and(|own| own.keys > 0.0);
        self.owners.get(place as usize).map_or(0, |owner| owner ^ u32::from(own))
    }

    /// Begins again with these keys, in the order of their last uses, and what they count.
    pub(crate) fn begin_again(&mut self, keys: &[(u32, Sum)]) {
        let places = (keys.len() * 2).next_power_of_two().max(LEAST);
        self.owners.clear();
        self.owners.extend(keys.iter().map(|(key, _)| *key));
        self.owners.resize(places, FREE);
        self.next = keys.len();
        self.levels.truncate(1);
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        let lowest = &mut self.levels[0];
        lowest.clear();
        lowest.extend(keys.iter().map(|(_, one)| *one));
        lowest.resize(places, Sum::default());
        while let Some(below) = self.levels.last()
            && below.len() > FAN
        {
            let sums = below.chunks(FAN).map(|some| some.iter().copied().fold(Sum::default(), Sum::plus));
            let level = sums.collect();
            self.levels.push(level);
        }
    }

    fn number_anew(&mut self, mut moved: impl FnMut(u32, u32)) {
        let Some(lowest) = self.levels.first() else { return self.begin_again(&[]) };
        let taken = self.owners.iter().zip(lowest).filter(|(key, _)| **key != FREE);
        let keys: Vec<(u32, Sum)> = taken.map(|(key, own)| (*key, *own)).collect();
        for (at, (key, _)) in keys.iter().enumerate() {
            moved(*key, u32::try_from(at).unwrap_or(FREE));
        }
        self.begin_again(&keys);
    }

    fn add(&mut self, mut place: usize, what: Sum) {
        for level in &mut self.levels {
            level[place] = level[place].plus(what);
            place /= FAN;
        }
    }

    /// Frees a place, and gives the sum of those after it.
    fn take(&mut self, place: usize, what: Sum) -> Sum {
        self.owners[place] = FREE;
        let mut since = Sum::default();
        let mut at = place;
        for level in &mut self.levels {
            let end = (at / FAN * FAN + FAN).min(level.len());
            since = level[at + 1..end].iter().copied().fold(since, Sum::plus);
            level[at] = level[at].minus(what);
            at /= FAN;
        }
        since
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list, in which the distance is counted.
        #[test]
        fn distances_are_those_of_a_list(uses in proptest::collection::vec((0_u32..40, 0_u32..100), 1..6000)) {
            let mut stack = Stack::default();
            let mut places: Vec<Option<(u32, Sum)>> = vec![None; 40];
            let mut list: Vec<(u32, u32)> = Vec::new();
            for (key, bytes) in uses {
                let mut moves = Vec::new();
                let (since, place) =
                    stack.use_key(key, places[key as usize], Sum::of(bytes, 1.0), |key, place| moves.push((key, place)));
                for (key, place) in moves {
                    if let Some(known) = &mut places[key as usize] {
                        known.0 = place;
                    }
                }
                places[key as usize] = Some((place, Sum::of(bytes, 1.0)));
                let expected = list.iter().position(|(known, _)| *known == key).map(|at| Sum {
                    keys: f64::from(u32::try_from(at).unwrap()),
                    bytes: list[..at].iter().map(|(_, bytes)| f64::from(*bytes)).sum(),
                });
                prop_assert_eq!(since, expected);
                list.retain(|(known, _)| *known != key);
                list.insert(0, (key, bytes));
            }
        }
    }
}
