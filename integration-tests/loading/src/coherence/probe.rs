//! How long it takes until other processes notice a write, with the bus and without.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder_core::{Cache, Key};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{Outcome, store};

/// Between two writes to what is heard, and to what is waited for: longer than its copies live, so that each is seen.
const WRITES: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(310)];
/// Between two looks.
const LOOKS: Duration = Duration::from_micros(500);

/// The caches that are looked at: one that hears, and one that waits until its copies end.
#[derive(Debug)]
pub(super) struct Probe {
    caches: [Cache<u64>; 2],
    is_over: AtomicBool,
}

/// Microseconds from the beginning of each write until it was seen, of each cache.
pub(super) type Noticed = [Vec<u64>; 2];

impl Probe {
    pub(super) fn new(server: &str) -> Outcome<Arc<Self>> {
        let caches = [store::probed(server, "heard", true)?, store::probed(server, "waited", false)?];
        Ok(Arc::new(Self { caches, is_over: AtomicBool::new(false) }))
    }

    /// Writes in the first process, and looks in the others.
    pub(super) fn begin(self: &Arc<Self>, process: u64) -> JoinHandle<Noticed> {
        let probe = Arc::clone(self);
        tokio::spawn(async move { if process == 0 { probe.write().await } else { probe.look().await } })
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, SeqCst);
    }

    async fn write(&self) -> Noticed {
        let mut due = [Instant::now(); 2];
        while !self.is_over.load(SeqCst) {
            for ((cache, due), between) in self.caches.iter().zip(&mut due).zip(WRITES) {
                if *due <= Instant::now() {
                    // One that fails is not seen, or late.
                    let _ = cache.set(&Key::new("probe"), now()).await;
                    *due = Instant::now() + between;
                }
            }
            sleep(LOOKS).await;
        }
        Noticed::default()
    }

    async fn look(&self) -> Noticed {
        let mut noticed = Noticed::default();
        let mut seen = [None; 2];
        while !self.is_over.load(SeqCst) {
            for ((cache, seen), noticed) in self.caches.iter().zip(&mut seen).zip(&mut noticed) {
                let Ok(Some(written)) = cache.get(&Key::new("probe")).await else { continue };
                let written = *written;
                // The first may have been there for long.
                if seen.replace(written).is_some_and(|before| before != written) {
                    noticed.push(now().saturating_sub(written));
                }
            }
            sleep(LOOKS).await;
        }
        noticed
    }
}

/// Microseconds of a clock that all processes of a machine share.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time within which so many of a hundred were noticed.
pub(super) fn percentile(noticed: &mut [u64], of_a_hundred: usize) -> Duration {
    noticed.sort_unstable();
    let place = (noticed.len() * of_a_hundred / 100).min(noticed.len().saturating_sub(1));
    Duration::from_micros(noticed.get(place).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_whole() {
        let mut noticed: Vec<u64> = (0..1000).rev().collect();
        assert_eq!(percentile(&mut noticed, 50), Duration::from_micros(500));
        assert_eq!(percentile(&mut noticed, 99), Duration::from_micros(990));
        assert_eq!(percentile(&mut [7], 99), Duration::from_micros(7));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
