//! Stack distances: how many other keys, and bytes of them, were asked for since a key was last asked for. A cache of that size
//! that drops what was used least recently is the smallest that answers (Mattson and others, 1970). Sums are kept
//! in a Fenwick tree over the order of last uses, which is numbered anew when its places run out.

/// A place that is not taken.
const FREE: u32 = u32::MAX;
/// A tree has at least so many places.
const LEAST: usize = 1024;

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
    /// Of place `i + 1`, the sums of the places that Fenwick's tree keeps there.
    tree: Vec<Sum>,
    /// Whose place it is.
    owners: Vec<u32>,
    next: usize,
    all: Sum,
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
        let since = place.map(|(place, before)| {
            let since = self.all.minus(self.up_to(place as usize));
            self.take(place as usize, before);
            since
        });
        if self.next == self.owners.len() {
            self.number_anew(moved);
        }
        let at = self.next;
        self.next += 1;
        self.owners[at] = key;
        self.add(at, one);
        self.all = self.all.plus(one);
        // There are fewer places than `u32` counts: twice the keys.
        (since, u32::try_from(at).unwrap_or(FREE))
    }

    /// Begins again with these keys, in the order of their last uses, and what they count.
    pub(crate) fn begin_again(&mut self, keys: &[(u32, Sum)]) {
        let places = (keys.len() * 2).next_power_of_two().max(LEAST);
        self.tree = vec![Sum::default(); places];
        self.owners = vec![FREE; places];
        self.next = keys.len();
        self.all = Sum::default();
        for (at, (key, one)) in keys.iter().enumerate() {
            self.owners[at] = *key;
            self.tree[at] = *one;
            self.all = self.all.plus(*one);
        }
        // Each place's sum goes to the next that includes it: in one pass, the tree.
        for at in 1..=places {
            let parent = at + (at & at.wrapping_neg());
            if parent <= places {
                self.tree[parent - 1] = self.tree[parent - 1].plus(self.tree[at - 1]);
            }
        }
    }

    fn number_anew(&mut self, mut moved: impl FnMut(u32, u32)) {
        let mut tree = std::mem::take(&mut self.tree);
        // The pass of `begin_again`, backwards: what each place has of its own.
        for at in (1..=tree.len()).rev() {
            let parent = at + (at & at.wrapping_neg());
            if parent <= tree.len() {
                tree[parent - 1] = tree[parent - 1].minus(tree[at - 1]);
            }
        }
        let mut keys = Vec::with_capacity(self.owners.len() / 2);
        for (key, own) in self.owners.iter().zip(&tree).filter(|(key, _)| **key != FREE) {
            moved(*key, u32::try_from(keys.len()).unwrap_or(FREE));
            keys.push((*key, *own));
        }
        drop(tree);
        self.begin_again(&keys);
    }

    /// The sum of the places up to this one.
    fn up_to(&self, place: usize) -> Sum {
        let mut at = place + 1;
        let mut sum = Sum::default();
        while at > 0 {
            sum = sum.plus(self.tree[at - 1]);
            at &= at - 1;
        }
        sum
    }

    fn add(&mut self, place: usize, what: Sum) {
        let mut at = place + 1;
        while at <= self.tree.len() {
            self.tree[at - 1] = self.tree[at - 1].plus(what);
            at += at & at.wrapping_neg();
        }
    }

    fn take(&mut self, place: usize, what: Sum) {
        let mut at = place + 1;
        while at <= self.tree.len() {
            self.tree[at - 1] = self.tree[at - 1].minus(what);
            at += at & at.wrapping_neg();
        }
        self.owners[place] = FREE;
        self.all = self.all.minus(what);
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
