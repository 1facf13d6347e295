//! Programs: for each task the steps that it takes, and how it takes them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use larder_core::{
    Entry, Result, Ttl,
    backend::{Condition, SetOptions, TouchOptions},
    clock::Timestamp,
    entry::{Lifetime, Token},
};
use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::check::{Done, Event, Seen};
use crate::{probe::Direct, search::Program};

/// Few keys, so that operations meet.
pub(super) const KEYS: [&str; 3] = ["a", "b", "c"];

/// What is done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Get,
    Set,
    Add,
    Replace,
    Compare,
    Touch,
    TouchByToken,
    Delete,
    DeleteByToken,
}

use Act::{Add, Compare, Delete, DeleteByToken, Get, Replace, Set, Touch, TouchByToken};

/// One call: what it does to which keys. In a bulk call all acts belong to one operation.
#[derive(Debug, Clone)]
pub(super) struct Step {
    bulk: bool,
    acts: Vec<(Act, usize)>,
}

/// The steps of each task.
#[derive(Debug, Clone)]
pub(super) struct Lanes(pub(super) Vec<Vec<Step>>);

impl Program for Lanes {
    fn code(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, steps) in self.0.iter().enumerate().filter(|(_, steps)| !steps.is_empty()) {
            lines.push(format!("// task {number}"));
            lines.extend(steps.iter().enumerate().map(|(place, step)| code(number, place, step)));
        }
        lines
    }
}

/// A step as a call on a store; `seen[key]` stands for the token that the task has seen last.
fn code(task: usize, place: usize, step: &Step) -> String {
    let items = step.acts.iter().enumerate().map(|(item, (act, key))| {
        let (key, value) = (KEYS[*key], value(task, place, item));
        let condition = match act {
            Add => "Absent".to_owned(),
            Replace => "Present".to_owned(),
            Compare | TouchByToken | DeleteByToken => format!("Unchanged(seen[{key:?}])"),
            _ => "Always".to_owned(),
        };
        match act {
            Get => format!("{key:?}"),
            Set | Add | Replace | Compare => format!("({key:?}, \"{value}\", {condition})"),
            _ => format!("({key:?}, {condition})"),
        }
    });
    let items: Vec<String> = items.collect();
    let name = match step.acts.first().map(|(act, _)| act) {
        Some(Get) => "get",
        Some(Set | Add | Replace | Compare) => "set",
        Some(Touch | TouchByToken) => "touch",
        _ => "delete",
    };
    if step.bulk {
        format!("store{task}.{name}_many(&[{}]).await;", items.join(", "))
    } else {
        format!("store{task}.{name}({}).await;", items.join(", "))
    }
}

/// A value that nobody else writes.
fn value(task: usize, place: usize, item: usize) -> u32 {
    u32::try_from(task * 10_000 + place * 100 + item + 1).unwrap_or(u32::MAX)
}

/// Programs of this many tasks.
pub(super) fn programs(tasks: usize, bulk_only: bool) -> BoxedStrategy<Lanes> {
    const OPERATIONS: [&[Act]; 4] = [
        &[Get],
        &[Set, Set, Add, Replace, Compare, Compare],
        &[Touch, TouchByToken],
        &[Delete, DeleteByToken],
    ];
    let operation = || prop_oneof![3 => Just(0_usize), 4 => Just(1), 1 => Just(2), 2 => Just(3)];
    let bulk =
        (operation(), subsequence((0..KEYS.len()).collect::<Vec<_>>(), 1..=KEYS.len()), any::<[u8; 3]>());
    let bulk = bulk.prop_map(|(operation, keys, choices)| {
        let acts = OPERATIONS[operation];
        let acts = keys.iter().zip(choices).map(|(key, choice)| (acts[choice as usize % acts.len()], *key));
        Step { bulk: true, acts: acts.collect() }
    });
    let single = (operation(), 0..KEYS.len(), any::<u8>()).prop_map(|(operation, key, choice)| {
        let acts = OPERATIONS[operation];
        Step { bulk: false, acts: vec![(acts[choice as usize % acts.len()], key)] }
    });
    let step = if bulk_only { bulk.boxed() } else { prop_oneof![2 => single, 1 => bulk].boxed() };
    vec(vec(step, 0..8), tasks).prop_map(Lanes).boxed()
}

/// A task with what it has seen.
pub(super) struct Lane {
    task: usize,
    store: Direct,
    round: String,
    steps: std::iter::Enumerate<std::vec::IntoIter<Step>>,
    left: usize,
    clock: Arc<AtomicU64>,
    /// For each key the last token that was seen, and the value that it names.
    tokens: HashMap<usize, (Token, u32)>,
}

impl Lane {
    pub(super) fn new(
        task: usize,
        store: Direct,
        round: &str,
        steps: Vec<Step>,
        clock: Arc<AtomicU64>,
    ) -> Self {
        let (left, steps) = (steps.len(), steps.into_iter().enumerate());
        Self { task, store, round: round.to_owned(), steps, left, clock, tokens: HashMap::new() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Takes the next step, if there is one, and tells what happened to each key.
    pub(super) async fn step(&mut self) -> Result<Vec<Event>> {
        let Some((place, step)) = self.steps.next() else { return Ok(Vec::new()) };
        self.left -= 1;
        let keys: Vec<String> = step.acts.iter().map(|(_, key)| place_of(&self.round, *key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let done: Vec<Done> = (0..)
            .zip(&step.acts)
            .map(|(item, (act, key))| {
                let known = self.tokens.get(key).map(|(_, value)| *value);
                let value = value(self.task, place, item);
                match act {
                    Get => Done::Get,
                    Set => Done::Set(value),
                    Add => Done::Add(value),
                    Replace => Done::Replace(value),
                    Compare => Done::Compare(known, value),
                    Touch => Done::Touch,
                    TouchByToken => Done::TouchIf(known),
                    Delete => Done::Delete,
                    DeleteByToken => Done::DeleteIf(known),
                }
            })
            .collect();
        let begun = self.clock.fetch_add(1, SeqCst);
        let seen = self.call(&step, &keys, &done).await?;
        let ended = self.clock.fetch_add(1, SeqCst);
        let events = step.acts.iter().zip(done).zip(seen).map(|(((_, key), done), seen)| Event {
            key: *key,
            task: self.task,
            done,
            seen,
            begun,
            ended,
        });
        Ok(events.collect())
    }

    fn condition(&self, act: Act, key: usize) -> Condition {
        // A token that no entry has: revisions are drawn from 64 bits.
        // Of what was never seen: one that no store has given by then, be it a random number or a count.
        let token = self.tokens.get(&key).map_or(Token(u64::MAX - 3), |(token, _)| *token);
        match act {
            Add => Condition::Absent,
            Replace => Condition::Present,
            Compare | TouchByToken | DeleteByToken => Condition::Unchanged(token),
            _ => Condition::Always,
        }
    }

    async fn call(&mut self, step: &Step, keys: &[&str], done: &[Done]) -> Result<Vec<Seen>> {
        let conditions: Vec<Condition> =
            step.acts.iter().map(|(act, key)| self.condition(*act, *key)).collect();
        let took = |answers: Vec<Result<bool>>| -> Result<Vec<Seen>> {
            answers.into_iter().map(|answer| answer.map(Seen::Took)).collect()
        };
        match step.acts.first().map(|(act, _)| *act) {
            None => Ok(Vec::new()),
            Some(Get) => {
                let entries = if step.bulk {
                    self.store.entries_of(keys).await?
                } else {
                    vec![self.store.entry_of(keys[0]).await?]
                };
                let mut seen = Vec::new();
                for ((_, key), entry) in step.acts.iter().zip(entries) {
                    // A value that nobody wrote is shown as one that nobody writes.
                    let value = entry.as_ref().map(|entry| value_of(entry).unwrap_or(0));
                    match (&entry, value) {
                        (Some(entry), Some(value)) => drop(self.tokens.insert(*key, (entry.token(), value))),
                        _ => drop(self.tokens.remove(key)),
                    }
                    seen.push(Seen::Value(value));
                }
                Ok(seen)
            }
            Some(Set | Add | Replace | Compare) => {
                let entries: Vec<Entry> = done.iter().map(|done| self.entry(*done)).collect();
                let options: Vec<SetOptions> =
                    conditions.iter().map(|condition| SetOptions::new(Ttl::Never).when(*condition)).collect();
                if step.bulk {
                    let items: Vec<_> = keys
                        .iter()
                        .zip(&entries)
                        .zip(&options)
                        .map(|((key, entry), options)| (*key, entry, *options))
                        .collect();
                    return took(self.store.put_each(&items).await);
                }
                let answer = self.store.put(&larder_core::Key::new(keys[0]), &entries[0], options[0]).await;
                took(vec![answer])
            }
            Some(Touch | TouchByToken) => {
                let never = Lifetime::until(Timestamp::NEVER);
                let options =
                    conditions.iter().map(|condition| TouchOptions::new(never, Ttl::Never).when(*condition));
                let items: Vec<_> = keys.iter().copied().zip(options).collect();
                if step.bulk {
                    return took(self.store.touch_each(&items).await);
                }
                took(vec![self.store.touch_as(items[0].0, items[0].1).await])
            }
            Some(Delete | DeleteByToken) => {
                let items: Vec<_> = keys.iter().copied().zip(conditions).collect();
                if step.bulk {
                    return took(self.store.delete_many_when(&items).await);
                }
                took(vec![self.store.delete_when(items[0].0, items[0].1).await])
            }
        }
    }

    fn entry(&self, done: Done) -> Entry {
        let value = match done {
            Done::Set(value) | Done::Add(value) | Done::Replace(value) | Done::Compare(_, value) => value,
            _ => 0,
        };
        self.store.entry(value.to_string(), Ttl::Never)
    }
}

/// Every round has keys of its own.
fn place_of(round: &str, key: usize) -> String {
    format!("{round} {}", KEYS[key])
}

fn value_of(entry: &Entry) -> Option<u32> {
    std::str::from_utf8(&entry.encoded()?.bytes).ok()?.parse().ok()
}

/// A read of this key when everything else is over.
pub(super) async fn read_at_the_end(store: &Direct, round: &str, key: usize, now: u64) -> Result<Event> {
    let entry = store.entry_of(&place_of(round, key)).await?;
    // A value that nobody wrote is shown as one that nobody writes.
    let value = entry.as_ref().map(|entry| value_of(entry).unwrap_or(0));
    let (done, seen) = (Done::Get, Seen::Value(value));
    Ok(Event { key, task: 0, done, seen, begun: now, ended: now + 1 })
}
