//! Near tiers in front of a shared store: what they spare, and what they may never serve. A cache on a `Remote` with a `Local`
//! in front is a process of its own.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{sync::Arc, time::Duration};

use crate::common::{
    self, Act, DEEDS, Deed, Gate, HOUR, Keys, Local, MINUTE, MS, Op, READS, Remote, SECOND, Tokens, WRITES,
    answer, asked, builder, failing, gated, hanging, later, plain, said, settled, soon, there,
};
use larder_core::{
    Backend, Cache, Chain, Clock, Error, ErrorKind, Key, Miss, Result, Ttl,
    backend::{DeleteOptions, Forward, GetOptions, Lookup},
    cache::{self, Found, Policy, Status, Swapped},
    key::StoreKey,
};
use tokio::time::Instant;

/// How long near copies live here.
const NEAR: Duration = SECOND;

/// A store behind this tier, whose copies live this long.
fn chain<B: Backend>(far: B, near: impl Backend, clock: &Clock, ttl: Duration) -> Chain<B> {
    Chain::new(far, clock).near(near).unwrap().near_ttl(ttl).unwrap()
}

/// A process with a near tier in front of this store, which remembers versions for as long as copies live.
fn process(store: &Arc<Remote>, clock: &Clock, policy: Policy) -> Cache<u64> {
    builder(chain(Arc::clone(store), Local::new(clock), clock, NEAR), clock, policy)
        .invalidation_lag(NEAR)
        .build()
        .unwrap()
}

/// One without.
fn other(store: &Arc<Remote>, clock: &Clock) -> Cache<u64> {
    common::cache(Arc::clone(store), clock, plain())
}

/// A store with this entry, and a process that has read it.
async fn read_once(tokens: Tokens, policy: Policy) -> (Clock, Arc<Remote>, Cache<u64>, Key) {
    let clock = Clock::manual();
    let store = Remote::with_tokens(&clock, tokens);
    let (near, key) = (process(&store, &clock, policy), Key::new("k"));
    other(&store, &clock).at(&key).tag("t").set(1).await.unwrap();
    assert_eq!(there(&near, &key).await, Some(1));
    (clock, store, near, key)
}

const BOTH: [Tokens; 2] = [Tokens::Revision, Tokens::Own];

/// Which tier answered is said by each way of reading, and one call can pass the near ones.
#[tokio::test(start_paused = true)]
async fn who_must_see_what_others_have_written_reads_from_the_store() {
    let (clock, store, near, key) = read_once(Tokens::Revision, plain()).await;
    let outside = other(&store, &clock);
    outside.set(&key, 2).await.unwrap();
    let tier = |read: Option<cache::Fetched<u64>>| read.map(|read| (*read, read.is_near())).unwrap();
    let many = near.get_many(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(many.value(0).map(|read| (**read, read.is_near())), Some((1, true)));
    let copy = near.get_or_load(&key, answer(3)).await.unwrap();
    assert_eq!((*copy, copy.is_near(), copy.status()), (1, true, Status::Hit));
    assert!(copy.cache_status().ends_with("; detail=near"), "{}", copy.cache_status());
    assert!(near.get_encoded(&key).await.unwrap().unwrap().is_near());
    assert_eq!(tier(near.get(&key).await.unwrap()), (1, true));
    assert_eq!(tier(near.at(&key).get().await.unwrap()), (1, true));

    assert_eq!(tier(near.at(&key).from_store().get().await.unwrap()), (2, false));
    // What it has seen, everybody sees from then on.
    assert_eq!(tier(near.get(&key).await.unwrap()), (2, true));
    outside.set(&key, 4).await.unwrap();
    let read = near.at(&key).from_store().get_or_load(answer(3)).await.unwrap();
    assert_eq!((*read, read.is_near(), read.status()), (4, false, Status::Hit));
    assert!(!read.cache_status().contains("near"), "{}", read.cache_status());
    outside.set(&key, 5).await.unwrap();
    let read = near.at(&key).from_store().get_or_load_encoded(answer(3)).await.unwrap();
    assert_eq!((read.body().bytes.as_ref(), read.is_near()), ([5].as_slice(), false));
    outside.delete(&key).await.unwrap();
    assert_eq!(tier(near.get(&key).await.unwrap()), (5, true));
    assert!(near.at(&key).from_store().get().await.unwrap().is_none());
    assert_eq!(there(&near, &key).await, None, "the copy has gone with it");
    // A miss is loaded, and without near tiers there is nothing to pass.
    let loaded = near.at(&key).from_store().get_or_load(answer(6)).await.unwrap();
    assert_eq!((*loaded, loaded.is_near(), loaded.status()), (6, false, Status::Loaded));
    assert_eq!(tier(outside.at(&key).from_store().get().await.unwrap()), (6, false));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_read_again_without_a_round_trip_until_its_copy_ends() {
    for tokens in BOTH {
        let (clock, store, near, key) = read_once(tokens, plain()).await;
        let before = store.round_trips();
        for _ in 0..10 {
            assert_eq!(there(&near, &key).await, Some(1));
            assert_eq!(said(near.get_or_load(&key, answer(2)).await), Ok(1));
            let many = near.get_many(std::slice::from_ref(&key)).await.unwrap();
            assert_eq!(many.value(0).map(|value| **value), Some(1));
            assert_eq!(near.get_encoded(&key).await.unwrap().unwrap().body().bytes, [1].as_slice());
        }
        assert_eq!(store.since(before), [], "{tokens:?}");
        assert_eq!((near.stats().near_hits, near.stats().hits), (40, 41));
        later(&clock, NEAR).await;
        assert_eq!(there(&near, &key).await, Some(1));
        assert!(store.count(READS, Keys::With("s:k")) > 1, "its copy has ended");
    }
}

/// A copy is no new life: it ends with the entry, however late it was made.
#[tokio::test(start_paused = true)]
async fn a_copy_never_outlives_its_entry() {
    let (clock, store, key) = (Clock::manual(), Remote::new(&Clock::manual()), Key::new("k"));
    drop(store);
    let store = Remote::new(&clock);
    let near = process(&store, &clock, plain());
    other(&store, &clock).at(&key).ttl(10 * SECOND).set(1).await.unwrap();
    later(&clock, 9 * SECOND + 900 * MS).await;
    assert_eq!(there(&near, &key).await, Some(1));
    later(&clock, 99 * MS).await;
    assert_eq!(there(&near, &key).await, Some(1));
    later(&clock, MS).await;
    assert_eq!(there(&near, &key).await, None);
}

/// A writer's clock that is an hour ahead gives a copy no longer life than the entry was given.
#[tokio::test(start_paused = true)]
async fn a_copy_of_an_entry_from_an_hour_ahead_lives_no_longer_than_a_whole_ttl() {
    let (clock, ahead, key) = (Clock::manual(), Clock::manual(), Key::new("k"));
    ahead.advance(HOUR);
    let store = Remote::new(&clock);
    let near = builder(chain(Arc::clone(&store), Local::new(&clock), &clock, 2 * HOUR), &clock, plain());
    let near: Cache<u64> = near.invalidation_lag(2 * HOUR).build().unwrap();
    other(&store, &ahead).at(&key).ttl(10 * SECOND).set(1).await.unwrap();
    assert_eq!(there(&near, &key).await, Some(1));
    let asked = store.count(READS, Keys::With("s:k"));
    later(&clock, 9 * SECOND).await;
    assert_eq!(there(&near, &key).await, Some(1));
    assert_eq!(store.count(READS, Keys::With("s:k")), asked, "the copy is there");
    later(&clock, SECOND).await;
    assert_eq!(there(&near, &key).await, None, "the store has none any more");
}

/// Its age counts from the question and not from the answer, which may have been a long time on its way.
#[tokio::test(start_paused = true)]
async fn a_copy_is_as_old_as_its_question() {
    let (clock, key) = (Clock::manual(), Key::new("k"));
    let store = Remote::new(&clock);
    let near = process(&store, &clock, plain());
    other(&store, &clock).set(&key, 1).await.unwrap();
    let gate = Gate::new();
    store.on(READS, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let reading = asked(&near, &key, answer(2));
    gate.reached_by(1).await;
    later(&clock, 990 * MS).await;
    gate.open();
    assert_eq!(said(soon(reading).await.unwrap()), Ok(1));
    let before = store.count(READS, Keys::With("s:k"));
    assert_eq!(there(&near, &key).await, Some(1));
    assert_eq!(store.count(READS, Keys::With("s:k")), before);
    later(&clock, 10 * MS).await;
    assert_eq!(there(&near, &key).await, Some(1));
    assert_eq!(store.count(READS, Keys::With("s:k")), before + 1);
}

/// Whatever this process does to a key, its next read sees.
#[tokio::test(start_paused = true)]
async fn a_process_sees_its_own_changes_at_once() {
    for tokens in BOTH {
        for deed in DEEDS {
            if matches!(deed, Deed::Add) {
                continue;
            }
            let (_, _, near, key) = read_once(tokens, plain()).await;
            deed.by(&near, &key).await;
            assert_eq!(there(&near, &key).await, deed.leaves(), "{tokens:?}, {deed:?}");
            assert_eq!(there(&near, &key).await, deed.leaves(), "{tokens:?}, {deed:?}");
        }
        let (_, _, near, key) = read_once(tokens, plain()).await;
        let token = near.get(&key).await.unwrap().unwrap();
        drop(token);
        assert!(near.replace(&key, 5).await.unwrap());
        assert_eq!(there(&near, &key).await, Some(5));
        assert!(near.touch(&key, Ttl::After(100 * MS)).await.unwrap());
        assert_eq!(near.ttl(&key).await.unwrap(), Some(Ttl::After(100 * MS)), "{tokens:?}");
        near.touch(&key, Ttl::After(Duration::ZERO)).await.unwrap();
        assert_eq!(there(&near, &key).await, None);
    }
}

/// A copy is as good as what the store itself gives for a write that may only replace what was read.
#[tokio::test(start_paused = true)]
async fn a_copy_can_be_compared_and_set() {
    for tokens in BOTH {
        let (clock, store, near, key) = read_once(tokens, plain()).await;
        for n in 1..5 {
            let fetched = near.get(&key).await.unwrap().unwrap();
            assert_eq!(
                near.at(&key).compare_and_set(&fetched, n + 1).await.unwrap(),
                Swapped::Yes,
                "{tokens:?}"
            );
            assert_eq!(there(&near, &key).await, Some(n + 1));
        }
        let fetched = near.get(&key).await.unwrap().unwrap();
        other(&store, &clock).set(&key, 9).await.unwrap();
        let swapped = near.at(&key).compare_and_set(&fetched, 10).await.unwrap();
        assert_eq!(swapped, Swapped::Changed, "{tokens:?}");
        // What was found meanwhile is known from now on: whoever tries again does so over that.
        let fetched = near.get(&key).await.unwrap().unwrap();
        assert_eq!(*fetched, 9);
        assert_eq!(near.at(&key).compare_and_set(&fetched, 10).await.unwrap(), Swapped::Yes, "{tokens:?}");
    }
}

/// A TTL that this process has shortened holds for the copy.
#[tokio::test(start_paused = true)]
async fn a_copy_ends_when_a_touch_says_so() {
    for tokens in BOTH {
        let (clock, _, near, key) = read_once(tokens, plain()).await;
        assert!(near.touch(&key, Ttl::After(100 * MS)).await.unwrap());
        assert_eq!(there(&near, &key).await, Some(1));
        later(&clock, 101 * MS).await;
        assert_eq!(there(&near, &key).await, None, "{tokens:?}");
    }
}

/// Who has seen in the store that there is nothing, or something else, does not find near what was there before.
#[tokio::test(start_paused = true)]
async fn what_the_store_says_ends_an_older_copy() {
    for in_bulk in [false, true] {
        let clock = Clock::manual();
        let store = Remote::new(&clock);
        // Versions are asked for again before the copy ends, and so is the store.
        let far = chain(Arc::clone(&store), Local::new(&clock), &clock, HOUR);
        let near: Cache<u64> = builder(far, &clock, plain()).invalidation_lag(NEAR).build().unwrap();
        let key = Key::new("k");
        near.set(&key, 1).await.unwrap();
        other(&store, &clock).delete(&key).await.unwrap();
        later(&clock, NEAR + MS).await;
        let read = async || {
            if in_bulk {
                let keys = [key.clone(), Key::new("beside")];
                near.get_many(&keys).await.unwrap().value(0).map(|value| **value)
            } else {
                there(&near, &key).await
            }
        };
        assert_eq!(read().await, None);
        assert_eq!(read().await, None, "back in time, in bulk: {in_bulk}");
    }
}

/// A store that gives more answers than it was asked for: none of them is taken for anybody's.
#[tokio::test(start_paused = true)]
async fn answers_too_many_are_nobodys() {
    #[derive(Debug)]
    struct Chatty(Arc<Remote>);

    #[async_trait::async_trait]
    impl Forward for Chatty {
        type Inner = Arc<Remote>;

        fn inner(&self) -> &Arc<Remote> {
            &self.0
        }

        async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
            let mut answers = Backend::get_many(&self.0, keys, options).await;
            if !keys[0].to_string().contains("!v") {
                answers.insert(0, Ok(Lookup::Miss(Miss::Absent)));
            }
            answers
        }
    }

    let clock = Clock::manual();
    let far = chain(Chatty(Remote::new(&clock)), Local::new(&clock), &clock, HOUR);
    let near: Cache<u64> = builder(far, &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    let keys = [Key::new("near"), Key::new("a"), Key::new("b")];
    near.set(&keys[0], 1).await.unwrap();
    let found = near.get_many(&keys).await.unwrap();
    assert_eq!(found.value(0).map(|value| **value), Some(1));
    let failed: Vec<_> = found.iter().skip(1).map(|answer| answer.as_ref().err().map(Error::kind)).collect();
    assert_eq!(failed, [Some(ErrorKind::Protocol); 2]);
}

/// A tier that waits is used no more: what it holds is not known.
#[tokio::test(start_paused = true)]
async fn a_tier_that_waits_is_given_up() {
    #[derive(Debug)]
    struct Slow(Arc<Local>);

    #[async_trait::async_trait]
    impl Forward for Slow {
        type Inner = Arc<Local>;

        fn inner(&self) -> &Arc<Local> {
            &self.0
        }

        async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
            tokio::time::sleep(SECOND).await;
            Backend::delete(&self.0, key, options).await
        }
    }

    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let far = chain(Arc::clone(&store), Slow(Local::new(&clock)), &clock, HOUR);
    let near: Cache<u64> = builder(far, &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    let key = Key::new("k");
    near.set(&key, 1).await.unwrap();
    assert_eq!((there(&near, &key).await, near.stats().near_hits), (Some(1), 1));
    near.delete(&key).await.unwrap();
    assert_eq!(there(&near, &key).await, None);
    near.set(&key, 2).await.unwrap();
    assert_eq!((there(&near, &key).await, near.stats().near_hits), (Some(2), 1));
}

/// What was written is its own copy: the write is known, and need not be asked for.
#[tokio::test(start_paused = true)]
async fn what_a_process_writes_or_loads_is_its_copy() {
    for tokens in BOTH {
        let clock = Clock::manual();
        let store = Remote::with_tokens(&clock, tokens);
        let near = process(&store, &clock, plain());
        let keys = [Key::new("set"), Key::new("many"), Key::new("loaded"), Key::new("replaced")];
        near.set(&keys[0], 1).await.unwrap();
        near.set_many([(keys[1].clone(), 1)]).await.unwrap();
        near.get_or_load(&keys[2], answer(1)).await.unwrap();
        near.set(&keys[3], 0).await.unwrap();
        assert!(near.replace(&keys[3], 1).await.unwrap());
        settled().await;
        let before = store.count(READS, Keys::Any);
        for key in &keys {
            assert_eq!(there(&near, key).await, Some(1), "{tokens:?}, {key:?}");
        }
        assert_eq!(store.count(READS, Keys::Any), before, "{tokens:?}");
    }
}

/// What another process does is seen when the copy ends, at the latest.
#[tokio::test(start_paused = true)]
async fn another_process_is_seen_when_the_copy_ends() {
    for deed in DEEDS {
        if matches!(deed, Deed::Add) {
            continue;
        }
        let (clock, store, near, key) = read_once(Tokens::Revision, plain()).await;
        deed.by(&other(&store, &clock), &key).await;
        // A moment counts as within the time that is remembered.
        later(&clock, NEAR + MS).await;
        assert_eq!(there(&near, &key).await, deed.leaves(), "{deed:?}");
    }
}

/// Rules 1 and 2: what was read before a change of this process fills no near tier after it, whether the change came while the
/// answer was on its way, had begun before the question, or has not ended yet.
#[tokio::test(start_paused = true)]
async fn a_change_wins_over_a_copy_that_is_about_to_be_made() {
    for tokens in BOTH {
        for deed in DEEDS {
            for bulk in [false, true] {
                if matches!(deed, Deed::Add) {
                    continue;
                }
                let (clock, store, near, key) = read_once(tokens, plain()).await;
                later(&clock, NEAR).await;
                let gate = Gate::new();
                store.on(READS, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
                let reading = {
                    let (near, key) = (near.clone(), key.clone());
                    tokio::spawn(async move {
                        if bulk {
                            near.get_many(&[key, Key::new("beside")])
                                .await
                                .unwrap()
                                .value(0)
                                .map(|value| **value)
                        } else {
                            near.get(&key).await.unwrap().map(|value| *value)
                        }
                    })
                };
                gate.reached_by(1).await;
                store.heal();
                deed.by(&near, &key).await;
                gate.open();
                // It arrived before.
                let _ = soon(reading).await.unwrap();
                assert_eq!(there(&near, &key).await, deed.leaves(), "{tokens:?}, {deed:?}, in bulk: {bulk}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_copied_while_a_write_is_under_way() {
    let (clock, store, near, key) = read_once(Tokens::Revision, plain()).await;
    later(&clock, NEAR).await;
    let gate = Gate::new();
    store.on(WRITES, Keys::With("s:k"), Act::Hold(gate.clone()));
    let writing = {
        let (near, key) = (near.clone(), key.clone());
        tokio::spawn(async move { near.set(&key, 2).await })
    };
    gate.reached_by(1).await;
    // It begins after the write has begun, and reads what was before it.
    assert_eq!(there(&near, &key).await, Some(1));
    let before = store.count(READS, Keys::With("s:k"));
    assert_eq!(there(&near, &key).await, Some(1));
    assert_eq!(store.count(READS, Keys::With("s:k")), before + 1, "no copy was made");
    gate.open();
    soon(writing).await.unwrap().unwrap();
    assert_eq!(there(&near, &key).await, Some(2));
}

/// Rule 3: of two writes that are under way at once, nobody here knows which the store did last.
#[tokio::test(start_paused = true)]
async fn of_two_writes_at_once_neither_is_the_copy() {
    for later_first in [false, true] {
        let (_, store, near, key) = read_once(Tokens::Revision, plain()).await;
        let gates = [Gate::new(), Gate::new()];
        let mut writing = Vec::new();
        for (n, gate) in (2..).zip(&gates) {
            store.heal();
            store.on(WRITES, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
            let (near, key) = (near.clone(), key.clone());
            writing.push(tokio::spawn(async move { near.set(&key, n).await }));
            gate.reached_by(1).await;
        }
        store.heal();
        // The store has done 2, then 3. They are acknowledged in this order or the other.
        let order = if later_first { [1, 0] } else { [0, 1] };
        for n in order {
            gates[n].open();
            settled().await;
        }
        for writing in writing {
            soon(writing).await.unwrap().unwrap();
        }
        assert_eq!(there(&near, &key).await, Some(3), "later first: {later_first}");
    }
}

/// A write that fails or is given up may have taken place: its key has no copy.
#[tokio::test(start_paused = true)]
async fn after_a_write_in_doubt_the_store_is_asked() {
    for act in [Act::LoseAnswer, Act::Fail(ErrorKind::Unavailable), Act::Hang] {
        let (_, store, near, key) = read_once(Tokens::Revision, plain()).await;
        store.on(WRITES, Keys::With("s:k"), act.clone());
        let written = tokio::time::timeout(10 * MS, near.set(&key, 2)).await;
        assert!(!matches!(written, Ok(Ok(()))));
        let before = store.count(READS, Keys::With("s:k"));
        let now = if matches!(act, Act::LoseAnswer) { 2 } else { 1 };
        assert_eq!(there(&near, &key).await, Some(now));
        assert_eq!(store.count(READS, Keys::With("s:k")), before + 1);
    }
}

/// A load that stores ends what was about to be copied as well, and so does one that is cut off while it stores.
#[tokio::test(start_paused = true)]
async fn a_load_wins_over_an_older_copy() {
    let (clock, store, near, key) = read_once(Tokens::Revision, plain()).await;
    later(&clock, NEAR).await;
    let gate = Gate::new();
    store.on(&[Op::Get], Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let reading = {
        let (near, key) = (near.clone(), key.clone());
        tokio::spawn(async move { near.get(&key).await.unwrap().map(|value| *value) })
    };
    gate.reached_by(1).await;
    store.heal();
    assert_eq!(said(near.at(&key).fresh().get_or_load(answer(2)).await), Ok(2));
    gate.open();
    assert_eq!(soon(reading).await.unwrap(), Some(1));
    assert_eq!(there(&near, &key).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn in_bulk_the_store_is_asked_for_what_is_not_near() {
    let (_, store, near, key) = read_once(Tokens::Revision, plain()).await;
    let (two, three) = (Key::new("two"), Key::new("three"));
    near.set(&two, 2).await.unwrap();
    let before = store.round_trips();
    let keys = [key.clone(), three.clone(), two.clone()];
    let found = near
        .get_or_load_many(&keys, |missing| async move {
            Ok::<_, std::convert::Infallible>(missing.into_iter().map(|key| (key, 3)))
        })
        .await
        .unwrap();
    let values: Vec<_> = (0..3).map(|n| found.value(n).map(|value| **value)).collect();
    assert_eq!(values, [Some(1), Some(3), Some(2)]);
    let asked: Vec<_> = store.since(before).into_iter().filter(|(op, _)| READS.contains(op)).collect();
    assert!(
        asked.iter().all(|(_, texts)| texts.iter().all(|text| text != "s:k" && text != "s:two")),
        "{asked:?}"
    );
}

/// While the store hangs or fails, what is near is served as fast as ever, and the rest as without near tiers.
#[tokio::test(start_paused = true)]
async fn near_copies_are_served_whatever_the_store_does() {
    for (what, act) in [("hangs", Act::Hang), ("fails", Act::Fail(ErrorKind::Unavailable))] {
        let clock = Clock::manual();
        let store = Remote::new(&clock);
        let far = larder_core::layer::Deadline::new(Arc::clone(&store), "far", 50 * MS);
        let near: Cache<u64> = builder(chain(far, Local::new(&clock), &clock, NEAR), &clock, plain())
            .invalidation_lag(100 * MS)
            .build()
            .unwrap();
        let key = Key::new("k");
        near.at(&key).tag("t").set(1).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(1));
        store.on_all(&act);
        later(&clock, 101 * MS).await;
        // Nobody knows yet that the store is away: one call finds out, within the deadline.
        let begun = Instant::now();
        let _ = near.get(&key).await;
        assert!(begun.elapsed() <= 51 * MS);
        for _ in 0..7 {
            later(&clock, 100 * MS).await;
            let begun = Instant::now();
            assert_eq!(said(near.get_or_load(&key, answer(2)).await), Ok(1), "it {what}");
            assert_eq!(there(&near, &key).await, Some(1));
            assert_eq!(begun.elapsed(), Duration::ZERO, "it {what}");
        }
        later(&clock, 200 * MS).await;
        assert_eq!(said(near.get_or_load(&key, answer(2)).await), Ok(2), "it {what}");
    }
}

/// An early refresh from a near copy finds what another process has loaded meanwhile, and runs no loader.
#[tokio::test(start_paused = true)]
async fn an_early_refresh_asks_the_store_before_the_loader() {
    let policy = plain().early_refresh(0.5);
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let near: Cache<u64> =
        builder(chain(Arc::clone(&store), Local::new(&clock), &clock, HOUR), &clock, policy)
            .invalidation_lag(HOUR)
            .build()
            .unwrap();
    let key = Key::new("k");
    near.set(&key, 1).await.unwrap();
    clock.advance(6 * MINUTE);
    other(&store, &clock).set(&key, 2).await.unwrap();
    assert_eq!(said(near.get_or_load(&key, answer(3)).await), Ok(1));
    settled().await;
    assert_eq!(said(near.get_or_load(&key, answer(4)).await), Ok(2), "what the other process has made");
    assert_eq!(near.stats().loads, 0);
    // Nobody else has renewed it: then the loader is asked.
    clock.advance(6 * MINUTE);
    assert_eq!(said(near.get_or_load(&key, answer(5)).await), Ok(2));
    settled().await;
    assert_eq!(there(&near, &key).await, Some(5));
}

/// A stale copy is not served while the store may have a fresh one.
#[tokio::test(start_paused = true)]
async fn a_stale_copy_is_no_copy() {
    let policy = plain().stale_while_revalidate(HOUR);
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let near: Cache<u64> =
        builder(chain(Arc::clone(&store), Local::new(&clock), &clock, HOUR), &clock, policy)
            .invalidation_lag(HOUR)
            .build()
            .unwrap();
    let key = Key::new("k");
    near.set(&key, 1).await.unwrap();
    clock.advance(11 * MINUTE);
    other(&store, &clock).set(&key, 2).await.unwrap();
    let served = near.get_or_load(&key, answer(3)).await.unwrap();
    assert_eq!((*served, served.status()), (2, Status::Hit));
}

/// A sliding TTL goes on where only near copies are read.
#[tokio::test(start_paused = true)]
async fn reading_near_copies_extends_a_sliding_ttl() {
    for tokens in BOTH {
        let policy = Policy::new(10 * SECOND).sliding(HOUR);
        let (clock, store, near, key) = read_once(tokens, policy).await;
        near.set(&key, 1).await.unwrap();
        for _ in 0..60 {
            later(&clock, 500 * MS).await;
            assert_eq!(there(&near, &key).await, Some(1), "{tokens:?}");
            settled().await;
        }
        assert!(store.count(&[Op::Touch, Op::Set], Keys::With("s:k")) < 30, "{tokens:?}");
    }
}

/// Only values have copies: a negative answer, or another process's lease, is asked for where it is.
#[tokio::test(start_paused = true)]
async fn what_is_no_value_has_no_copy() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let policy = plain().negative_ttl(MINUTE).lease(10 * SECOND);
    let local = Local::new(&clock);
    let near: Cache<Option<u64>> =
        builder(chain(Arc::clone(&store), Arc::clone(&local), &clock, HOUR), &clock, policy)
            .invalidation_lag(HOUR)
            .build()
            .unwrap();
    let key = Key::new("k");
    let gate = Gate::new();
    let loading = asked(&near, &key, gated(&gate, Some(1)));
    gate.reached_by(1).await;
    assert!(store.entry(&key).unwrap().is_lease());
    assert!(matches!(near.look_up(&key).await.unwrap(), Found::Miss(_)));
    assert_eq!(local.len(), 0);
    gate.open();
    soon(loading).await.unwrap().unwrap();
    assert_eq!(local.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tiers_are_filled_together_and_one_that_is_too_small_does_no_harm() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let (small, large) = (Local::with_limit(&clock, 0), Local::new(&clock));
    let near: Cache<u64> = builder(
        chain(Arc::clone(&store), Arc::clone(&small), &clock, HOUR).near(Arc::clone(&large)).unwrap(),
        &clock,
        plain(),
    )
    .invalidation_lag(HOUR)
    .build()
    .unwrap();
    let key = Key::new("k");
    near.set(&key, 1).await.unwrap();
    assert_eq!((small.len(), large.len()), (0, 1));
    let before = store.count(READS, Keys::Any);
    assert_eq!(there(&near, &key).await, Some(1));
    assert_eq!(store.count(READS, Keys::Any), before);
    near.delete(&key).await.unwrap();
    assert_eq!((small.len(), large.len()), (0, 0));
}

#[tokio::test]
async fn a_store_that_others_share_is_no_near_tier() {
    let clock = Clock::manual();
    let refused = Chain::new(Remote::new(&clock), &clock).near(Remote::new(&clock)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    let refused = Chain::new(Remote::new(&clock), &clock).near_ttl(Duration::ZERO).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
}

/// Handles of one chain are one process, whatever caches they are of: what one writes the other sees at once, also past a read
/// that was on its way.
#[tokio::test(start_paused = true)]
async fn caches_on_one_chain_see_each_other_at_once() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let far = Arc::new(chain(Arc::clone(&store), Local::new(&clock), &clock, HOUR));
    let cache = || -> Cache<u64> {
        builder(Arc::clone(&far), &clock, plain()).invalidation_lag(HOUR).build().unwrap()
    };
    let (one, two, key) = (cache(), cache(), Key::new("k"));
    one.set(&key, 1).await.unwrap();
    assert_eq!(there(&two, &key).await, Some(1));
    two.set(&key, 2).await.unwrap();
    assert_eq!(there(&one, &key).await, Some(2));
    one.delete(&key).await.unwrap();
    assert_eq!(there(&two, &key).await, None);

    other(&store, &clock).set(&key, 3).await.unwrap();
    let gate = Gate::new();
    store.on(READS, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let reading = asked(&one, &key, answer(9));
    gate.reached_by(1).await;
    store.heal();
    two.set(&key, 4).await.unwrap();
    gate.open();
    assert_eq!(said(soon(reading).await.unwrap()), Ok(3));
    assert_eq!(there(&one, &key).await, Some(4));
}

/// A value may use the chain when it is dropped, also when that happens while a tier is filled.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_a_tier_is_filled_may_use_the_chain() {
    use std::{
        future::Future as _,
        sync::Mutex,
        task::{Context, Waker},
    };

    type Chained = Option<(Cache<Restless>, Key)>;

    /// Removes its own key when it is dropped.
    #[derive(Default)]
    struct Restless(Mutex<Chained>);

    impl Drop for Restless {
        fn drop(&mut self) {
            let Some((cache, key)) = self.0.lock().unwrap().take() else { return };
            let mut removing = Box::pin(async move { cache.delete(&key).await });
            let _ = removing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    impl serde::Serialize for Restless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u64(1)
        }
    }

    impl<'de> serde::Deserialize<'de> for Restless {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <u64 as serde::Deserialize>::deserialize(deserializer).map(|_| Self::default())
        }
    }

    let clock = Clock::manual();
    let far = chain(Remote::new(&clock), Local::new(&clock), &clock, HOUR);
    let cache: Cache<Restless> = builder(far, &clock, plain()).build().unwrap();
    let key = Key::new("k");
    let first = Restless(Mutex::new(Some((cache.clone(), key.clone()))));
    cache.set(&key, first).await.unwrap();
    // Its copy takes the place of the first, which is dropped meanwhile.
    soon(cache.set(&key, Restless::default())).await.unwrap();
    soon(cache.set(&key, Restless::default())).await.unwrap();
    assert!(soon(cache.get(&key)).await.unwrap().is_some());
}

/// Loads fail and hang as without near tiers.
#[tokio::test(start_paused = true)]
async fn a_loader_that_fails_or_hangs_leaves_nothing_near() {
    let (clock, store, near, key) = read_once(Tokens::Revision, plain().hard_deadline(SECOND)).await;
    other(&store, &clock).delete(&key).await.unwrap();
    later(&clock, NEAR).await;
    assert_eq!(said(near.get_or_load(&key, failing()).await), Err(ErrorKind::Load));
    assert_eq!(said(near.get_or_load(&key, hanging()).await), Err(ErrorKind::Timeout));
    assert_eq!(there(&near, &key).await, None);
}
