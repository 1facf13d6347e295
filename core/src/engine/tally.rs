//! Counting what happens millions of times a second, on all threads at once.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// How many threads at once have a place of their own to count in. The others share one.
const OWN: usize = 31;

/// A number of things, and a sum over them.
///
/// Each of the first 31 threads that count at the same time has a place of its own, which nobody else writes to: there a count
/// is a load, an addition and a store, and not a locked addition, which costs as much as looking the key up does.
#[derive(Debug, Default)]
pub(crate) struct Tally([Place; OWN + 1]);

/// Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place {
    number: AtomicU64,
    sum: AtomicU64,
}

impl Tally {
    /// Counts one thing.
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        let place = mine();
        let Place { number, sum } = &self.0[place];
        if place < OWN {
            number.store(number.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            if amount != 0 {
                sum.store(sum.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
            }
        } else {
            number.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// How many there were, and the sum of their amounts.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let mut sums = (0_u64, 0_u64);
        for place in &self.0 {
            sums.0 = sums.0.wrapping_add(place.number.load(Ordering::Relaxed));
            sums.1 = sums.1.wrapping_add(place.sum.load(Ordering::Relaxed));
        }
        sums
    }
}

/// A bit for each place that a thread has.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A thread's right to a place, which ends with the thread.
struct Right;

impl Drop for Right {
    fn drop(&mut self) {
        let place = PLACE.replace(OWN);
        if place < OWN {
            // Released: whoever has the place next goes on from what was counted in it.
            TAKEN.fetch_and(!(1 << place), Ordering::Release);
        }
    }
}

/// Not asked yet.
const UNKNOWN: usize = usize::MAX;

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static RIGHT: Right = const { Right };
}

/// This thread's place.
#[inline]
fn mine() -> usize {
    match PLACE.get() {
        UNKNOWN => take(),
        place => place,
    }
}

#[cold]
fn take() -> usize {
    // A thread that is ending has no right any more.
    let mut place = OWN;
    if RIGHT.try_with(|_| ()).is_ok() {
        let free = |taken: u32| ((taken.trailing_ones() as usize) < OWN).then(|| taken | (taken + 1));
        if let Ok(taken) = TAKEN.fetch_update(Ordering::Acquire, Ordering::Relaxed, free) {
            place = taken.trailing_ones() as usize;
        }
    }
    PLACE.set(place);
    place
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    /// More threads at once than there are places, and many more one after the other.
    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        const EACH: u64 = 1000;
        let tally = Arc::new(Tally::default());
        for _ in 0..4 {
            let threads: Vec<_> = (0..2 * OWN)
                .map(|_| {
                    let tally = Arc::clone(&tally);
                    thread::spawn(move || (0..EACH).for_each(|_| tally.add(3)))
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        let expected = 4 * 2 * OWN as u64 * EACH;
        assert_eq!(tally.sums(), (expected, 3 * expected));
    }

    #[test]
    fn two_threads_at_once_have_different_places() {
        let (asked, answered) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        let places = thread::scope(|scope| {
            let place = || {
                asked.wait();
                let place = mine();
                // Neither may end before the other has its place.
                answered.wait();
                place
            };
            let (one, other) = (scope.spawn(place), scope.spawn(place));
            (one.join().unwrap(), other.join().unwrap())
        });
        assert!(places.0 != places.1 || places.0 == OWN, "{places:?}");
    }
}
