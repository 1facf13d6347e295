//! Numbers that look random and can be had again, and rounds that end in time.

use std::time::{Duration, Instant};

use crate::{context::Context, patience::is_hurried};

/// Numbers that look random: xorshift64*.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// From the context's seed, which is in the record.
    pub(crate) fn new(t: &Context) -> Self {
        let seed = t.seed();
        t.note(&format!("// the numbers come from LARDER_CONFORMANCE_SEED={seed}"), ());
        Self::seeded(seed)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        // Zero would stay zero for ever.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Another sequence, for another task.
    pub(crate) fn fork(&mut self) -> Self {
        Self::seeded(self.next())
    }

    /// Waits for up to so many microseconds, or only lets the others run.
    pub(crate) async fn pause(&mut self, micros: u64) {
        match self.below(micros + 1) {
            0 => {}
            1..30 => tokio::task::yield_now().await,
            micros => tokio::time::sleep(Duration::from_micros(micros)).await,
        }
    }
}

/// Rounds of a race: so many, or as many as there are in a second, for stores that are far away. A mutant is in memory, and gets
/// them all, however busy the machine is.
#[derive(Debug)]
pub(crate) struct Rounds {
    begun: Instant,
    left: u32,
}

impl Rounds {
    pub(crate) fn new(most: u32) -> Self {
        Self { begun: Instant::now(), left: most }
    }
}

impl Iterator for Rounds {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let may_go_on = || is_hurried() || self.begun.elapsed() < Duration::from_secs(1);
        self.left = self.left.checked_sub(1).filter(|_| may_go_on())?;
        Some(self.left)
    }
}
