//! What a chain hears of its store, and which copies may be served by it.
//!
//! Copies stand in rooms of their near tiers: one for those that were made while the bus was alive, which live as long as their
//! entries, and one for those that were made while it was silent, which live for a short time. A gap gives both rooms new
//! numbers, so that nothing of before is found any more; what is left in them ends by its TTL or is evicted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::Tiers;
use crate::{
    backend::{Ear, Notice, Pulse, SILENCE},
    clock::{Clock, Moment, nanos},
    key::{Key, Namespace, StoreKey},
    random,
};

/// Sets the room of copies without a bus apart. Any number but zero would do.
const SILENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which copies may be served, by what was heard.
#[derive(Debug)]
pub(super) struct Hearing {
    /// Whether the store has a bus.
    has_bus: bool,
    /// How old a copy may be while nothing is heard of changes.
    ttl_without_bus: Duration,
    room: AtomicU64,
    /// The least of what the ears have heard.
    pulse: Pulse,
    ears: Mutex<Vec<Listening>>,
}

/// An ear, and until when it has heard everything.
#[derive(Debug)]
struct Listening {
    ear: Arc<ChainEar>,
    heard: Option<Instant>,
}

/// Where copies are to be looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rooms {
    pub(super) first: u64,
    pub(super) second: Option<u64>,
}

/// Where a copy may be put of what the store is asked for now, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right {
    pub(super) room: u64,
    /// Where there may be an older one.
    pub(super) other_room: Option<u64>,
    /// `None`: as long as the tiers keep any.
    pub(super) ttl: Option<Duration>,
    pub(super) asked: Instant,
}

impl Hearing {
    pub(super) fn new(has_bus: bool, ttl_without_bus: Duration) -> Self {
        Self {
            has_bus,
            ttl_without_bus,
            room: AtomicU64::new(random::unique()),
            pulse: Pulse::new(),
            ears: Mutex::default(),
        }
    }

    pub(super) fn has_bus(&self) -> bool {
        self.has_bus
    }

    /// For how long copies are served without a sign of life.
    pub(super) fn patience(&self) -> Duration {
        self.ttl_without_bus.max(SILENCE)
    }

    /// Where to look now. A copy of while the bus was alive was right at its last sign of life: it is served for as long after
    /// that as it would be without a bus.
    #[inline]
    pub(super) fn rooms(&self, clock: &Clock) -> Rooms {
        let first = self.room.load(Ordering::Acquire);
        if !self.has_bus {
            return Rooms { first, second: None };
        }
        let now = clock.moment();
        if self.pulse.is_alive(now) {
            Rooms { first, second: None }
        } else if self.pulse.is_within(nanos(self.patience()), now) {
            Rooms { first, second: Some(first ^ SILENT) }
        } else {
            Rooms { first: first ^ SILENT, second: None }
        }
    }

    /// Every room in which there may be a copy that is served now or later.
    pub(super) fn all(&self) -> Rooms {
        let first = self.room.load(Ordering::Acquire);
        Rooms { first, second: self.has_bus.then_some(first ^ SILENT) }
    }

    /// The right to put a copy. To be taken before the store is asked.
    pub(super) fn right(&self) -> Right {
        // The room first: after a gap, whose answers are in doubt has the number from before it.
        let room = self.room.load(Ordering::Acquire);
        let asked = Instant::now();
        let silent = self.has_bus.then_some(room ^ SILENT);
        match silent {
            Some(silent) if !self.pulse.is_alive(Moment::of(asked)) => {
                Right { room: silent, other_room: Some(room), ttl: Some(self.ttl_without_bus), asked }
            }
            _ => Right { room, other_room: silent, ttl: None, asked },
        }
    }

    fn ears(&self) -> MutexGuard<'_, Vec<Listening>> {
        // Nothing in here can panic half-way through a change.
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, ear: Arc<ChainEar>) {
        let mut ears = self.ears();
        ears.push(Listening { ear, heard: None });
        // What it listens to is not heard yet.
        self.pulse.set(None);
    }

    fn missed(&self) {
        self.room.store(random::unique(), Ordering::Release);
    }

    /// This ear has heard everything until then.
    fn alive(&self, ear: &ChainEar, until: Instant) {
        let mut ears = self.ears();
        ears.retain(|listening| listening.ear.outer.strong_count() > 0);
        let mut least = Some(until);
        for listening in &mut *ears {
            if std::ptr::eq(Arc::as_ptr(&listening.ear), ear) {
                listening.heard = listening.heard.max(Some(until));
            }
            least = least.min(listening.heard);
        }
        self.pulse.set(least);
    }
}

/// Hears of one namespace for a chain, and hands on what it heard when the near tiers have followed.
pub(super) struct ChainEar {
    tiers: Weak<Tiers>,
    namespace: Namespace,
    outer: Weak<dyn Ear>,
}

impl ChainEar {
    pub(super) fn new(tiers: Weak<Tiers>, namespace: Namespace, outer: Weak<dyn Ear>) -> Self {
        Self { tiers, namespace, outer }
    }
}

impl Ear for ChainEar {
    fn hear(&self, notice: Notice<'_>) {
        if let Some(tiers) = self.tiers.upgrade() {
            match notice {
                Notice::Changed(text) => {
                    let rest = text.strip_prefix(self.namespace.text());
                    if let Some(key) = rest.and_then(|rest| rest.strip_prefix(':')) {
                        let key = Key::of_text(key);
                        tiers.changed(&StoreKey::new(&self.namespace, &key).or_any_of_its_text());
                    }
                }
                Notice::Gap => tiers.hearing.missed(),
                Notice::Alive(until) => tiers.hearing.alive(self, until),
            }
        }
        if let Some(outer) = self.outer.upgrade() {
            outer.hear(notice);
        }
    }
}

impl std::fmt::Debug for ChainEar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainEar").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
