//! The keys that are asked for most and those that are slowest, each in a table of a fixed size.
//!
//! The first table counts as Space-Saving does (Metwally, Agrawal, El Abbadi 2005): a new key takes the place of one that is asked
//! for rarely, and its count, so a count is never too low. Of which one is found among a few, so that no request has to look at all.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;

/// How many keys are counted.
const ASKED: usize = 1024;
/// Among how many the rarest is found that makes room.
const AMONG: usize = 8;
/// How many slow keys are kept.
const SLOW: usize = 64;

/// A key on the page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// The hash, in hexadecimal digits.
    pub(crate) key: String,
    /// Method, host and path.
    pub(crate) label: String,
    /// How often it was asked for; up to `excess` less, where it has taken the place of another.
    pub(crate) count: u64,
    pub(crate) excess: u64,
    /// The longest time that the upstream took for it, in milliseconds.
    pub(crate) slowest: f64,
}

#[derive(Debug)]
struct Counted {
    key: u64,
    label: String,
    count: u64,
    excess: u64,
    slowest: Duration,
}

impl Counted {
    fn shown(&self) -> Entry {
        Entry {
            key: format!("{:016x}", self.key),
            label: self.label.clone(),
            count: self.count,
            excess: self.excess,
            slowest: self.slowest.as_secs_f64() * 1e3,
        }
    }
}

/// What is asked for most.
#[derive(Debug, Default)]
pub(super) struct Asked {
    all: Vec<Counted>,
    places: HashMap<u64, usize>,
    next: usize,
}

impl Asked {
    pub(super) fn count(&mut self, key: u64, label: &dyn Fn() -> String, upstream: Duration) {
        if let Some(counted) = self.places.get(&key).and_then(|&place| self.all.get_mut(place)) {
            counted.count += 1;
            counted.slowest = counted.slowest.max(upstream);
            return;
        }
        let mut counted = Counted { key, label: label(), count: 1, excess: 0, slowest: upstream };
        if self.all.len() < ASKED {
            self.places.insert(key, self.all.len());
            self.all.push(counted);
            return;
        }
        let among = (0..AMONG).map(|turn| (self.next + turn) % ASKED);
        let Some(place) = among.min_by_key(|&place| self.all[place].count) else { return };
        self.next = (self.next + AMONG) % ASKED;
        let old = &mut self.all[place];
        counted.excess = old.count;
        counted.count = old.count + 1;
        self.places.remove(&old.key);
        self.places.insert(key, place);
        *old = counted;
    }

    pub(super) fn most(&self, shown: usize) -> Vec<Entry> {
        // What was counted for sure goes first: one that came once is not one of the most asked.
        most(self.all.iter(), shown, |counted| counted.count - counted.excess)
    }
}

/// What is slowest.
#[derive(Debug, Default)]
pub(super) struct Slow(Vec<Counted>);

impl Slow {
    pub(super) fn count(&mut self, key: u64, label: &dyn Fn() -> String, upstream: Duration) {
        if let Some(counted) = self.0.iter_mut().find(|counted| counted.key == key) {
            counted.count += 1;
            counted.slowest = counted.slowest.max(upstream);
            return;
        }
        if self.0.len() < SLOW {
            self.0.push(Counted { key, label: label(), count: 1, excess: 0, slowest: upstream });
        } else if let Some(fastest) = self.0.iter_mut().min_by_key(|counted| counted.slowest)
            && fastest.slowest < upstream
        {
            *fastest = Counted { key, label: label(), count: 1, excess: 0, slowest: upstream };
        }
    }

    pub(super) fn most(&self, shown: usize) -> Vec<Entry> {
        most(self.0.iter(), shown, |counted| counted.slowest)
    }
}

fn most<'a, K: Ord>(
    all: impl Iterator<Item = &'a Counted>,
    shown: usize,
    by: impl Fn(&Counted) -> K,
) -> Vec<Entry> {
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|counted| std::cmp::Reverse(by(counted)));
    all.into_iter().take(shown).map(Counted::shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_asked_often_stays_among_many_that_are_not() {
        let mut asked = Asked::default();
        for number in 0..20_000_u64 {
            asked.count(number % 3, &|| format!("often {}", number % 3), MS);
            asked.count(1_000_000 + number, &|| "once".to_owned(), MS);
        }
        let most = asked.most(3);
        assert!(most.iter().all(|entry| entry.label.starts_with("often")), "{most:?}");
        assert!(most.iter().all(|entry| entry.count >= 20_000 / 3 && entry.excess == 0), "{most:?}");
        assert!(asked.all.len() == ASKED && asked.places.len() == ASKED);
    }

    #[test]
    fn the_slowest_stay() {
        let mut slow = Slow::default();
        for number in 0..1000_u32 {
            let time = if number == 5 { MS * 5000 } else { MS * number };
            slow.count(number.into(), &String::new, time);
        }
        let most: Vec<f64> = slow.most(3).iter().map(|entry| entry.slowest).collect();
        assert_eq!((most, slow.0.len()), (vec![5000.0, 999.0, 998.0], SLOW));
    }
}
