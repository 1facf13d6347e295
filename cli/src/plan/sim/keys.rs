//! What is known of each key that is looked at: when each cache was filled with it, where it stands in the order of use.

use hashbrown::HashTable;

use super::{life::Cell, window::WINDOWS};

/// A key that is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) hash: u64,
    /// Its place in the order of use.
    pub(crate) place: u32,
    /// How large the last answer was.
    pub(crate) bytes: u32,
    /// How often it was asked for.
    pub(crate) count: u32,
    /// How many writes there had been when it was last asked for.
    pub(crate) writes: u32,
    /// The windows in which it was last asked for.
    pub(crate) windows: [u32; WINDOWS.len()],
}

/// All keys that are looked at.
#[derive(Debug)]
pub(crate) struct Keys {
    index: HashTable<u32>,
    records: Vec<Record>,
    /// For each record, one cell for each TTL.
    cells: Vec<Cell>,
    ttls: usize,
}

impl Keys {
    pub(crate) fn new(ttls: usize) -> Self {
        Self { index: HashTable::new(), records: Vec::new(), cells: Vec::new(), ttls }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The number of a key.
    pub(crate) fn find(&self, hash: u64) -> Option<usize> {
        self.index.find(hash, |at| self.records[*at as usize].hash == hash).map(|at| *at as usize)
    }

    /// Adds a key that is not there.
    pub(crate) fn add(&mut self, hash: u64) -> usize {
        let at = self.records.len();
        let records = &self.records;
        // There are fewer keys than `u32` counts.
        self.index
            .insert_unique(hash, u32::try_from(at).unwrap_or(u32::MAX), |at| records[*at as usize].hash);
        self.records.push(Record {
            hash,
            place: 0,
            bytes: 0,
            count: 0,
            writes: 0,
            windows: [0; WINDOWS.len()],
        });
        self.cells.resize(self.cells.len() + self.ttls, Cell::default());
        at
    }

    pub(crate) fn record(&mut self, at: usize) -> &mut Record {
        &mut self.records[at]
    }

    /// A record and the first of its cells.
    pub(crate) fn look(&self, at: usize) -> (&Record, Cell) {
        (&self.records[at], self.cells.get(at * self.ttls).copied().unwrap_or_default())
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// A record and its cells.
    pub(crate) fn parts(&mut self, at: usize) -> (&mut Record, &mut [Cell]) {
        let begin = at * self.ttls;
        (&mut self.records[at], &mut self.cells[begin..begin + self.ttls])
    }

    /// All cells.
    pub(crate) fn cells(&mut self) -> &mut [Cell] {
        &mut self.cells
    }

    /// The cells of one TTL, with the hashes of their keys.
    pub(crate) fn of_ttl(&self, ttl: usize) -> impl Iterator<Item = (u64, Cell)> {
        let cells = self.cells.iter().copied().skip(ttl).step_by(self.ttls);
        self.records.iter().map(|record| record.hash).zip(cells)
    }

    /// Keeps the keys of which this is true. Their numbers change.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(u64) -> bool) {
        let mut kept = 0;
        for at in 0..self.records.len() {
            if is_kept(self.records[at].hash) {
                self.records[kept] = self.records[at];
                self.cells.copy_within(at * self.ttls..(at + 1) * self.ttls, kept * self.ttls);
                kept += 1;
            }
        }
        self.records.truncate(kept);
        self.cells.truncate(kept * self.ttls);
        self.index.clear();
        let records = &self.records;
        for (at, record) in records.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            self.index.insert_unique(record.hash, at, |at| records[*at as usize].hash);
        }
    }
}
