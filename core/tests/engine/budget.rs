//! Whatever a call waits for beside its loader takes at most one deadline in sum, however slow the store is and however many
//! round trips there are. Time is stopped and moved here, so that the figures are exact.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, sync::Arc, time::Duration};

use crate::common::{
    self, Act, Gate, HOUR, Keys, MINUTE, MS, Op, READS, Remote, SECOND, Tokens, WRITES, answer, asked,
    builder, gated, keys, plain, said, settled, soon,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    cache::{Loaded, Policy, Status},
    layer::Deadline,
};
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_millis(50);
/// What a load takes.
const LOADER: Duration = Duration::from_millis(20);
/// The wheel of timers counts whole milliseconds and rounds up, once for each of the few timers in a row.
const ROUNDING: Duration = Duration::from_millis(5);

fn under_deadline(store: &Arc<Remote>, clock: &Clock, policy: Policy) -> Cache<u64> {
    builder(Deadline::new(store.clone(), "remote", DEADLINE), clock, policy).build().unwrap()
}

async fn load() -> Result<u64, Infallible> {
    tokio::time::sleep(LOADER).await;
    Ok(1)
}

/// How a store can be slow.
#[derive(Debug, Clone, Copy)]
enum Slow {
    Hangs,
    HangsInWrites,
    HangsInVersionReads,
    HangsInVersionWrites,
    HangsInValues,
    HangsInSingles,
    AnswersLate,
}

const ALL: [Slow; 7] = [
    Slow::Hangs,
    Slow::HangsInWrites,
    Slow::HangsInVersionReads,
    Slow::HangsInVersionWrites,
    Slow::HangsInValues,
    Slow::HangsInSingles,
    Slow::AnswersLate,
];

impl Slow {
    fn apply(self, store: &Remote) {
        match self {
            Self::Hangs => store.on_all(&Act::Hang),
            Self::HangsInWrites => store.on(WRITES, Keys::Any, Act::Hang),
            Self::HangsInVersionReads => store.on(READS, Keys::Versions, Act::Hang),
            Self::HangsInVersionWrites => store.on(WRITES, Keys::Versions, Act::Hang),
            Self::HangsInValues => {
                store.on(READS, Keys::Values, Act::Hang);
                store.on(WRITES, Keys::Values, Act::Hang);
            }
            Self::HangsInSingles => {
                store.on(&[Op::Get, Op::Set, Op::Delete, Op::Touch], Keys::Any, Act::Hang);
            }
            Self::AnswersLate => store.on_all(&Act::Delay(DEADLINE.mul_f64(0.9))),
        }
    }
}

/// How a call is made.
#[derive(Debug, Clone, Copy)]
struct How {
    lease: bool,
    tags: bool,
    /// The loader names a tag, so that marks are needed.
    names_tags: bool,
}

impl How {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|n| Self { lease: n & 1 != 0, tags: n & 2 != 0, names_tags: n & 4 != 0 })
    }

    fn policy(self) -> Policy {
        // Longer than all that is waited for here: what is waited for is the store, not another process.
        if self.lease { plain().lease(MINUTE) } else { plain() }
    }

    async fn ask(self, cache: &Cache<u64>, key: &Key) -> Result<u64, ErrorKind> {
        let at = if self.tags { cache.at(key).tags(["t", "u"]) } else { cache.at(key) };
        if self.names_tags {
            let loader = |_| async { load().await.map(|value| Loaded::new(value).tag("named")) };
            said(soon(at.get_or_load_with(loader)).await)
        } else {
            said(soon(at.get_or_load(load)).await)
        }
    }
}

/// The longest of these calls, in excess of the loader.
async fn longest(how: How, cache: &Cache<u64>, calls: u64, apart: Duration) -> Duration {
    let mut asked = Vec::new();
    for n in 0..calls {
        // Each key twice, so that there are some who join.
        let (cache, key) = (cache.clone(), Key::new("k").part(n / 2));
        asked.push(tokio::spawn(async move {
            let begun = Instant::now();
            assert_eq!(how.ask(&cache, &key).await, Ok(1));
            begun.elapsed()
        }));
        if !apart.is_zero() {
            tokio::time::sleep(apart).await;
        }
    }
    let mut longest = Duration::ZERO;
    for asked in asked {
        longest = longest.max(soon(asked).await.unwrap());
    }
    longest.saturating_sub(LOADER)
}

/// E2: a caller waits for a store of any slowness no longer than one deadline and its loader.
#[tokio::test(start_paused = true)]
async fn one_call_waits_one_deadline_and_its_loader() {
    for slow in ALL {
        for how in How::all() {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let cache = under_deadline(&store, &clock, how.policy());
            slow.apply(&store);
            let took = longest(how, &cache, 1, Duration::ZERO).await;
            assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {how:?}: {took:?}");
        }
    }
}

/// E2: so do a thousand, at once or one after the other, those who join included.
#[tokio::test(start_paused = true)]
async fn a_thousand_calls_wait_one_deadline_and_their_loader_each() {
    for slow in ALL {
        for how in How::all().filter(|how| !how.names_tags) {
            for apart in [Duration::ZERO, MS] {
                let clock = Clock::manual();
                let store = Remote::new(&clock);
                let cache = under_deadline(&store, &clock, how.policy());
                slow.apply(&store);
                let took = longest(how, &cache, 1000, apart).await;
                assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {how:?}, {apart:?} apart: {took:?}");
            }
        }
    }
}

/// E2: a store that has worked and then begins to hang, with everything known and with what is known grown old.
#[tokio::test(start_paused = true)]
async fn a_store_that_begins_to_hang_costs_one_deadline() {
    for slow in ALL {
        for how in How::all() {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let cache = under_deadline(&store, &clock, how.policy());
            assert_eq!(how.ask(&cache, &Key::new("there")).await, Ok(1));
            common::later(&clock, SECOND).await;
            slow.apply(&store);
            for key in [Key::new("there"), Key::new("absent")] {
                let begun = Instant::now();
                assert_eq!(how.ask(&cache, &key).await, Ok(1));
                let took = begun.elapsed().saturating_sub(LOADER);
                assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {how:?}, {key:?}: {took:?}");
            }
        }
    }
}

/// E2: bulk loads as single ones, with keys that are there and keys that are not.
#[tokio::test(start_paused = true)]
async fn a_bulk_call_waits_one_deadline_and_its_loader() {
    for slow in ALL {
        for how in How::all().filter(|how| !how.tags && !how.names_tags) {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let cache = under_deadline(&store, &clock, how.policy());
            let keys = keys("k", 50);
            for key in &keys[..10] {
                cache.set(key, 1).await.unwrap();
            }
            slow.apply(&store);
            let begun = Instant::now();
            let answers = cache
                .get_or_load_many(&keys, |missing| async move {
                    load().await.map(|value| missing.into_iter().map(move |key| (key, value)))
                })
                .await
                .unwrap();
            let took = begun.elapsed().saturating_sub(LOADER);
            assert_eq!(answers.found().count(), 50, "{slow:?}, {how:?}");
            assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {how:?}: {took:?}");
        }
    }
}

/// E2: a stale value that excuses a failing loader is had within one deadline, too.
#[tokio::test(start_paused = true)]
async fn an_excuse_costs_one_deadline_in_sum() {
    for slow in ALL {
        for how in How::all().filter(|how| !how.names_tags) {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let cache = under_deadline(&store, &clock, how.policy().stale_if_error(10 * HOUR));
            let key = Key::new("k");
            cache.set(&key, 7).await.unwrap();
            common::later(&clock, 11 * MINUTE).await;
            slow.apply(&store);
            let begun = Instant::now();
            let answer = cache
                .get_or_load(&key, || async {
                    tokio::time::sleep(LOADER).await;
                    Err::<u64, _>(std::io::Error::other("down"))
                })
                .await;
            let took = begun.elapsed().saturating_sub(LOADER);
            assert!(matches!(said(answer), Ok(7) | Err(ErrorKind::Load)), "{slow:?}, {how:?}");
            assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {how:?}: {took:?}");
        }
    }
}

/// E2: every other verb waits one deadline in sum as well, and says that time was up.
#[tokio::test(start_paused = true)]
async fn every_verb_waits_one_deadline_in_sum() {
    for slow in ALL {
        let clock = Clock::manual();
        let store = Remote::new(&clock);
        let cache =
            under_deadline(&store, &clock, plain().stale_if_error(HOUR).sliding(larder_core::Ttl::Never));
        let keys = keys("k", 10);
        for key in &keys {
            cache.at(key).tag("t").set(1).await.unwrap();
        }
        let held = cache.get(&keys[0]).await.unwrap().unwrap();
        common::later(&clock, SECOND).await;
        slow.apply(&store);
        let at = |n: usize| cache.at(&keys[n]).tags(["t", "new"]);
        let mut took = Vec::new();
        macro_rules! timed {
            ($name:literal, $call:expr) => {{
                let begun = Instant::now();
                let _ = soon($call).await;
                took.push(($name, begun.elapsed()));
            }};
        }
        timed!("get", cache.get(&keys[0]));
        timed!("get_many", cache.get_many(&keys));
        timed!("get_encoded", cache.get_encoded(&keys[0]));
        timed!("contains", cache.contains(&keys[0]));
        timed!("ttl", cache.ttl(&keys[0]));
        timed!("set", at(1).set(2));
        timed!("set_many", cache.set_many(keys.iter().map(|key| (key.clone(), 2))));
        timed!("add", at(2).add(2));
        timed!("replace", at(3).replace(2));
        timed!("compare_and_set", at(0).compare_and_set(&held, 2));
        timed!("touch", cache.touch(&keys[4], 2 * HOUR));
        timed!("expire", cache.expire(&keys[5]));
        timed!("take", cache.take(&keys[6]));
        timed!("delete", cache.delete(&keys[7]));
        timed!("delete_many", cache.delete_many(&keys[8..]));
        timed!("invalidate_tag", cache.invalidate_tag("t"));
        timed!("expire_tag", cache.expire_tag("t"));
        timed!("clear", cache.clear());
        for (name, took) in took {
            assert!(took <= DEADLINE + ROUNDING, "{slow:?}, {name}: {took:?}");
        }
    }
}

/// E2: who joins waits neither for the fill nor for a deadline of its own on top of the load's.
#[tokio::test(start_paused = true)]
async fn who_joins_does_not_wait_for_the_fill() {
    for lease in [false, true] {
        let clock = Clock::manual();
        let store = Remote::new(&clock);
        let policy = How { lease, tags: false, names_tags: false }.policy();
        let cache = under_deadline(&store, &clock, policy);
        let (key, gate) = (Key::new("k"), Gate::new());
        let leader = asked(&cache, &key, gated(&gate, 1));
        gate.reached_by(1).await;
        store.on(WRITES, Keys::Any, Act::Hang);
        let joins = asked(&cache, &key, answer(2));
        tokio::time::sleep(SECOND).await;
        let begun = Instant::now();
        gate.open();
        assert_eq!(said(soon(leader).await.unwrap()), Ok(1));
        let joined = joins.await.unwrap();
        assert!(begun.elapsed() <= DEADLINE + ROUNDING, "{lease}: {:?}", begun.elapsed());
        // Under a lease it loads itself when nobody can say whether the value is right for it.
        assert!(matches!(said(joined), Ok(1 | 2)), "{lease}");
    }
}

/// E2: what is not stored in time is stored in the background, in the same load: who comes meanwhile joins it.
#[tokio::test(start_paused = true)]
async fn the_fill_goes_on_behind_the_answer() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    // No deadline around the store itself: it is merely slow to write, and the call does not wait for it.
    let cache = under_deadline(&store, &clock, plain());
    let key = Key::new("k");
    let begun = Instant::now();
    store.on(WRITES, Keys::Values, Act::Delay(45 * MS));
    store.on(READS, Keys::Any, Act::Delay(10 * MS));
    let first = cache.get_or_load(&key, load).await.unwrap();
    assert_eq!(first.status(), Status::LoadedNotStored, "nobody knows yet");
    assert!(begun.elapsed() <= DEADLINE + LOADER + ROUNDING, "{:?}", begun.elapsed());
    assert!(!store.has(&key));
    let second = cache.get_or_load(&key, answer(2)).await.unwrap();
    assert_eq!((*second, second.status()), (1, Status::Joined));
    soon(async {
        while !store.has(&key) {
            tokio::time::sleep(MS).await;
        }
    })
    .await;
    assert_eq!(cache.stats().loads, 1);
}

/// E2: waiting for another process's loader is loader time, bounded by its lease: not the budget's.
#[tokio::test(start_paused = true)]
async fn waiting_for_another_processs_loader_does_not_spend_the_budget() {
    for tokens in [Tokens::Revision, Tokens::Own] {
        let clock = Clock::manual();
        let store = Remote::with_tokens(&clock, tokens);
        let policy = plain().lease(20 * SECOND);
        let (here, there) = (under_deadline(&store, &clock, policy), under_deadline(&store, &clock, policy));
        let (key, gate) = (Key::new("k"), Gate::new());
        let first = asked(&there, &key, gated(&gate, 1));
        gate.reached_by(1).await;
        let second = asked(&here, &key, answer(2));
        tokio::time::sleep(5 * SECOND).await;
        settled().await;
        assert!(!second.is_finished(), "{tokens:?}: it waits for the other");
        gate.open();
        let begun = Instant::now();
        assert_eq!(said(soon(first).await.unwrap()), Ok(1));
        assert_eq!(said(soon(second).await.unwrap()), Ok(1));
        assert!(begun.elapsed() <= 2 * DEADLINE, "{:?}", begun.elapsed());
        assert_eq!(here.stats().loads, 0);
    }
}

/// E2: a load that waits for its turn behind others gives back what is left of its budget when it runs, and no less.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_does_not_spend_the_budget() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache = under_deadline(&store, &clock, plain().max_loads(1));
    store.on_all(&Act::Delay(10 * MS));
    let gate = Gate::new();
    let first = asked(&cache, &Key::new("first"), gated(&gate, 1));
    gate.reached_by(1).await;
    let second = asked(&cache, &Key::new("second"), answer(2));
    tokio::time::sleep(10 * SECOND).await;
    gate.open();
    assert_eq!(said(soon(first).await.unwrap()), Ok(1));
    let second = second.await.unwrap().unwrap();
    assert_eq!((*second, second.status()), (2, Status::Loaded), "there was time enough to store it");
    assert!(store.has(&Key::new("second")));
}
