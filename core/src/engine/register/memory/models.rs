//! Questions for a version, and writes of it, that meet in every order there is. The store is a number; what is tried is what
//! is believed afterwards.

use std::time::Duration;

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use super::*;
use crate::engine::stamps::any_tag;

struct World {
    memory: Mutex<Memory>,
    /// The version in the store.
    store: AtomicU64,
    /// Moments, each later than those before. Real ones may be the same.
    clock: AtomicU64,
    start: Instant,
}

impl World {
    fn new() -> Arc<Self> {
        let (memory, store, clock) = (Mutex::default(), AtomicU64::new(1), AtomicU64::new(1));
        Arc::new(Self { memory, store, clock, start: Instant::now() })
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.clock.fetch_add(1, SeqCst))
    }

    fn known(version: u64) -> Known {
        Known { version: Some(Version::new(version)), expires: Timestamp::NEVER }
    }

    /// A question, from its sending to its answer. The version that was in the store just before it was sent.
    fn ask(&self) -> (Instant, u64) {
        let before = self.store.load(SeqCst);
        let sent = self.now();
        let found = self.store.load(SeqCst);
        let came = self.now();
        let question = Sent { at: sent, notices: 0, era: 0 };
        self.memory.lock().unwrap().answered([(any_tag(), Ok(Self::known(found)))], question, came);
        (sent, before)
    }

    /// This process writes the version.
    fn write(&self, version: u64) {
        self.memory.lock().unwrap().begin_writing(&any_tag());
        let sent = self.now();
        self.store.store(version, SeqCst);
        let came = self.now();
        self.memory.lock().unwrap().end_writing(&any_tag(), Some(Self::known(version)), (sent, 0), came);
    }

    fn believed(&self) -> Option<(u64, Instant)> {
        let memory = self.memory.lock().unwrap();
        let answer = memory.answers.get(&any_tag())?;
        let version = answer.known.as_ref().ok()?.version.as_ref()?.now;
        Some((version, answer.sent))
    }
}

/// What this process has written is what it believes from then on, whatever answers were on their way.
#[test]
fn an_answer_from_before_a_write_of_ours_is_not_believed_after_it() {
    loom::model(|| {
        let world = World::new();
        let asking = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.ask();
            })
        };
        world.write(2);
        assert_eq!(world.believed().unwrap().0, 2, "right after the write");
        asking.join().unwrap();
        assert_eq!(world.believed().unwrap().0, 2, "after the answer");
    });
}

/// An answer speaks of the moment at which its question was sent, or of a later one: of two questions, one of which was taken
/// for lost, whichever is believed, while another process writes.
#[test]
fn what_is_believed_was_so_when_it_is_said_to_have_been_or_later() {
    loom::model(|| {
        let world = World::new();
        let asking = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.ask())
        };
        let writing = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.store.store(2, SeqCst))
        };
        let ours = world.ask();
        let (version, sent) = world.believed().unwrap();
        let asked = [asking.join().unwrap(), ours];
        writing.join().unwrap();
        let (_, before) = asked.into_iter().find(|(moment, _)| *moment == sent).unwrap();
        assert!(version >= before, "{version} is believed, and it was {before} already");
    });
}

/// One question is in progress at a time: of two who come to ask, one does, and takes along what the other wants.
#[test]
fn of_two_who_want_to_know_one_asks_for_both() {
    loom::model(|| {
        let world = World::new();
        let ask = |world: &World, tag: &str| {
            let scope = Scope::Tag(tag.into());
            let now = world.now();
            let mut memory = world.memory.lock().unwrap();
            memory.want(&scope);
            memory.ask(now, Duration::from_secs(1))
        };
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || ask(&world, "a"))
        };
        let mine = ask(&world, "b");
        let other = other.join().unwrap();
        assert!(mine.is_some() != other.is_some(), "{mine:?} {other:?}");
        let number = mine.or(other).unwrap();
        let now = world.now();
        let mut memory = world.memory.lock().unwrap();
        assert_eq!(memory.take_wanted(number, now).len(), 2);
        // When nothing more is wanted the question is over, and the next one who comes asks.
        assert!(memory.take_wanted(number, now).is_empty());
        memory.want(&any_tag());
        assert!(memory.ask(now, Duration::from_secs(1)).is_some());
    });
}
