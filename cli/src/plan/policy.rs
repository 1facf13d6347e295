//! What our own store in memory would have answered: the real one, filled with the requests of the log, at each size. Its policy is
//! none that can be reckoned for all sizes at once, so it is run on up to half a million requests; of a longer log, on those for a part of the
//! keys, with a part of the room. What that part says of LRU is known as well, and of the whole log too: the
//! difference between the two policies is what is taken from it.

use std::collections::HashMap;

use larder::{Cache, Clock, Key};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

use super::{
    log::{Event, Kind},
    sim::{Stack, Sum},
};
use crate::{exit::Failure, look::wait};

/// So many requests are kept.
pub(super) const MOST: usize = 500_000;
/// A store with less room than this for the keys of a sample says nothing about a larger one.
const LEAST_ROOM: f64 = 64.0;

/// Requests for some of the keys.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Keys whose hash is below.
    threshold: u64,
    hashes: Vec<u64>,
    most: usize,
}

impl Recorded {
    /// Keeps up to so many requests.
    pub(super) const fn new(most: usize) -> Self {
        Self { threshold: u64::MAX, hashes: Vec::new(), most }
    }

    /// Keeps a request, if it is for one of the keys, and would be stored.
    pub(super) fn add(&mut self, event: &Event) {
        let is_read = matches!(event.kind, Kind::Read | Kind::ReadOfBody);
        if !is_read || !event.is_storable || mixed(event.hash) > self.threshold {
            return;
        }
        self.hashes.push(event.hash);
        while self.hashes.len() > self.most {
            self.threshold = self.threshold / 4 * 3;
            let threshold = self.threshold;
            self.hashes.retain(|hash| mixed(*hash) <= threshold);
        }
    }

    /// The share of keys.
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    fn rate(&self) -> f64 {
        self.threshold as f64 / u64::MAX as f64
    }

    /// For each of these sizes, in entries, with the hit ratio that LRU has there: that of our store. `None` where the sample is too
    /// small to tell.
    pub(super) fn ratios(&self, sizes: &[(u64, f64)]) -> Result<Vec<Option<f64>>, Failure> {
        let all = self.lru_distances();
        sizes
            .iter()
            .map(|(size, lru)| {
                let Some(room) = self.room(*size) else { return Ok(None) };
                let (ours, theirs) = (self.run(room)?, all.hits(room));
                #[allow(clippy::cast_precision_loss, reason = "up to half a million")]
                let difference = (ours as f64 - theirs as f64) / self.hashes.len().max(1) as f64;
                Ok(Some((lru + difference).clamp(0.0, 1.0)))
            })
            .collect()
    }

    /// The room that a store has for these keys, where one for all has so much.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 2^53"
    )]
    fn room(&self, size: u64) -> Option<u64> {
        let room = size as f64 * self.rate();
        (self.threshold == u64::MAX || room >= LEAST_ROOM).then_some((room.round() as u64).max(1))
    }

    /// How many requests the real store answers.
    fn run(&self, room: u64) -> Result<u64, Failure> {
        let store = QuickCacheBackend::new(QuickCacheConfig::entries(room), Clock::system())?;
        let cache = Cache::<u64>::builder(store).namespace("plan").build()?;
        wait(async {
            let mut hits = 0;
            for hash in &self.hashes {
                let key = Key::new("k").part(*hash);
                if cache.get(&key).await?.is_some() {
                    hits += 1;
                } else {
                    cache.set(&key, *hash).await?;
                }
            }
            Ok(hits)
        })
    }

    fn lru_distances(&self) -> Distances {
        let (mut stack, mut places, mut distances) = (Stack::default(), Vec::new(), Vec::new());
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let one = Sum::of(0, 1.0);
        for hash in &self.hashes {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(*hash).or_insert(next);
            let known = places.get(number as usize).map(|place| (*place, one));
            let (since, place) =
                stack.use_key(number, known, one, |moved, place| places[moved as usize] = place);
            match places.get_mut(number as usize) {
                Some(own) => *own = place,
                None => places.push(place),
            }
            distances.extend(since.map(|since| since.keys));
        }
        distances.sort_unstable_by(f64::total_cmp);
        Distances(distances)
    }
}

/// How many other keys were asked for between two requests for one; ascending.
struct Distances(Vec<f64>);

impl Distances {
    /// How many requests an LRU with this room answers.
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    fn hits(&self, room: u64) -> u64 {
        self.0.partition_point(|distance| distance + 1.0 <= room as f64) as u64
    }
}

/// Other bits than those by which the simulation samples.
const fn mixed(hash: u64) -> u64 {
    hash.wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn zipf(requests: u64, keys: f64) -> Vec<Event> {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let events = (0..requests).map(|number| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            #[allow(clippy::cast_precision_loss)]
            let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let rank = ((keys.powf(0.1) - 1.0) * share + 1.0).powf(10.0) as u64;
            Event::of(number.try_into().unwrap(), Kind::Read, xxh3_64(&rank.to_le_bytes()), 1)
        });
        events.collect()
    }

    fn recorded(events: &[Event], most: usize) -> Recorded {
        let mut recorded = Recorded::new(most);
        events.iter().for_each(|event| recorded.add(event));
        recorded
    }

    #[test]
    fn a_short_log_is_run_as_it_is_and_its_policy_is_not_lru() {
        let events = zipf(40_000, 10_000.0);
        let recorded = recorded(&events, MOST);
        assert_eq!((recorded.hashes.len(), recorded.rate() < 1.0), (40_000, false));
        let distances = recorded.lru_distances();
        #[allow(clippy::cast_precision_loss)]
        let lru = |size| (size, distances.hits(size) as f64 / 4e4);
        let sizes = [lru(10), lru(200), lru(2000), lru(100_000)];
        let ratios = recorded.ratios(&sizes).unwrap();
        for ((size, _), ratio) in sizes.iter().zip(&ratios) {
            #[allow(clippy::cast_precision_loss)]
            let run = recorded.run(*size).unwrap() as f64 / 4e4;
            assert!((ratio.unwrap() - run).abs() < 1e-9, "{size}");
        }
        // It keeps what is asked for often: with little room, that is worth something.
        assert!(ratios[1].unwrap() > sizes[1].1 + 0.02, "{ratios:?} {sizes:?}");
        assert!((ratios[3].unwrap() - sizes[3].1).abs() < 1e-9, "with room for everything they are the same");
    }

    #[test]
    fn a_sample_says_what_the_whole_log_says() {
        let events = zipf(150_000, 40_000.0);
        let sampled = recorded(&events, 60_000);
        assert!(sampled.hashes.len() <= 60_000 && sampled.rate() < 0.7, "{}", sampled.rate());
        let whole = recorded(&events, usize::MAX);
        let distances = whole.lru_distances();
        for size in [500_u64, 5000] {
            #[allow(clippy::cast_precision_loss)]
            let (lru, truth) = (distances.hits(size) as f64 / 1.5e5, whole.run(size).unwrap() as f64 / 1.5e5);
            let guess = sampled.ratios(&[(size, lru)]).unwrap()[0].unwrap();
            assert!((guess - truth).abs() < 0.02, "size {size}: {guess} and {truth}, LRU {lru}");
        }
        assert_eq!(sampled.ratios(&[(10, 0.1)]).unwrap(), [None], "too small to tell");
    }
}
