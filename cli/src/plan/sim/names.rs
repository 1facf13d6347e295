//! The names of the keys that are asked for most. All others are known by their hashes only, so a log may have as many keys as it
//! likes.

use std::collections::HashMap;

/// There are no more than so many names.
const MOST: usize = 4096;

/// The names of keys by their hashes.
#[derive(Debug)]
pub(crate) struct Names {
    names: HashMap<u64, String>,
    /// From so many requests on, a key has a name.
    from: u32,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { names: HashMap::new(), from: 1 }
    }

    /// A key was asked for the `count`th time.
    #[inline]
    pub(crate) fn count<'a>(&mut self, hash: u64, count: u32, name: impl FnOnce() -> &'a [u8]) {
        if count == self.from {
            self.names.insert(hash, String::from_utf8_lossy(name()).into_owned());
        }
    }

    /// Whether there are too many.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.names.len() > MOST
    }

    /// Drops the names of keys that were asked for less than twice as often as before.
    pub(crate) fn drop_some(&mut self, count: impl Fn(u64) -> u32) {
        self.from = self.from.saturating_mul(2);
        self.names.retain(|hash, _| count(*hash) >= self.from);
    }

    /// Drops the names of keys that are not looked at any more.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.names.retain(|hash, _| is_kept(*hash));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.names.iter().map(|(hash, name)| (*hash, name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_asked_for_have_names() {
        let mut names = Names::new();
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for round in 0..40 {
            for key in 0..100_000 / (round + 1) {
                let count = counts.entry(key).or_default();
                *count += 1;
                names.count(key, *count, || b"name");
                if names.is_full() {
                    names.drop_some(|hash| counts.get(&hash).copied().unwrap_or_default());
                }
            }
        }
        assert!(names.iter().count() <= MOST);
        assert!((0..1000).all(|key| names.iter().any(|(hash, _)| hash == key)));
    }
}
