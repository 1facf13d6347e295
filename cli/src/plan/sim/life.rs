//! A cache with one TTL and room for everything: what it answers, and what it holds. An entry ends its TTL after it was filled,
//! exactly; reading does not extend it.

use std::collections::VecDeque;

use serde::Serialize;

use super::split::{Split, Weight};
use crate::plan::overhead;

/// A queue of ends has no more than so many places for each TTL, so its memory is bounded whatever the log.
const STEPS: u32 = 86_400;
/// Steps that a second is made of. In a log with seconds, whose base is one, ends up to a TTL of a day are exact.
const STEP_MILLIS: [u32; 16] = [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000];

/// What a cache holds, in entries and in bytes: of values alone, and in each store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Load {
    pub(crate) entries: f64,
    pub(crate) bytes: f64,
    pub(crate) memory: f64,
    pub(crate) redis: f64,
    pub(crate) memcached: f64,
}

impl Load {
    /// An entry of this size, which stands for as many as `weight` says.
    #[allow(clippy::cast_precision_loss, reason = "sums of bytes below 2^53")]
    pub(super) fn of(bytes: u32, weight: f64) -> Self {
        let bytes = u64::from(bytes);
        Self {
            entries: weight,
            bytes: bytes as f64 * weight,
            memory: overhead::memory(bytes) as f64 * weight,
            redis: overhead::redis(bytes) as f64 * weight,
            memcached: overhead::memcached(bytes) as f64 * weight,
        }
    }

    fn with(self, other: Self, each: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            entries: each(self.entries, other.entries),
            bytes: each(self.bytes, other.bytes),
            memory: each(self.memory, other.memory),
            redis: each(self.redis, other.redis),
            memcached: each(self.memcached, other.memcached),
        }
    }
}

/// What one TTL has of one key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cell {
    /// When it was filled, in milliseconds since the log's base; 0: it is empty.
    pub(crate) filled: u32,
    /// What it was filled with.
    pub(crate) bytes: u32,
}

/// A cache of one TTL.
#[derive(Debug)]
pub(crate) struct Life {
    /// Milliseconds.
    pub(crate) ttl: u32,
    /// Ends are kept in steps of so many milliseconds, rounded up.
    step: u32,
    /// What ends, by the step in which it does.
    ends: VecDeque<(u32, Load)>,
    resident: Load,
    pub(crate) peak: Load,
    pub(crate) hits: Hits,
}

/// What was answered: requests, their bytes, and the microseconds that they took upstream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hits {
    pub(crate) requests: Split,
    pub(crate) bytes: Split,
    pub(crate) micros: Split,
}

impl Hits {
    /// One more request.
    pub(crate) fn add(&mut self, bytes: f64, micros: f64, weight: Weight) {
        self.requests.add(1.0, weight);
        self.bytes.add(bytes, weight);
        self.micros.add(micros, weight);
    }
}

impl Life {
    pub(crate) fn new(ttl: u32) -> Self {
        Self {
            ttl,
            step: step(ttl.div_ceil(STEPS)),
            ends: VecDeque::new(),
            resident: Load::default(),
            peak: Load::default(),
            hits: Hits::default(),
        }
    }

    /// Frees what has ended by now.
    pub(crate) fn end(&mut self, now: u32) {
        while let Some((step, load)) = self.ends.front()
            && u64::from(*step) * u64::from(self.step) <= u64::from(now)
        {
            self.resident = self.resident.with(*load, |all, ended| (all - ended).max(0.0));
            self.ends.pop_front();
        }
        if self.ends.is_empty() {
            // So that rounding does not add up.
            self.resident = Load::default();
        }
    }

    /// Whether the cell answers now.
    pub(crate) fn is_alive(&self, cell: Cell, now: u32) -> bool {
        cell.filled != 0 && now - cell.filled < self.ttl
    }

    /// Fills a cell with this many bytes, which are such a load.
    pub(crate) fn fill(&mut self, cell: &mut Cell, now: u32, bytes: u32, load: Load) {
        *cell = Cell { filled: now, bytes };
        self.hold(*cell, load);
        self.peak = self.peak.with(self.resident, f64::max);
    }

    /// Empties a cell before its time.
    pub(crate) fn empty(&mut self, cell: &mut Cell, now: u32, weight: f64) {
        let load = Load::of(cell.bytes, weight);
        if self.is_alive(*cell, now)
            && let Ok(at) = self.ends.binary_search_by_key(&self.step_of(*cell), |(step, _)| *step)
        {
            let less = |all: f64, one: f64| (all - one).max(0.0);
            self.ends[at].1 = self.ends[at].1.with(load, less);
            self.resident = self.resident.with(load, less);
        }
        *cell = Cell::default();
    }

    fn hold(&mut self, cell: Cell, load: Load) {
        self.resident = self.resident.with(load, |all, new| all + new);
        let step = self.step_of(cell);
        match self.ends.back_mut() {
            Some((last, held)) if *last == step => *held = held.with(load, |all, new| all + new),
            _ => self.ends.push_back((step, load)),
        }
    }

    fn step_of(&self, cell: Cell) -> u32 {
        // A moment beyond the last is as good as never; time is rebased long before.
        cell.filled.saturating_add(self.ttl).div_ceil(self.step)
    }

    /// Holds exactly what these cells hold, each standing for as many as its weight says.
    pub(crate) fn hold_again(&mut self, cells: impl Iterator<Item = (Cell, f64)>, now: u32) {
        let mut alive: Vec<(Cell, f64)> = cells.filter(|(cell, _)| self.is_alive(*cell, now)).collect();
        alive.sort_unstable_by_key(|(cell, _)| cell.filled);
        self.ends.clear();
        self.resident = Load::default();
        for (cell, weight) in alive {
            self.hold(cell, Load::of(cell.bytes, weight));
        }
    }
}

/// The next step from so many milliseconds on: a part of a second, or whole ones.
fn step(least: u32) -> u32 {
    STEP_MILLIS.into_iter().find(|step| *step >= least).unwrap_or_else(|| least.next_multiple_of(1000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "whole numbers")]

    use super::*;

    #[test]
    fn an_entry_ends_its_ttl_after_it_was_filled() {
        let mut life = Life::new(1000);
        let mut cell = Cell::default();
        assert!(!life.is_alive(cell, 1));
        life.fill(&mut cell, 1, 50, Load::of(50, 1.0));
        assert!(life.is_alive(cell, 1000));
        assert!(!life.is_alive(cell, 1001));
        life.end(1000);
        assert_eq!((life.resident.entries, life.resident.bytes), (1.0, 50.0));
        life.end(1001);
        assert_eq!(life.resident, Load::default());
        assert_eq!(life.peak.bytes, 50.0);
    }

    #[test]
    fn what_is_emptied_is_held_no_longer_and_the_rest_is() {
        let mut life = Life::new(1000);
        let mut cells = [Cell::default(); 2];
        life.fill(&mut cells[0], 1, 50, Load::of(50, 1.0));
        life.fill(&mut cells[1], 1, 7, Load::of(7, 1.0));
        life.empty(&mut cells[0], 500, 1.0);
        assert_eq!(life.resident.bytes, 7.0);
        life.hold_again(cells.into_iter().map(|cell| (cell, 2.0)), 500);
        assert_eq!((life.resident.entries, life.resident.bytes), (2.0, 14.0));
        life.end(1001);
        assert_eq!(life.resident.bytes, 0.0);
    }
}
