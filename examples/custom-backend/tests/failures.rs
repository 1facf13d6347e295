//! A file that cannot be used: told apart, never taken for an empty cache, and used again by itself when it can be.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use custom_backend::{RedbBackend, RedbConfig};
use larder_core::{
    Backend as _, Cache, Clock, ErrorKind, Key, Result,
    backend::DeleteOptions,
    cache,
    error::ErrorStatus,
    key::{Namespace, StoreKey},
};
use tempfile::TempDir;
use tokio::runtime::Builder;

const PATIENCE: Duration = Duration::from_secs(10);

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.redb");
    (folder, path)
}

fn cache(path: &Path) -> Cache<String> {
    let store = RedbBackend::new(RedbConfig::new(path), Clock::system()).unwrap();
    Cache::builder(store).namespace("users").build().unwrap()
}

async fn set(cache: &Cache<String>, value: &str) -> Result<()> {
    cache.set(&Key::new("k"), value.to_owned()).await
}

async fn get(cache: &Cache<String>) -> Result<Option<String>> {
    Ok(cache.get(&Key::new("k")).await?.map(|value| String::clone(&value)))
}

#[tokio::test]
async fn a_file_that_another_has_open_is_used_when_it_is_free() {
    let (_folder, path) = folder();
    let other = redb::Database::create(&path).unwrap();

    let cache = cache(&path);
    assert_eq!(set(&cache, "v").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(get(&cache).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Whoever only wants the value does not notice.
    let loaded =
        cache.get_or_load(&Key::new("k"), || async { Ok::<_, Infallible>("loaded".to_owned()) }).await;
    assert_eq!(loaded.unwrap().status(), cache::Status::LoadedNotStored);

    drop(other);
    set(&cache, "v").await.unwrap();
    assert_eq!(get(&cache).await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn a_folder_that_is_not_there_yet_is_no_error_of_start_up() {
    let (folder, _) = folder();
    let missing = folder.path().join("later");
    let cache = cache(&missing.join("cache.redb"));
    assert_eq!(get(&cache).await.unwrap_err().kind(), ErrorKind::Unavailable);
    fs::create_dir(&missing).unwrap();
    assert_eq!(get(&cache).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    let (_folder, path) = folder();
    let text = "dear diary, ".repeat(1000);
    fs::write(&path, &text).unwrap();
    let cache = cache(&path);
    assert_eq!(set(&cache, "v").await.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let (_folder, path) = folder();
    let cache = cache(&path);
    set(&cache, "first").await.unwrap();
    for round in 0..50 {
        let value = format!("round {round}");
        let abandoned = tokio::time::timeout(Duration::from_micros(round * 20), set(&cache, &value)).await;
        let seen = get(&cache).await.unwrap().unwrap();
        if abandoned.is_ok() {
            assert_eq!(seen, value);
        }
        set(&cache, "whole").await.unwrap();
        assert_eq!(get(&cache).await.unwrap().as_deref(), Some("whole"));
    }
}

#[test]
fn a_runtime_that_has_ended_blocks_nobody_afterwards() {
    let (_folder, path) = folder();
    let store = Arc::new(RedbBackend::new(RedbConfig::new(path), Clock::system()).unwrap());
    let remove = |store: Arc<RedbBackend>| async move {
        let (namespace, key) = (Namespace::new("users", 0).unwrap(), Key::new("k"));
        store.delete(&StoreKey::new(&namespace, &key), &DeleteOptions::new()).await
    };

    // A runtime that has ended has no threads that could write.
    let ended = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = ended.handle().clone();
    ended.shutdown_timeout(PATIENCE);
    let (tell, told) = mpsc::channel();
    let removing = remove(Arc::clone(&store));
    thread::spawn(move || tell.send(handle.block_on(removing)));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap_err().status(), ErrorStatus::Temporary);

    let next = Builder::new_current_thread().enable_all().build().unwrap();
    let removed = next.block_on(async { tokio::time::timeout(PATIENCE, remove(store)).await });
    assert!(!removed.unwrap().unwrap());
}
