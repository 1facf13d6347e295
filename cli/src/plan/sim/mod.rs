//! What caches would have answered: one for each TTL with room for everything, one for each size without a TTL, and the two sums
//! of Chef's engineers, all in one pass over a log.

mod curve;
mod keys;
mod life;
mod names;
mod sample;
mod series;
mod split;
mod stack;
mod timeline;
mod window;

use std::collections::HashMap;

pub(super) use self::stack::{Stack, Sum};
use self::{
    curve::{Curve, ladder},
    keys::Keys,
    life::{Hits, Life},
    names::Names,
    sample::Sample,
    series::Series,
    split::Weight,
    window::{WINDOWS, Window},
};
pub(crate) use self::{life::Load, timeline::Timeline};
use super::log::{Bad, EVERYTHING, Event, Kind};

/// The longest TTL, in milliseconds.
pub(crate) const MAX_TTL: u32 = 7 * 86_400_000;
/// When the time since the base is this far, a new base is taken: half of what a cell can say.
const REBASE: i64 = 1 << 31;
/// Paths whose writes are remembered; when there are more, all are taken for written, once.
const MAX_PATHS: usize = 1 << 20;

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Up to so many requests, every key is looked at.
    pub(crate) exact_requests: u64,
    /// So many keys as long as every key is looked at.
    pub(crate) exact_keys: usize,
    /// So many keys from then on.
    pub(crate) sampled_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { exact_requests: 10_000_000, exact_keys: 1 << 21, sampled_keys: 1 << 18 }
    }
}

/// So many of the most popular keys are looked at in any case.
const POPULAR: usize = 4096;

/// What is to be found out.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    /// Milliseconds, each from 1 to [`MAX_TTL`].
    pub(crate) ttls: Vec<u32>,
    /// Numbers of entries.
    pub(crate) objects: Vec<u64>,
    /// Bytes of values.
    pub(crate) bytes: Vec<u64>,
    pub(crate) limits: Limits,
}

/// What a whole log comes to, before any cache.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) micros: u64,
    /// Requests of which the log says how long they took.
    pub(crate) timed: u64,
    pub(crate) writes: u64,
    pub(crate) others: u64,
    /// Reads whose key is not whole, because their body is not in the log.
    pub(crate) bodies: u64,
    /// Answers that no cache would have stored.
    pub(crate) failed: u64,
    /// Milliseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// All caches at once.
#[derive(Debug)]
pub(crate) struct Simulation {
    limits: Limits,
    timeline: Timeline,
    base: i64,
    sample: Sample,
    keys: Keys,
    stack: Stack,
    names: Names,
    /// How many writes there were, and of each path that was written, when that was.
    writes: u32,
    written: HashMap<u64, u32>,
    /// When any other path may have been written last.
    forgotten: u32,
    /// What is found: by TTL,
    pub(crate) lives: Vec<Life>,
    /// by number of entries,
    pub(crate) objects: Curve,
    /// by bytes of values,
    pub(crate) bytes: Curve,
    /// by Chef's windows,
    pub(crate) windows: Vec<Window>,
    /// over time,
    pub(crate) series: Series,
    /// and altogether.
    pub(crate) totals: Totals,
    looked_at: Hits,
    /// What the sample is corrected by: requests, bytes, time.
    pub(crate) factors: (f64, f64, f64),
    distinct: f64,
}

/// A key that is asked for often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Popular {
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) bytes: u32,
}

impl Simulation {
    pub(crate) fn new(questions: &Questions) -> Self {
        let ttls = questions.ttls.len();
        Self {
            limits: questions.limits,
            timeline: Timeline::default(),
            base: 0,
            sample: Sample::default(),
            keys: Keys::new(ttls),
            stack: Stack::default(),
            names: Names::new(),
            writes: 0,
            written: HashMap::new(),
            forgotten: 0,
            lives: questions.ttls.iter().map(|ttl| Life::new(*ttl)).collect(),
            objects: Curve::new(questions.objects.iter().copied().chain(ladder(1, 1 << 26)).collect()),
            bytes: Curve::new(questions.bytes.iter().copied().chain(ladder(1 << 14, 1 << 42)).collect()),
            windows: WINDOWS.into_iter().map(Window::new).collect(),
            series: Series::new(ttls),
            totals: Totals::default(),
            looked_at: Hits::default(),
            factors: (1.0, 1.0, 1.0),
            distinct: 0.0,
        }
    }

    /// Reads what the next requests need, one independent of the other, so that a processor waits for its memory once for all of
    /// them. It changes nothing; a third of the time of a log with a million keys.
    pub(crate) fn look_ahead(&self, events: &[Event]) {
        let touched = events.iter().filter_map(|event| self.keys.find(event.hash)).fold(0, |sum, at| {
            let (record, cell) = self.keys.look(at);
            sum ^ self.stack.look(record.place) ^ cell.filled
        });
        std::hint::black_box(touched);
    }

    /// The next line of the log; `key` gives its key as text. Says what is odd about its time.
    pub(crate) fn next<'a>(&mut self, event: &Event, key: impl FnOnce() -> &'a [u8]) -> Option<Bad> {
        let (time, bad) = self.timeline.next(event.time);
        let totals = &mut self.totals;
        if totals.requests + totals.writes + totals.others == 0 {
            self.base = base_before(time);
            totals.first = time;
        }
        totals.last = time;
        match event.kind {
            Kind::Read => {}
            Kind::ReadOfBody => totals.bodies += 1,
            Kind::Write => {
                totals.writes += 1;
                self.write(event.path);
                return bad;
            }
            Kind::Other => {
                totals.others += 1;
                return bad;
            }
        }
        totals.requests += 1;
        totals.bytes += u64::from(event.bytes);
        totals.micros += u64::from(event.micros.unwrap_or_default());
        totals.timed += u64::from(event.micros.is_some());
        totals.failed += u64::from(!event.is_storable);
        if time - self.base >= REBASE {
            self.rebase(time);
        }
        self.series.at(time).requests += 1.0;
        self.look_at_fewer();
        if let Some(weight) = self.sample.weigh(event.hash) {
            self.read(event, time, weight, key);
        }
        bad
    }

    fn read<'a>(&mut self, event: &Event, time: i64, weight: Weight, key: impl FnOnce() -> &'a [u8]) {
        // Never more than `REBASE`, and never 0.
        let now = u32::try_from(time - self.base).unwrap_or(u32::MAX);
        let micros = f64::from(event.micros.unwrap_or_default());
        let bytes = f64::from(event.bytes);
        self.looked_at.add(bytes, micros, weight);

        let found = self.keys.find(event.hash);
        let step = self.series.at(time);
        step.looked_at += weight.stands_for;
        if found.is_none() && !event.is_storable {
            // It failed, and there is nothing that could have been served instead.
            return;
        }
        let at = found.unwrap_or_else(|| {
            self.distinct += weight.stands_for;
            self.keys.add(event.hash)
        });
        let (record, cells) = self.keys.parts(at);
        let written = match event.path {
            EVERYTHING => self.writes,
            path => self.written.get(&path).copied().unwrap_or(self.forgotten),
        };
        let is_invalidated = found.is_some() && record.writes < written;
        record.writes = self.writes;
        record.count = record.count.saturating_add(1);
        self.names.count(event.hash, record.count, key);
        for (window, seen) in self.windows.iter_mut().zip(&mut record.windows) {
            window.count(seen, (time, self.totals.first), (record.bytes, event.bytes), weight);
        }

        let load = Load::of(event.bytes, weight.stands_for);
        for ((life, cell), hits) in self.lives.iter_mut().zip(cells).zip(&mut step.hits) {
            life.end(now);
            if is_invalidated {
                life.empty(cell, now, weight.stands_for);
            }
            if life.is_alive(*cell, now) {
                life.hits.add(bytes, micros, weight);
                *hits += weight.stands_for;
            } else if event.is_storable {
                life.fill(cell, now, event.bytes, load);
            }
        }

        let place = found.map(|_| (record.place, Sum::of(record.bytes, weight.stands_for)));
        if event.is_storable {
            // What failed changes nothing of what is stored.
            record.bytes = event.bytes;
        }
        let size = record.bytes;
        let keys = &mut self.keys;
        let (since, place) = self.stack.use_key(
            u32::try_from(at).unwrap_or(u32::MAX),
            place,
            Sum::of(size, weight.stands_for),
            |key, place| {
                keys.record(key as usize).place = place;
            },
        );
        keys.record(at).place = place;
        if let (Some(since), false) = (since, is_invalidated) {
            self.objects.add(since.keys + 1.0, event.bytes, weight);
            self.bytes.add(since.bytes + f64::from(size), event.bytes, weight);
        }
        if self.names.is_full() {
            let keys = &self.keys;
            self.names.drop_some(|hash| keys.find(hash).map_or(0, |at| keys.records()[at].count));
        }
    }

    fn write(&mut self, path: u64) {
        self.writes = self.writes.saturating_add(1);
        if path == EVERYTHING || self.written.len() >= MAX_PATHS {
            self.written.clear();
            self.forgotten = self.writes;
        }
        self.written.insert(path, self.writes);
    }

    /// Looks at fewer keys if there are too many.
    fn look_at_fewer(&mut self) {
        let Limits { exact_requests, exact_keys, sampled_keys } = self.limits;
        let most = if self.totals.requests <= exact_requests { exact_keys } else { sampled_keys };
        if self.keys.len() <= most.max(1) {
            return;
        }
        if self.sample.is_all() {
            let mut popular: Vec<(u32, u64)> =
                self.keys.records().iter().map(|record| (record.count, record.hash)).collect();
            popular.sort_unstable_by(|a, b| b.cmp(a));
            let most = (most / 8).min(POPULAR);
            self.sample.always(popular.into_iter().take(most).map(|(_, hash)| hash));
        }
        let kept = |sample: &Sample| {
            self.keys.records().iter().filter(|record| sample.weigh(record.hash).is_some()).count()
        };
        while kept(&self.sample) > most.max(1) / 2 && self.sample.lower() {}
        let sample = &self.sample;
        self.keys.retain(|hash| sample.weigh(hash).is_some());
        self.names.keep(|hash| sample.weigh(hash).is_some());
        self.order_again();
        self.hold_again();
    }

    fn order_again(&mut self) {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|at| self.keys.records()[*at].place);
        let sample = &self.sample;
        let keys: Vec<(u32, Sum)> = order
            .iter()
            .enumerate()
            .map(|(place, at)| {
                let record = self.keys.record(*at);
                record.place = u32::try_from(place).unwrap_or(u32::MAX);
                let stands_for = sample.weigh(record.hash).map_or(1.0, |weight| weight.stands_for);
                (u32::try_from(*at).unwrap_or(u32::MAX), Sum::of(record.bytes, stands_for))
            })
            .collect();
        self.stack.begin_again(&keys);
    }

    fn hold_again(&mut self) {
        let now = u32::try_from(self.totals.last - self.base).unwrap_or(u32::MAX);
        let sample = &self.sample;
        let weigh = |(hash, cell)| (cell, sample.weigh(hash).map_or(1.0, |weight| weight.stands_for));
        for (number, life) in self.lives.iter_mut().enumerate() {
            life.hold_again(self.keys.of_ttl(number).map(weigh), now);
        }
    }

    /// Counts time from a new base, so that it stays small. What was filled before it is older than any TTL.
    fn rebase(&mut self, time: i64) {
        let base = base_before(time - i64::from(MAX_TTL));
        let by = base - self.base;
        self.base = base;
        for cell in self.keys.cells() {
            let filled = i64::from(cell.filled) - by;
            cell.filled = u32::try_from(filled).unwrap_or(0);
        }
        self.hold_again();
    }

    /// Everything has been read: what the sample stands for is corrected to what there was.
    #[allow(clippy::cast_precision_loss, reason = "sums below 2^53")]
    pub(crate) fn finish(&mut self) {
        self.windows.iter_mut().for_each(Window::end);
        let Totals { requests, bytes, micros, .. } = self.totals;
        let Hits { requests: of_requests, bytes: of_bytes, micros: of_micros } = self.looked_at;
        self.factors = (
            of_requests.factor(requests as f64),
            of_bytes.factor(bytes as f64),
            of_micros.factor(micros as f64),
        );
        self.objects.correct(self.factors.0, self.factors.1);
        self.bytes.correct(self.factors.0, self.factors.1);
    }

    /// The share of keys that were looked at in the end; 1: all.
    pub(crate) fn rate(&self) -> f64 {
        self.sample.rate()
    }

    /// How many distinct keys there are.
    pub(crate) fn distinct(&self) -> f64 {
        self.distinct
    }

    /// The keys that were asked for most, of those that were looked at.
    pub(crate) fn popular(&self, most: usize) -> Vec<Popular> {
        let mut popular: Vec<Popular> = self
            .names
            .iter()
            .filter_map(|(hash, name)| {
                let record = self.keys.records()[self.keys.find(hash)?];
                Some(Popular { name: name.to_owned(), count: record.count, bytes: record.bytes })
            })
            .collect();
        popular.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        popular.truncate(most);
        popular
    }
}

/// A whole second before this moment.
fn base_before(time: i64) -> i64 {
    time.div_euclid(1000) * 1000 - 1000
}

#[cfg(test)]
mod tests;
