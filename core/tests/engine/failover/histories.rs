//! Histories at random: processes lose and find either store, read, write, remove and clear. Whatever happens, nobody is served
//! what he knows to be over; and when all have come back, nobody is served what anybody knows to be over.

use std::sync::Arc;

use larder_core::{Key, cache::Status};

use super::{
    common::{Keys, SECOND, Tokens, answer, later, settled},
    world::{DOWN, Process, World},
};

const KEYS: usize = 3;
const PROCESSES: usize = 3;
const STEPS: usize = 120;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }
}

/// One process, and the number of the latest change of each key that it has been told has taken place.
struct Member {
    process: Process,
    done: [u64; KEYS],
}

struct History {
    world: World,
    random: Random,
    members: Vec<Member>,
    keys: [Key; KEYS],
    /// The latest change of each key that anybody was told of.
    done: [u64; KEYS],
    /// Changes are numbered, and the values that they write are their numbers.
    changes: u64,
    log: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let world = World::with_tokens(if seed.is_multiple_of(2) { Tokens::Revision } else { Tokens::Own });
        let members = (0..PROCESSES).map(|_| Member { process: world.process(), done: [0; KEYS] }).collect();
        let keys = ["a", "b", "c"].map(Key::new);
        Self { world, random: Random(seed), members, keys, done: [0; KEYS], changes: 0, log: Vec::new() }
    }

    fn check(&self, key: usize, found: Option<u64>, least: u64, who: usize) {
        let found = found.unwrap_or(u64::MAX);
        assert!(found >= least, "process {who} reads {found} where {least} is done; {:#?}", self.log);
        let _ = key;
    }

    async fn step(&mut self) {
        let (who, key) = (self.random.below(PROCESSES), self.random.below(KEYS));
        let what = self.random.below(16);
        self.log.push(format!("process {who}, key {key}: {what}"));
        let member = &self.members[who];
        let cache = member.process.cache.clone();
        self.changes += 1;
        let change = self.changes;
        let changed = match what {
            0..4 => {
                let found = cache.get(&self.keys[key]).await.ok().flatten().map(|found| *found);
                self.check(key, found, member.done[key], who);
                None
            }
            4..6 => cache.set(&self.keys[key], change).await.is_ok().then_some(key..=key),
            6..8 => cache.delete(&self.keys[key]).await.is_ok().then_some(key..=key),
            8 => cache.clear().await.is_ok().then_some(0..=KEYS - 1),
            9 => {
                // What a loader makes is as new as its call.
                let loaded = cache.get_or_load(&self.keys[key], answer(change)).await.unwrap();
                if loaded.status() == Status::Loaded {
                    Some(key..=key)
                } else {
                    self.check(key, Some(*loaded), member.done[key], who);
                    None
                }
            }
            10 => {
                member.process.first.always(DOWN);
                None
            }
            11 => {
                member.process.loses_first().await;
                None
            }
            12 => {
                member.process.second.always(DOWN);
                None
            }
            13 => {
                member.process.first.none();
                member.process.second.none();
                later(&self.world.clock, SECOND).await;
                None
            }
            14 => {
                self.world.second.evict(Keys::With("s:"));
                None
            }
            _ => {
                settled().await;
                None
            }
        };
        for key in changed.into_iter().flatten() {
            self.members[who].done[key] = change;
            self.done[key] = change;
        }
    }

    /// All find both stores again, and use them.
    async fn all_come_back(&mut self) {
        for member in &self.members {
            member.process.second.none();
        }
        for member in &self.members {
            member.process.finds_first().await;
            // In vain at first, if the second store was asked a moment ago.
            later(&self.world.clock, SECOND).await;
            member.process.cache.get(&self.keys[0]).await.unwrap();
        }
        self.log.push("all are back".to_owned());
        for (who, member) in self.members.iter().enumerate() {
            for (key, name) in self.keys.iter().enumerate() {
                let found = member.process.has(name).await;
                self.check(key, found, self.done[key], who);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_what_is_known_to_be_over() {
    for seed in 0..60 {
        let mut history = History::new(seed);
        for step in 0..STEPS {
            history.step().await;
            if step % 40 == 39 {
                history.all_come_back().await;
            }
        }
    }
}

/// The same with processes that end at any moment, of which others have to learn what they have done.
#[tokio::test(start_paused = true)]
async fn what_ended_processes_have_done_holds_for_those_that_start() {
    for seed in 1000..1060 {
        let mut history = History::new(seed);
        for _ in 0..6 {
            for _ in 0..15 {
                history.step().await;
            }
            // Whatever they have done was said to be done; nobody comes back himself.
            let last = Arc::clone(&history.world.second);
            history.members.clear();
            last.heal();
            let process = history.world.process();
            for (key, name) in history.keys.iter().enumerate() {
                let found = process.has(name).await;
                history.check(key, found, history.done[key], 99);
            }
            let world = &history.world;
            history.members =
                (0..PROCESSES).map(|_| Member { process: world.process(), done: [0; KEYS] }).collect();
        }
    }
}
