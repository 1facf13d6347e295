//! What must hold of any log, whatever is in it.

#![allow(clippy::float_cmp, reason = "whole numbers")]

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::plan::log::Event;

const TTLS: [u32; 4] = [10_000, 60_000, 900_000, 3_600_000];
const SIZES: [u64; 5] = [1, 2, 5, 20, 1000];

fn questions(limits: Limits) -> Questions {
    Questions { ttls: TTLS.to_vec(), objects: SIZES.to_vec(), bytes: vec![100, 1000, 10_000], limits }
}

fn run(events: impl IntoIterator<Item = Event>, limits: Limits) -> Simulation {
    let mut sim = Simulation::new(&questions(limits));
    for event in events {
        sim.next(&event, || b"key");
    }
    sim.finish();
    sim
}

fn event(time: i64, key: u64, bytes: u32) -> Event {
    Event::of(time, Kind::Read, xxh3_64(&key.to_le_bytes()), bytes)
}

fn hits(life: &Life, sim: &Simulation) -> f64 {
    life.hits.requests.whole(sim.factors.0)
}

fn hits_at(sim: &Simulation, size: u64) -> f64 {
    sim.objects.points().find(|point| point.0 == size).unwrap().1
}

// Whole seconds: with milliseconds, ends are rounded up where memory is reckoned.
prop_compose! {
    fn log()(steps in proptest::collection::vec((0_i64..40, 0_u64..60, 0_u32..500), 1..800)) -> Vec<Event> {
        let mut time = 1_700_000_000_000;
        steps.into_iter().map(|(step, key, bytes)| { time += step * 1000; event(time, key * key, bytes) }).collect()
    }
}

/// A cache as it would be built to see what it does: a list, and no cleverness.
fn plain_ttl(events: &[Event], ttl: i64) -> (u32, u64) {
    let mut filled: HashMap<u64, (i64, u64)> = HashMap::new();
    let (mut hits, mut peak) = (0, 0);
    for event in events {
        match filled.get(&event.hash) {
            Some((at, _)) if event.time - at < ttl => hits += 1,
            _ => _ = filled.insert(event.hash, (event.time, event.bytes.into())),
        }
        peak =
            peak.max(filled.values().filter(|(at, _)| event.time - at < ttl).map(|(_, bytes)| bytes).sum());
    }
    (hits, peak)
}

fn plain_lru(events: &[Event], size: usize) -> u32 {
    let mut list: Vec<u64> = Vec::new();
    let mut hits = 0;
    for event in events {
        let known = list.len();
        list.retain(|key| *key != event.hash);
        hits += u32::from(list.len() < known);
        list.insert(0, event.hash);
        list.truncate(size);
    }
    hits
}

proptest! {
    #[test]
    fn ttl_and_size_are_those_of_caches_that_are_really_run(log in log()) {
        let sim = run(log.clone(), Limits::default());
        for (life, ttl) in sim.lives.iter().zip(TTLS) {
            let (hits, peak) = plain_ttl(&log, ttl.into());
            prop_assert_eq!(super::tests::hits(life, &sim), f64::from(hits));
            #[allow(clippy::cast_precision_loss)]
            let peak = peak as f64;
            prop_assert_eq!(life.peak.bytes, peak);
        }
        for size in SIZES {
            prop_assert_eq!(hits_at(&sim, size), f64::from(plain_lru(&log, size.try_into().unwrap())));
        }
    }

    #[test]
    fn duplicates_are_no_more_than_the_hits_of_that_ttl(log in log()) {
        let sim = run(log, Limits::default());
        for window in &sim.windows {
            let life = sim.lives.iter().find(|life| i64::from(life.ttl) == window.length).unwrap();
            prop_assert!(window.duplicates.whole(1.0) <= hits(life, &sim));
        }
    }

    #[test]
    fn more_is_never_worse_and_everything_hits_all_but_the_first(log in log()) {
        let requests = log.len();
        let sim = run(log.clone(), Limits::default());
        prop_assert!(sim.lives.windows(2).all(|pair| hits(&pair[0], &sim) <= hits(&pair[1], &sim)));
        let points: Vec<f64> = sim.objects.points().map(|point| point.1).collect();
        prop_assert!(points.windows(2).all(|pair| pair[0] <= pair[1]));
        let unique = log.iter().map(|event| event.hash).collect::<std::collections::HashSet<_>>().len();
        #[allow(clippy::cast_precision_loss)]
        let (expected, unique) = ((requests - unique) as f64, unique as f64);
        prop_assert_eq!(*points.last().unwrap(), expected);
        prop_assert_eq!(sim.distinct(), unique);
    }
}

/// A log of these many requests whose keys are as popular as in Zipf's law, over a day.
fn zipf(requests: u32, keys: u32, skew: f64) -> impl Iterator<Item = Event> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    // Of a bounded Pareto distribution, the inverse of the sum.
    let (power, most) = (1.0 - skew, f64::from(keys));
    (0..requests).map(move |number| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        #[allow(clippy::cast_precision_loss)]
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = ((most.powf(power) - 1.0) * share + 1.0).powf(1.0 / power);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = rank as u64;
        let bytes = 100 + u32::try_from(xxh3_64(&rank.to_be_bytes()) % 20_000).unwrap();
        event(1_700_000_000_000 + i64::from(number) * 86_400_000 / i64::from(requests), rank, bytes)
    })
}

#[test]
fn a_sample_is_within_two_points_of_the_truth() {
    let sampled = Limits { exact_requests: 0, exact_keys: 32_768, sampled_keys: 32_768 };
    let mut peaks = 0;
    for (keys, skew) in [(200_000, 0.8), (1_000_000, 0.99), (100_000, 1.2)] {
        let exact = run(zipf(1_000_000, keys, skew), Limits::default());
        let estimate = run(zipf(1_000_000, keys, skew), sampled);
        assert_eq!(exact.rate(), 1.0);
        assert!(estimate.rate() < 0.6, "nothing was sampled: {}", estimate.rate());
        for (life, guess) in exact.lives.iter().zip(&estimate.lives) {
            let off = (hits(life, &exact) - hits(guess, &estimate)).abs() / 1e6;
            assert!(off < 0.02, "keys {keys} skew {skew} ttl {}: off by {off}", life.ttl);
            // The fullest moment of a handful of entries, each of which stands for many, is nothing but noise.
            if life.peak.entries * estimate.rate() > 1000.0 {
                let peak = guess.peak.bytes / life.peak.bytes;
                assert!((0.9..1.1).contains(&peak), "keys {keys} skew {skew} ttl {}: peak {peak}", life.ttl);
                peaks += 1;
            }
        }
        for (exact, estimate) in [(&exact.objects, &estimate.objects), (&exact.bytes, &estimate.bytes)] {
            for ((size, exact, _), (_, estimate, _)) in
                exact.points().zip(estimate.points()).filter(|(point, _)| point.1 > 0.0)
            {
                // A cache of fewer entries than one of the sample stands for cannot be distinguished.
                if size < 1000 {
                    continue;
                }
                let off = (exact - estimate).abs() / 1e6;
                assert!(off < 0.02, "keys {keys} skew {skew} size {size}: off by {off}");
            }
        }
        let distinct = estimate.distinct() / exact.distinct();
        assert!((0.95..1.05).contains(&distinct), "{distinct}");
    }
    assert!(peaks > 0, "no peak was compared");
}

#[test]
fn a_write_invalidates_what_was_read_from_its_path() {
    let read = |time| Event { path: 7, ..event(time, 1, 10) };
    let write = |time| Event { kind: Kind::Write, path: 7, ..event(time, 9, 0) };
    let sim = run([read(1), read(2), write(2), read(2), read(3)], Limits::default());
    assert_eq!(sim.totals.writes, 1);
    assert!(sim.lives.iter().all(|life| hits(life, &sim) == 2.0 && life.peak.bytes == 10.0));
    assert_eq!(hits_at(&sim, 1000), 2.0);
    // Of another path.
    let other = Event { path: 8, ..write(2) };
    let sim = run([read(1), other, read(2)], Limits::default());
    assert_eq!(hits(&sim.lives[0], &sim), 1.0);
}

#[test]
fn a_write_to_everything_and_a_read_of_everything() {
    let read = |time| Event { path: 7, ..event(time, 1, 10) };
    let write = |time, path| Event { kind: Kind::Write, path, ..event(time, 9, 0) };
    let sim = run([read(1), write(2, EVERYTHING), read(2), read(3)], Limits::default());
    assert_eq!(hits(&sim.lives[0], &sim), 1.0);
    // What depends on each write.
    let any = |time| Event { path: EVERYTHING, ..read(time) };
    let sim = run([any(1), write(2, 8), any(2), any(3)], Limits::default());
    assert_eq!(hits(&sim.lives[0], &sim), 1.0);
}

#[test]
fn what_failed_is_stored_by_no_cache() {
    let failed = |time| Event { is_storable: false, ..event(time, 1, 10) };
    let sim = run([failed(1), failed(2), event(3, 1, 10), failed(4)], Limits::default());
    assert!(sim.lives.iter().all(|life| hits(life, &sim) == 1.0));
    assert_eq!((sim.totals.failed, sim.distinct()), (3, 1.0));
}

#[test]
fn a_log_of_years_needs_no_more_than_a_base_now_and_then() {
    let day = 86_400_000;
    let log = (0..2000).flat_map(|number| [event(number * day, 1, 10), event(number * day + 5000, 1, 10)]);
    let sim = run(log, Limits::default());
    assert!(
        sim.lives.iter().all(|life| hits(life, &sim) == 2000.0 && life.peak.bytes == 10.0),
        "{:?}",
        sim.lives
    );
    assert!(sim.windows.iter().all(|window| window.duplicates.whole(1.0) == 2000.0));
}
