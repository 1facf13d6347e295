//! The values, keys and picks that all lanes have in common.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// How many keys a lane's store holds.
pub(crate) const KEYS: u32 = 50_000;

/// How many operations have not given what was asked for.
static WRONG: AtomicU64 = AtomicU64::new(0);

/// Notes an operation whose answer is wrong: a lane that finds nothing must not look fast. The same small price for all.
#[inline]
pub(crate) fn expect(right: bool) {
    if !right {
        wrong();
    }
}

#[cold]
fn wrong() {
    WRONG.fetch_add(1, Relaxed);
}

/// How many such there were since this was asked last.
pub(crate) fn wrong_answers() -> u64 {
    WRONG.swap(0, Relaxed)
}

/// Random numbers that are the same in every run (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to below 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// So many numbers below `keys`, Zipf-distributed with exponent 0.99; the popular ones are spread over the range.
#[allow(clippy::cast_possible_truncation, reason = "below `keys`, which is 32 bits")]
pub(crate) fn zipf(keys: u32, picks: usize, seed: u64) -> Arc<[u32]> {
    let mut sums: Vec<f64> = Vec::with_capacity(keys as usize);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += 1.0 / f64::from(rank).powf(0.99);
        sums.push(sum);
    }
    let mut random = Random::new(seed);
    let mut places: Vec<u32> = (0..keys).collect();
    for place in (1..places.len()).rev() {
        places.swap(place, (random.next() % (place as u64 + 1)) as usize);
    }
    (0..picks)
        .map(|_| {
            let point = random.fraction() * sum;
            places[sums.partition_point(|sum| *sum < point).min(places.len() - 1)]
        })
        .collect()
}

/// What is cached: some 1 KiB of strings and numbers, as an answer of a service has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, hitbox_derive::CacheableResponse)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) labels: Vec<String>,
    pub(crate) score: f64,
    pub(crate) text: String,
    pub(crate) related: Vec<u64>,
}

const WORDS: [&str; 24] = [
    "plum",
    "pear",
    "apple",
    "quince",
    "medlar",
    "cherry",
    "sloe",
    "damson",
    "fig",
    "mulberry",
    "currant",
    "gooseberry",
    "harvest",
    "orchard",
    "basket",
    "ladder",
    "cellar",
    "press",
    "vinegar",
    "sugar",
    "kettle",
    "jar",
    "label",
    "shelf",
];

impl Item {
    /// The one of this number: always the same.
    pub(crate) fn numbered(id: u32) -> Self {
        Self::sized(id, 760)
    }

    /// With a text of this many bytes, or a word more.
    pub(crate) fn sized(id: u32, text: usize) -> Self {
        let mut random = Random::new(u64::from(id));
        Self {
            id: u64::from(id),
            title: words(&mut random, 40),
            labels: (0..4).map(|_| words(&mut random, 12)).collect(),
            score: random.fraction(),
            text: words(&mut random, text),
            related: (0..8).map(|_| random.next() >> 20).collect(),
        }
    }

    /// The first [`KEYS`], made once.
    pub(crate) fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Item>> = OnceLock::new();
        ALL.get_or_init(|| (0..KEYS).map(Self::numbered).collect())
    }

    /// A key as services write it.
    pub(crate) fn key(id: u32) -> String {
        format!("item:{id}")
    }

    /// The keys of all items.
    pub(crate) fn keys() -> Vec<String> {
        (0..KEYS).map(Self::key).collect()
    }
}

fn words(random: &mut Random, least: usize) -> String {
    let mut text = String::with_capacity(least + 16);
    while text.len() < least {
        if !text.is_empty() {
            text.push(' ');
        }
        // Words alone would compress far better than what services keep.
        let draw = random.next();
        match draw % 4 {
            0 => {
                let _ = write!(text, "{:x}", draw >> 40);
            }
            _ => text.push_str(WORDS[(draw >> 8) as usize % WORDS.len()]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_kibibyte_and_always_the_same() {
        let bytes = rmp_serde::to_vec_named(&Item::numbered(7)).unwrap().len();
        assert!((950..1100).contains(&bytes), "{bytes}");
        assert_eq!(Item::numbered(7), Item::numbered(7));
        assert_ne!(Item::numbered(7).text, Item::numbered(8).text);
    }

    #[test]
    fn picks_are_zipf_distributed() {
        let picks = zipf(1000, 100_000, 1);
        let mut counts = vec![0_u32; 1000];
        picks.iter().for_each(|pick| counts[*pick as usize] += 1);
        counts.sort_unstable();
        // H(1000, 0.99) is about 7.73, so that the first of 1000 gets 12.9 %, the second half of it.
        assert!((12_000..14_000).contains(&counts[999]), "{}", counts[999]);
        assert!((5_800..7_200).contains(&counts[998]), "{}", counts[998]);
    }
}
