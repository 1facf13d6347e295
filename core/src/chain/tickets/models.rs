//! Tickets in every order that threads can meet: the rules of a chain, with a number for the store and one for the near tier.

use loom::{
    sync::{Arc, atomic::AtomicU64, atomic::Ordering::SeqCst},
    thread,
};

use super::Tickets;

const KEY: u64 = 7;

/// A chain of two numbers. Zero is none; what is greater is newer.
struct Chain {
    tickets: Tickets,
    near: AtomicU64,
    far: AtomicU64,
}

impl Chain {
    fn new(far: u64) -> Arc<Self> {
        Arc::new(Self { tickets: Tickets::default(), near: AtomicU64::new(0), far: AtomicU64::new(far) })
    }

    fn copy(&self) -> Option<u64> {
        self.tickets.read(KEY, || Some(self.near.load(SeqCst)).filter(|copy| *copy != 0))
    }

    fn read(&self) -> u64 {
        if let Some(copy) = self.copy() {
            return copy;
        }
        let ticket = self.tickets.take(KEY);
        let found = self.far.load(SeqCst);
        self.tickets.fill(ticket, || self.near.store(found, SeqCst), || self.near.store(0, SeqCst));
        found
    }

    /// Writes; `is_known` says whether it was acknowledged.
    fn write(&self, value: u64, is_known: bool) {
        let mut change = self.tickets.change(KEY);
        self.far.store(value, SeqCst);
        if is_known {
            change.fill(|| self.near.store(value, SeqCst));
        }
        change.end(|| self.near.store(0, SeqCst));
    }
}

/// Rules 1 and 2: after a write has returned, nothing older is read, whoever was reading meanwhile.
#[test]
fn a_promotion_never_brings_back_what_a_write_has_replaced() {
    for is_known in [true, false] {
        loom::model(move || {
            let chain = Chain::new(1);
            let reader = {
                let chain = Arc::clone(&chain);
                thread::spawn(move || chain.read())
            };
            chain.write(2, is_known);
            assert_eq!(chain.read(), 2, "an older copy");
            assert!(reader.join().unwrap() <= 2);
            assert_eq!(chain.read(), 2, "an older copy, in the end");
        });
    }
}

/// Who reads twice beside a write reads nothing older the second time.
#[test]
fn nobody_reads_back_in_time() {
    loom::model(|| {
        let chain = Chain::new(1);
        let reader = {
            let chain = Arc::clone(&chain);
            thread::spawn(move || {
                let first = chain.read();
                assert!(chain.read() >= first, "back in time");
            })
        };
        chain.write(2, true);
        reader.join().unwrap();
    });
}

/// Two readers fill at once, and a write comes between.
#[test]
fn of_two_who_fill_none_leaves_what_is_older() {
    let mut model = loom::model::Builder::new();
    // Without a bound there are too many orders for an afternoon.
    model.preemption_bound = Some(2);
    model.check(|| {
        let chain = Chain::new(1);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let chain = Arc::clone(&chain);
                thread::spawn(move || chain.read())
            })
            .collect();
        chain.write(2, true);
        assert_eq!(chain.read(), 2);
        readers.into_iter().for_each(|reader| drop(reader.join().unwrap()));
        assert_eq!(chain.read(), 2, "in the end");
    });
}

/// Rule 3: of two writes at once, what is near in the end is what the store has, or nothing.
#[test]
fn two_writes_at_once_leave_near_what_is_far() {
    loom::model(|| {
        let chain = Chain::new(1);
        let writer = {
            let chain = Arc::clone(&chain);
            thread::spawn(move || chain.write(2, true))
        };
        chain.write(3, true);
        writer.join().unwrap();
        let far = chain.far.load(SeqCst);
        assert!(chain.copy().is_none_or(|copy| copy == far));
    });
}
