//! A clean close leaves a snapshot; the next start reads it, as stale, and nothing comes back by it that was removed.

use std::{convert::Infallible, fs, path::Path, sync::Arc, time::Duration};

use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key, Ttl,
    cache::{Policy, Status},
    settings::{ByteSize, Span},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What becomes of the file, or of the time, in between.
type Spoil = fn(&Path, &Clock);

type Make = fn(QuickCacheConfig, Clock) -> Arc<dyn Backend>;

const MAKES: [Make; 2] = [
    |config, clock| Arc::new(QuickCacheBackend::new(config, clock).unwrap()),
    |config, clock| Arc::new(MokaBackend::new(MokaConfig::clone(&config), clock).unwrap()),
];

fn config(folder: &TempDir) -> QuickCacheConfig {
    QuickCacheConfig::default().snapshot(path(folder))
}

fn path(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("near.snapshot")
}

fn files(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn cache(store: &Arc<dyn Backend>, clock: &Clock) -> Cache<String> {
    let policy = Policy::new(10 * MINUTE).stale_while_revalidate(HOUR).stale_if_error(HOUR);
    Cache::builder(store.clone()).namespace("shop/users").policy(policy).clock(clock.clone()).build().unwrap()
}

/// What a caller gets whose loader fails, with its status: what is stale, or nothing.
async fn excused(cache: &Cache<String>, key: &Key) -> Option<(String, Status)> {
    let load = || async { Err::<String, _>(std::io::Error::other("down")) };
    let fetched = cache.get_or_load(key, load).await.ok()?;
    Some((fetched.to_string(), fetched.status()))
}

async fn loaded(cache: &Cache<String>, key: &Key) -> Status {
    cache.get_or_load(key, || async { Ok::<_, Infallible>("loaded".to_owned()) }).await.unwrap().status()
}

#[tokio::test]
async fn what_was_there_is_there_again_as_stale_and_the_file_is_gone() {
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let store = make(config(&folder), clock.clone());
        let before = cache(&store, &clock);
        let [a, tagged, long] = ["a", "tagged", "long"].map(Key::new);
        let long = long.part("x".repeat(1000));
        before.set(&a, "1".into()).await.unwrap();
        before.at(&tagged).tag("t").user_meta("etag", "7").set("2".into()).await.unwrap();
        before.get_or_load(&long, || async { Ok::<_, Infallible>("3".to_owned()) }).await.unwrap();
        clock.advance(5 * SECOND);
        store.close().await.unwrap();
        assert_eq!(files(&folder), ["near.snapshot", "near.snapshot.owner"]);
        clock.advance(5 * SECOND);

        let store = make(config(&folder), clock.clone());
        assert_eq!(files(&folder), ["near.snapshot.owner"]);
        let after = cache(&store, &clock);
        // A plain read serves nothing that is stale.
        assert!(after.get(&a).await.unwrap().is_none());
        for (key, value) in [(&a, "1"), (&tagged, "2"), (&long, "3")] {
            assert_eq!(excused(&after, key).await, Some((value.to_owned(), Status::Stale)), "{key:?}");
        }
        let fetched =
            after.get_or_load(&tagged, || async { Ok::<_, Infallible>("new".to_owned()) }).await.unwrap();
        assert_eq!(fetched.meta().user("etag").map(|etag| &etag[..]), Some(&b"7"[..]));
        assert_eq!(fetched.age(), 10 * SECOND);
    }
}

#[tokio::test]
async fn it_makes_no_difference_to_a_cache_without_stale_windows() {
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let key = Key::new("k");
        let plain = |store: &Arc<dyn Backend>| -> Cache<String> {
            Cache::builder(store.clone()).namespace("n").clock(clock.clone()).build().unwrap()
        };
        let store = make(config(&folder), clock.clone());
        plain(&store).set(&key, "old".into()).await.unwrap();
        store.close().await.unwrap();
        let store = make(config(&folder), clock.clone());
        assert_eq!(loaded(&plain(&store), &key).await, Status::Loaded);
    }
}

#[tokio::test]
async fn what_was_removed_does_not_come_back() {
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let store = make(config(&folder), clock.clone());
        let before = cache(&store, &clock);
        let names = ["deleted", "tagged", "expired tag", "over", "negative", "kept"];
        let [deleted, tagged, expired, over, negative, kept] = names.map(Key::new);
        before.set(&deleted, "x".into()).await.unwrap();
        before.at(&tagged).tag("t").set("x".into()).await.unwrap();
        before.at(&expired).tag("e").set("x".into()).await.unwrap();
        before.at(&over).ttl(SECOND).set("x".into()).await.unwrap();
        let load = |_| async { Ok::<_, Infallible>(larder_core::cache::Loaded::negative(String::new())) };
        drop(before.at(&negative).get_or_load_with(load).await);
        before.set(&kept, "kept".into()).await.unwrap();
        before.delete(&deleted).await.unwrap();
        before.invalidate_tag("t").await.unwrap();
        before.expire_tag("e").await.unwrap();
        // With its windows: an hour and a second.
        clock.advance(HOUR + 2 * SECOND);
        before.set(&kept, "kept".into()).await.unwrap();
        store.close().await.unwrap();
        let refused = before.invalidate_tag("late").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed, "what succeeds must be seen");
        assert_eq!(before.clear().await.unwrap_err().kind(), ErrorKind::Closed);

        let store = make(config(&folder), clock.clone());
        let after = cache(&store, &clock);
        for key in [&deleted, &tagged, &expired, &over, &negative] {
            assert_eq!(excused(&after, key).await, None, "{key:?}");
        }
        assert!(excused(&after, &kept).await.is_some());
        assert_eq!(after.usage().unwrap().entries, 1);

        // And what is invalidated from now on is like any.
        after.clear().await.unwrap();
        assert_eq!(excused(&after, &kept).await, None);
    }
}

#[tokio::test]
async fn a_tag_that_is_invalidated_after_the_start_kills_what_was_restored() {
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let store = make(config(&folder), clock.clone());
        let (tagged, other) = (Key::new("tagged"), Key::new("other"));
        cache(&store, &clock).at(&tagged).tag("t").set("x".into()).await.unwrap();
        cache(&store, &clock).at(&other).tag("o").set("x".into()).await.unwrap();
        store.close().await.unwrap();
        let store = make(config(&folder), clock.clone());
        let after = cache(&store, &clock);
        after.invalidate_tag("t").await.unwrap();
        after.delete(&Key::new("nothing")).await.unwrap();
        assert_eq!(excused(&after, &tagged).await, None);
        assert!(excused(&after, &other).await.is_some());
    }
}

#[tokio::test]
async fn a_ttl_goes_on_while_nobody_runs() {
    for make in MAKES {
        for (away, is_there) in [(5 * MINUTE, true), (9 * MINUTE, false)] {
            let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
            let policy = Policy::new(MINUTE).stale_while_revalidate(7 * MINUTE);
            let of = |store: &Arc<dyn Backend>| -> Cache<String> {
                let builder = Cache::builder(store.clone()).namespace("n").policy(policy);
                builder.clock(clock.clone()).build().unwrap()
            };
            let key = Key::new("k");
            let store = make(config(&folder), clock.clone());
            of(&store).set(&key, "x".into()).await.unwrap();
            store.close().await.unwrap();
            clock.advance(away);
            let store = make(config(&folder), clock.clone());
            // Fresh for a minute and stale for seven: five minutes later it is stale for four.
            assert_eq!(loaded(&of(&store), &key).await == Status::Stale, is_there, "{away:?}");
        }
    }
}

#[tokio::test]
async fn only_a_clean_close_leaves_one_and_only_one_start_reads_it() {
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let key = Key::new("k");
        let store = make(config(&folder), clock.clone());
        cache(&store, &clock).set(&key, "x".into()).await.unwrap();
        drop(store);
        assert_eq!(files(&folder), ["near.snapshot.owner"], "dropped, not closed");

        let store = make(config(&folder), clock.clone());
        cache(&store, &clock).set(&key, "x".into()).await.unwrap();
        store.close().await.unwrap();
        let first = make(config(&folder), clock.clone());
        let second = make(config(&folder), clock.clone());
        assert_eq!(excused(&cache(&second, &clock), &key).await, None);
        // Who began earlier and ends later knows less than who came after it.
        cache(&first, &clock).set(&key, "out of date".into()).await.unwrap();
        first.close().await.unwrap();
        assert_eq!(files(&folder), ["near.snapshot.owner"]);
        cache(&second, &clock).set(&key, "current".into()).await.unwrap();
        second.close().await.unwrap();
        // Twice is no error, and leaves nothing new.
        let left = fs::read(path(&folder)).unwrap();
        second.close().await.unwrap();
        assert_eq!(fs::read(path(&folder)).unwrap(), left);
        let third = make(config(&folder), clock.clone());
        assert_eq!(excused(&cache(&third, &clock), &key).await, Some(("current".to_owned(), Status::Stale)));
    }
}

#[tokio::test]
async fn a_damaged_or_old_one_is_removed_and_not_used() {
    let spoil: [(&str, Spoil); 6] = [
        ("one bit", |path, _| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("cut", |path, _| fs::write(path, &fs::read(path).unwrap()[..40]).unwrap()),
        ("empty", |path, _| fs::write(path, b"").unwrap()),
        ("large", |path, _| fs::write(path, vec![0; 2 << 20]).unwrap()),
        ("old", |_, clock| clock.advance(11 * MINUTE)),
        ("from the future", |_, clock| clock.step_back(MINUTE)),
    ];
    for make in MAKES {
        for (name, spoil) in spoil {
            let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
            let mut config = config(&folder);
            config.snapshot_max_bytes = Some(ByteSize(1 << 20));
            let key = Key::new("k");
            let store = make(config.clone(), clock.clone());
            cache(&store, &clock).set(&key, "x".into()).await.unwrap();
            store.close().await.unwrap();
            spoil(&path(&folder), &clock);
            let store = make(config, clock.clone());
            assert_eq!(excused(&cache(&store, &clock), &key).await, None, "{name}");
            assert_eq!(files(&folder), ["near.snapshot.owner"], "{name}");
        }
    }
    // The age is configured.
    let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
    let mut config = config(&folder);
    config.snapshot_max_age = Some(Span(HOUR));
    let store = MAKES[0](config.clone(), clock.clone());
    cache(&store, &clock).set(&Key::new("k"), "x".into()).await.unwrap();
    store.close().await.unwrap();
    clock.advance(11 * MINUTE);
    assert_eq!(cache(&MAKES[0](config, clock.clone()), &clock).usage().unwrap().entries, 1);
}

#[tokio::test]
async fn what_is_used_most_is_what_fits() {
    const HOT: usize = 30;
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let mut config = config(&folder);
        config.snapshot_max_bytes = Some(ByteSize(60_000));
        let store = make(config.clone(), clock.clone());
        let before = cache(&store, &clock);
        for n in 0..500 {
            before.set(&Key::new("k").part(n), "x".repeat(1000)).await.unwrap();
        }
        for _ in 0..20 {
            for n in 0..HOT {
                assert!(before.get(&Key::new("k").part(n * 13)).await.unwrap().is_some());
            }
        }
        store.close().await.unwrap();
        assert!(fs::metadata(path(&folder)).unwrap().len() <= 60_000);
        let store = make(config, clock.clone());
        let after = cache(&store, &clock);
        assert!((40..60).contains(&after.usage().unwrap().entries), "{:?}", after.usage());
        let mut there = 0;
        for n in 0..HOT {
            there += usize::from(excused(&after, &Key::new("k").part(n * 13)).await.is_some());
        }
        // Places are shared: one or two others may seem as warm.
        assert_eq!(there, HOT, "{store:?}");
    }
}

#[tokio::test]
async fn counters_and_what_cannot_be_encoded_are_left_out() {
    #[derive(Debug, Clone)]
    struct Stubborn;
    impl serde::Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("as it should")
        }
    }
    impl<'de> serde::Deserialize<'de> for Stubborn {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    for make in MAKES {
        let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
        let store = make(config(&folder), clock.clone());
        let key = Key::new("k");
        let stubborn: Cache<Stubborn> =
            Cache::builder(store.clone()).namespace("s").weigher(|_| 1).clock(clock.clone()).build().unwrap();
        stubborn.set(&key, Stubborn).await.unwrap();
        let before = cache(&store, &clock);
        before.increment(&key, 5, Some(7), Ttl::Never).await.unwrap();
        before.at(&Key::new("fine")).ttl(Ttl::Never).set("x".into()).await.unwrap();
        store.close().await.unwrap();
        let store = make(config(&folder), clock.clone());
        let after = cache(&store, &clock);
        assert_eq!(after.usage().unwrap().entries, 1);
        assert!(excused(&after, &Key::new("fine")).await.is_some());
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_no_failure() {
    for make in MAKES {
        let clock = Clock::manual();
        let config = QuickCacheConfig::default().snapshot("/nowhere/near.snapshot");
        let store = make(config, clock.clone());
        cache(&store, &clock).set(&Key::new("k"), "x".into()).await.unwrap();
        store.close().await.unwrap();
    }
}

/// Writers, removers and invalidators go on while the store is closed: whatever succeeded is seen in the snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_removed_while_it_was_closed_does_not_come_back() {
    for make in MAKES {
        for round in 0..20 {
            let (folder, clock) = (TempDir::new().unwrap(), Clock::manual());
            let store = make(config(&folder), clock.clone());
            let before = cache(&store, &clock);
            for n in 0..300 {
                let tag = format!("t{n}");
                before.at(&Key::new("k").part(n)).tag(&*tag).set("x".into()).await.unwrap();
            }
            let removers: Vec<_> = (0..4)
                .map(|task| {
                    let before = before.clone();
                    tokio::spawn(async move {
                        let mut removed = Vec::new();
                        for n in (task..300).step_by(4) {
                            let key = Key::new("k").part(n);
                            let gone = match task % 2 {
                                0 => before.delete(&key).await.is_ok(),
                                _ => before.invalidate_tag(&format!("t{n}")).await.is_ok(),
                            };
                            if gone {
                                removed.push(n);
                            }
                            tokio::task::yield_now().await;
                        }
                        removed
                    })
                })
                .collect();
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            store.close().await.unwrap();
            let mut removed = Vec::new();
            for remover in removers {
                removed.extend(remover.await.unwrap());
            }
            let store = make(config(&folder), clock.clone());
            let after = cache(&store, &clock);
            for n in removed {
                assert_eq!(excused(&after, &Key::new("k").part(n)).await, None, "round {round}, {n}");
            }
        }
    }
}
