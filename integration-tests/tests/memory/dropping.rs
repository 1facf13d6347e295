//! Values are the program's: dropping one may run anything, and must not do so while a lock is held.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use larder_core::{
    Backend, Clock, Key,
    backend::{Bound, Condition, DeleteOptions, SetOptions},
    key::StoreKey,
};

use super::common::{KEYS, MINUTE, live, stores};

struct Nosy(Weak<dyn Backend>, Arc<AtomicU32>);

impl Drop for Nosy {
    fn drop(&mut self) {
        let Some(store) = self.0.upgrade() else { return };
        for n in 0..8 {
            let key = Key::new("k").part(n);
            let key = StoreKey::new(&KEYS, &key);
            assert!(store.get_now(&key).is_some());
            let options = DeleteOptions::new();
            // Not waiting for anything: its future is ready at once.
            let mut deleting = store.delete(&key, &options);
            assert!(deleting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Not on moka, which drops what has left it when it likes, under locks of its own: its README says so.
#[test]
fn a_value_may_use_the_store_when_it_is_dropped() {
    let clock = Clock::manual();
    for store in stores(Bound::Entries(4), &clock).into_iter().take(1) {
        let dropped = Arc::new(AtomicU32::new(0));
        let (working, end) = mpsc::channel();
        let worker = thread::spawn({
            let (store, dropped, clock) = (store.clone(), dropped.clone(), clock.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for n in 0..1000_u32 {
                    let key = Key::new("k").part(n % 8);
                    let key = StoreKey::new(&KEYS, &key);
                    let nosy = Nosy(Arc::downgrade(&store), dropped.clone());
                    let condition = if n % 3 == 0 { Condition::Absent } else { Condition::Always };
                    let entry = live(&clock, Arc::new(nosy), 4, MINUTE);
                    let options = SetOptions::new(MINUTE).when(condition);
                    let _ = runtime.block_on(store.set(&key, &entry, &options)).unwrap();
                }
                working.send(()).unwrap();
            }
        });
        end.recv_timeout(Duration::from_mins(1)).expect("it waits for itself");
        worker.join().unwrap();
        println!("{store:?}: {} were dropped", dropped.load(Ordering::Relaxed));
        assert!(dropped.load(Ordering::Relaxed) > 500);
    }
}

#[tokio::test]
async fn what_a_store_shows_of_itself_holds_no_keys_and_no_values() {
    let clock = Clock::manual();
    for store in stores(Bound::Bytes(1 << 20), &clock) {
        let key = Key::new("alice@example.com");
        let key = StoreKey::new(&KEYS, &key);
        let entry = super::common::entry(&clock, "hunter2", MINUTE);
        let _ = store.set(&key, &entry, &SetOptions::new(MINUTE)).await.unwrap();
        let shown = format!("{store:?}");
        assert!(shown.contains("entries: 1"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
    }
}
