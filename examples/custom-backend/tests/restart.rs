//! What is in the file outlives the process, and what was removed from it stays removed: after a restart, and after
//! a crash. This is what the suite cannot see, since it never ends a process.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{fs, path::Path, time::Duration};

use custom_backend::{RedbBackend, RedbConfig};
use larder_core::{Backend as _, Cache, Clock, Key};

fn cache(path: &Path, clock: &Clock) -> Cache<String> {
    let store = RedbBackend::new(RedbConfig::new(path), clock.clone()).unwrap();
    Cache::builder(store).namespace("users").clock(clock.clone()).build().unwrap()
}

async fn get(cache: &Cache<String>, key: &str) -> Option<String> {
    cache.get(&Key::new(key)).await.unwrap().map(|value| String::clone(&value))
}

#[tokio::test]
async fn entries_are_there_after_a_restart_and_live_no_longer_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("cache.redb"), Clock::manual());

    let before = cache(&path, &clock);
    before.at(&Key::new("short")).ttl(Duration::from_secs(10)).set("a".to_owned()).await.unwrap();
    before.at(&Key::new("long")).ttl(Duration::from_secs(100)).set("b".to_owned()).await.unwrap();
    before.close().await.unwrap();

    clock.advance(Duration::from_secs(50));
    let after = cache(&path, &clock);
    assert_eq!(get(&after, "short").await, None);
    assert_eq!(get(&after, "long").await.as_deref(), Some("b"));
}

#[tokio::test]
async fn what_was_invalidated_stays_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, clock) = (folder.path().join("cache.redb"), Clock::manual());

    let before = cache(&path, &clock);
    for (key, tag) in [("tagged", "t"), ("other", "u"), ("deleted", "u")] {
        before.at(&Key::new(key)).tags([tag]).set("v".to_owned()).await.unwrap();
    }
    before.invalidate_tag("t").await.unwrap();
    before.delete(&Key::new("deleted")).await.unwrap();
    before.close().await.unwrap();

    let between = cache(&path, &clock);
    assert_eq!(get(&between, "tagged").await, None);
    assert_eq!(get(&between, "deleted").await, None);
    assert_eq!(get(&between, "other").await.as_deref(), Some("v"));
    between.clear().await.unwrap();
    between.close().await.unwrap();

    let after = cache(&path, &clock);
    assert_eq!(get(&after, "other").await, None);
}

/// A copy of the file while it is open is what a crash leaves behind.
#[tokio::test]
async fn what_was_answered_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("cache.redb"), folder.path().join("crashed.redb"));
    let clock = Clock::manual();

    let alive = cache(&path, &clock);
    alive.set(&Key::new("deleted"), "old".to_owned()).await.unwrap();
    alive.set(&Key::new("kept"), "new".to_owned()).await.unwrap();
    alive.delete(&Key::new("deleted")).await.unwrap();
    fs::copy(&path, &copy).unwrap();

    let after = cache(&copy, &clock);
    assert_eq!(get(&after, "kept").await.as_deref(), Some("new"));
    assert_eq!(get(&after, "deleted").await, None);
}

#[test]
fn it_says_so() {
    let store = RedbBackend::new(RedbConfig::new("unused.redb"), Clock::manual()).unwrap();
    let capabilities = store.capabilities();
    assert!(capabilities.survives_restart);
    assert!(!capabilities.shared);
    assert!(store.invalidation().here().is_none());
    assert!(!Path::new("unused.redb").exists());
}
