//! A bus as its contract says, on a store in this process that reports every change.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common::{Remote, plain};
use larder_core::{
    Backend, Cache, Clock, Entry, Key, Result,
    backend::{
        Bus, DeleteOptions, Forward, Hearing, Notice, NullBackend, Pulse, SetOptions, TouchOptions, Written,
    },
    key::{Namespace, StoreKey},
    layer::Deadline,
};
use tokio::sync::Notify;

/// How many notices wait for a listener.
const ENOUGH: usize = 8;

/// A layer that tells of every change.
#[derive(Debug)]
struct Telling {
    inner: Arc<Remote>,
    listeners: Mutex<Vec<Weak<Ear>>>,
}

#[derive(Debug)]
struct Ear {
    prefix: String,
    waiting: Mutex<VecDeque<Notice>>,
    news: Notify,
    pulse: Pulse,
}

impl Telling {
    fn changed(&self, key: &StoreKey<'_>) {
        let text = key.to_string();
        for ear in self.listeners.lock().unwrap().iter().filter_map(Weak::upgrade) {
            if text.starts_with(&ear.prefix) {
                let mut waiting = ear.waiting.lock().unwrap();
                if waiting.len() == ENOUGH {
                    waiting.clear();
                    waiting.push_back(Notice::Gap);
                } else {
                    waiting.push_back(Notice::Changed(text.as_str().into()));
                }
            }
            // What is sent now stands behind every notice from before.
            ear.pulse.answered(Instant::now());
            ear.news.notify_one();
        }
    }
}

#[async_trait]
impl Forward for Telling {
    type Inner = Remote;

    fn inner(&self) -> &Remote {
        &self.inner
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(self)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = (*self.inner).set(key, entry, options).await;
        self.changed(key);
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let touched = (*self.inner).touch(key, options).await;
        self.changed(key);
        touched
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let removed = (*self.inner).delete(key, options).await;
        self.changed(key);
        removed
    }
}

#[async_trait]
impl Bus for Telling {
    fn listen(&self, namespace: &Namespace) -> Result<Box<dyn Hearing>> {
        let ear = Arc::new(Ear {
            prefix: namespace.text().to_owned(),
            waiting: Mutex::new([Notice::Gap].into()),
            news: Notify::new(),
            pulse: Pulse::new(),
        });
        self.listeners.lock().unwrap().push(Arc::downgrade(&ear));
        Ok(Box::new(Listener(ear)))
    }
}

#[derive(Debug)]
struct Listener(Arc<Ear>);

#[async_trait]
impl Hearing for Listener {
    async fn next(&mut self) -> Notice {
        loop {
            if let Some(notice) = self.0.waiting.lock().unwrap().pop_front() {
                return notice;
            }
            self.0.news.notified().await;
        }
    }

    fn pulse(&self) -> Pulse {
        self.0.pulse.clone()
    }
}

fn cache(store: &Arc<Telling>, clock: &Clock, namespace: &str) -> Cache<u64> {
    let builder = Cache::builder(Arc::clone(store)).namespace(namespace).policy(plain());
    builder.clock(clock.clone()).build().unwrap()
}

async fn soon(hearing: &mut dyn Hearing) -> Option<Notice> {
    tokio::time::timeout(Duration::from_secs(5), hearing.next()).await.ok()
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard_in_order_after_a_first_gap_and_what_is_too_much_is_a_gap() {
    let clock = Clock::manual();
    let store = Arc::new(Telling { inner: Remote::new(&clock), listeners: Mutex::default() });
    let (mine, other) = (cache(&store, &clock, "mine"), cache(&store, &clock, "other"));
    // A layer that changes nothing hands the ability on.
    let layered = Deadline::new(Arc::clone(&store), "store", Duration::from_secs(1));
    let mut hearing = Backend::bus(&layered).unwrap().listen(mine.namespace()).unwrap();
    assert_eq!(soon(&mut *hearing).await, Some(Notice::Gap));
    let key = Key::new("k");
    mine.set(&key, 1).await.unwrap();
    other.set(&key, 2).await.unwrap();
    mine.delete(&key).await.unwrap();
    let mut heard = Vec::new();
    while let Some(notice) = soon(&mut *hearing).await {
        heard.push(notice);
    }
    // What happens to others is not told. (The version of the namespace is made in one bulk call, which this layer hands on.)
    let changed = |text: &str| Notice::Changed(text.into());
    heard.retain(|notice| *notice != changed("mine!v:generation"));
    assert_eq!(heard, [changed("mine:k"), changed("mine:k")]);
    assert!(hearing.pulse().heard_until().is_some());
    for _ in 0..=ENOUGH {
        mine.set(&key, 1).await.unwrap();
    }
    assert_eq!(soon(&mut *hearing).await, Some(Notice::Gap));
}

#[test]
fn a_store_has_no_bus_unless_it_says_so() {
    assert!(Backend::bus(&NullBackend::new()).is_none());
    assert!(Backend::bus(&Deadline::new(NullBackend::new(), "null", Duration::from_secs(1))).is_none());
}
