//! A store that fails is no longer asked, and is asked again when it answers: what callers of a cache and of the store see.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use crate::common::{
    self, Act, Gate, Keys, Lines, Local, MS, READS, Remote, SECOND, answer, cache, later, plain, soon,
};
use larder_core::{
    Backend, Cache, Chain, Clock, Error, ErrorKind, Key, Result,
    backend::{CircuitState, DeleteOptions, GetOptions, Lookup},
    cache::Status,
    error::Origin,
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Fault, Faults, Mishap},
};
use panicking::Panicking;
use tokio::time::Instant;

const DOWN: Mishap = Mishap::Fails(ErrorKind::Unavailable);
/// So many failures open it.
const MANY: usize = 4;

fn settings() -> BreakerSettings {
    BreakerSettings::new().with_window(8)
}

type Broken<B> = Arc<Breaker<Fault<B>>>;

/// A breaker around a store that fails on command.
fn broken<B: Backend>(store: B, clock: &Clock) -> (Broken<B>, Faults) {
    let faults = Faults::new(clock);
    let breaker = Breaker::new(Fault::new(store, faults.clone()), "shared", settings(), clock).unwrap();
    (Arc::new(breaker), faults)
}

async fn fail(store: &dyn Backend, faults: &Faults, mishap: Mishap) {
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    faults.always(mishap);
    for _ in 0..MANY {
        store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap_err();
    }
    faults.none();
}

fn is_refused<T: std::fmt::Debug>(result: Result<T>) -> Error {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Unavailable, Origin::Here), "{error}");
    assert!(error.message().starts_with("not sent: "), "{error}");
    error
}

#[tokio::test]
async fn while_it_is_open_nothing_is_sent_and_the_error_says_why() {
    let clock = Clock::manual();
    let remote = Remote::new(&clock);
    let (store, faults) = broken(remote.clone(), &clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    fail(&*store, &faults, Mishap::Fails(ErrorKind::Timeout)).await;
    assert_eq!(store.state(), CircuitState::Open);
    clock.advance(100 * MS);
    let before = remote.round_trips();
    let error = is_refused(cache.get(&key).await);
    assert!(error.message().contains("opened 100ms ago, and the next call goes through in "), "{error}");
    assert!(error.message().ends_with("the last failure: timeout"), "{error}");
    assert!(error.chain().to_string().contains("this fault was asked for"), "{}", error.chain());
    assert_eq!(error.store(), Some("shared"));
    is_refused(cache.set(&key, 2).await);
    is_refused(cache.delete(&key).await);
    is_refused(cache.touch(&key, SECOND).await);
    is_refused(cache.invalidate_tag("t").await);
    is_refused(cache.clear().await);
    is_refused(cache.expire(&key).await);
    is_refused(cache.expire_tag("t").await);
    is_refused(cache.take(&key).await);
    is_refused(cache.add(&key, 2).await);
    is_refused(cache.replace(&key, 2).await);
    for one in cache.set_many([(key.clone(), 2), (Key::new("other"), 2)]).await.unwrap() {
        is_refused(one);
    }
    for one in cache.delete_many([&key, &Key::new("other")]).await.unwrap() {
        is_refused(one);
    }
    for one in cache.get_many([&key, &Key::new("other")]).await.unwrap() {
        is_refused(one);
    }
    let loaded = cache.get_or_load(&key, answer(7)).await.unwrap();
    assert_eq!((*loaded, loaded.status()), (7, Status::LoadedNotStored));
    assert_eq!(remote.round_trips(), before);
    assert!(store.get_many(&[], &GetOptions::new()).await.is_empty());
    assert_eq!(
        (store.circuits()[0].state, store.circuits()[0].opened_ago),
        (CircuitState::Open, Some(100 * MS))
    );
    // Closing is not refused.
    store.close().await.unwrap();
}

#[tokio::test]
async fn one_probe_goes_through_and_one_that_is_given_up_leaves_it_to_the_next() {
    let clock = Clock::manual();
    let remote = Remote::new(&clock);
    let (store, faults) = broken(remote.clone(), &clock);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let (key, options) = (StoreKey::new(&space, &key), GetOptions::new());
    fail(&*store, &faults, DOWN).await;
    for round in 0..3 {
        clock.advance(SECOND);
        let gate = Gate::new();
        remote.on(READS, Keys::Any, Act::Hold(gate.clone()));
        let before = remote.round_trips();
        // In bulk as alone.
        let keys = [key, key];
        let mut probe = if round == 1 {
            let probe = store.get_many(&keys, &options);
            Box::pin(async { probe.await.pop().unwrap() })
        } else {
            store.get(&key, &options)
        };
        assert!(futures_poll(&mut probe).await.is_pending());
        assert_eq!(store.state(), CircuitState::HalfOpen);
        let refused = is_refused(store.get(&key, &options).await);
        assert!(refused.message().contains("one call is trying"), "{refused}");
        for one in store.get_many(&keys, &options).await {
            is_refused(one);
        }
        assert_eq!(remote.round_trips() - before, 1);
        if round < 2 {
            drop(probe);
            // The next call is one again, whatever the time.
            assert_eq!(store.state(), CircuitState::Open);
            remote.heal();
            remote.on(READS, Keys::Any, Act::Fail(ErrorKind::Loading));
            let failed = store.get(&key, &options).await.unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::Loading);
            is_refused(store.get(&key, &options).await);
        } else {
            gate.open();
            assert!(matches!(soon(probe).await.unwrap(), Lookup::Miss(_)));
            assert_eq!(store.state(), CircuitState::Closed);
            store.get(&key, &options).await.unwrap();
        }
        remote.heal();
    }
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context)))
        .await
}

mod panicking {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };

    use larder_core::{
        Backend, Result,
        backend::{Forward, GetOptions, Lookup},
        key::StoreKey,
    };

    /// Panics when it is read, if that is said.
    #[derive(Debug)]
    pub(crate) struct Panicking<B>(pub(crate) B, pub(crate) Arc<AtomicBool>);

    #[async_trait::async_trait]
    impl<B: Backend> Forward for Panicking<B> {
        type Inner = B;

        fn inner(&self) -> &B {
            &self.0
        }

        async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
            assert!(!self.1.load(SeqCst), "the backend panics");
            self.0.get(key, options).await
        }
    }
}

#[tokio::test]
async fn a_probe_that_panics_leaves_it_to_the_next() {
    let clock = Clock::manual();
    let faults = Faults::new(&clock);
    let panics: Arc<AtomicBool> = Arc::default();
    let inner = Panicking(Fault::new(Remote::new(&clock), faults.clone()), panics.clone());
    let store = Arc::new(Breaker::new(inner, "shared", settings(), &clock).unwrap());
    fail(&*store, &faults, DOWN).await;
    clock.advance(SECOND);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    panics.store(true, SeqCst);
    let (other, other_space, other_key) = (store.clone(), space.clone(), key.clone());
    let panicked = tokio::spawn(async move {
        other.get(&StoreKey::new(&other_space, &other_key), &GetOptions::new()).await.is_ok()
    });
    assert!(panicked.await.unwrap_err().is_panic());
    panics.store(false, SeqCst);
    store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap();
    assert_eq!(store.state(), CircuitState::Closed);
}

/// What is refused is owed, like what did not arrive: when the store is reached again, nothing of before is served.
#[tokio::test(start_paused = true)]
async fn an_invalidation_that_is_refused_is_an_error_and_is_made_up_for() {
    let clock = Clock::manual();
    let remote = Remote::new(&clock);
    let (store, faults) = broken(remote.clone(), &clock);
    let one: Cache<u64> = cache(store.clone(), &clock, plain());
    let other: Cache<u64> = cache(remote, &clock, plain());
    let (tagged, plain_key) = (Key::new("tagged"), Key::new("plain"));
    for softly in [false, true] {
        one.at(&tagged).tag("t").set(1).await.unwrap();
        one.set(&plain_key, 1).await.unwrap();
        fail(&*store, &faults, DOWN).await;
        is_refused(if softly { one.expire_tag("t").await } else { one.invalidate_tag("t").await });
        is_refused(one.delete(&plain_key).await);
        // The other process learns nothing, and this one serves nothing.
        assert!(common::there(&other, &tagged).await.is_some());
        is_refused(one.get(&tagged).await);
        later(&clock, 2 * SECOND).await;
        assert_eq!(common::there(&one, &tagged).await, None);
        assert_eq!(common::there(&other, &tagged).await, None);
        // What was to be deleted is the caller's to delete again: that is what the error was for.
        assert_eq!(common::there(&one, &plain_key).await, Some(1));
        assert_eq!(store.state(), CircuitState::Closed);
    }
}

/// Near copies are served at once, and the store is not asked.
#[tokio::test(start_paused = true)]
async fn what_is_near_is_served_at_once_while_it_is_open() {
    let clock = Clock::manual();
    let remote = Remote::new(&clock);
    let (store, faults) = broken(remote.clone(), &clock);
    let chain = Chain::new(store.clone(), &clock).near(Local::new(&clock)).unwrap().near_ttl(SECOND).unwrap();
    assert_eq!(chain.circuits().len(), 1, "a chain says what the breakers in its store say");
    let near: Cache<u64> =
        common::builder(chain, &clock, plain()).invalidation_lag(100 * MS).build().unwrap();
    let (key, other) = (Key::new("k"), Key::new("other"));
    near.set(&key, 1).await.unwrap();
    assert_eq!(common::there(&near, &key).await, Some(1));
    fail(&*store, &faults, DOWN).await;
    let (before, begun) = (remote.round_trips(), Instant::now());
    assert_eq!(common::there(&near, &key).await, Some(1));
    // What is remembered of the versions is too old now. The first call learns that they cannot be asked for.
    later(&clock, 101 * MS).await;
    let _ = near.get(&key).await;
    for _ in 0..3 {
        common::settled().await;
        assert_eq!(common::there(&near, &key).await, Some(1));
        assert_eq!(common::said(near.get_or_load(&key, answer(2)).await), Ok(1));
        let many = near.get_many([&key, &other]).await.unwrap();
        assert_eq!(many.value(0).map(|value| **value), Some(1));
        assert!(many.get(1).is_some_and(Result::is_err));
        assert_eq!(common::said(near.get_or_load(&other, answer(3)).await), Ok(3));
    }
    assert_eq!((remote.round_trips(), begun.elapsed()), (before, 101 * MS));
    // No write succeeds quietly because there is a near tier. The copy of what was to be deleted goes all the same.
    is_refused(near.set(&key, 2).await);
    is_refused(near.delete(&key).await);
    is_refused(near.get(&key).await);
    assert_eq!(store.state(), CircuitState::Open);
}

#[tokio::test]
async fn answers_that_are_not_values_are_answers() {
    let clock = Clock::manual();
    let (store, faults) = broken(Remote::new(&clock), &clock);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let key = StoreKey::new(&space, &key);
    // Three failures in eight, with misses and deletes of nothing between them.
    for _ in 0..20 {
        for mishap in [Some(DOWN), None, Some(DOWN), None, None, Some(DOWN), None, None] {
            if let Some(mishap) = mishap {
                faults.always(mishap);
                store.get(&key, &GetOptions::new()).await.unwrap_err();
                faults.none();
            } else {
                assert!(matches!(store.get(&key, &GetOptions::new()).await.unwrap(), Lookup::Miss(_)));
                assert!(!store.delete(&key, &DeleteOptions::new()).await.unwrap());
            }
        }
    }
    assert_eq!(store.state(), CircuitState::Closed);
    for _ in 0..8 {
        store.get(&key, &GetOptions::new()).await.unwrap();
    }
    // One bulk call is one outcome, however many keys it has.
    faults.always(DOWN);
    for _ in 0..MANY - 1 {
        for one in store.delete_many(&[]).await {
            one.unwrap();
        }
        store.get_many(&[key; 20], &GetOptions::new()).await;
    }
    assert_eq!(store.state(), CircuitState::Closed);
    store.get_many(&[key; 20], &GetOptions::new()).await;
    assert_eq!(store.state(), CircuitState::Open);
}

/// What a client refuses itself says nothing of the server, nor does what concerns one key.
#[tokio::test]
async fn our_own_failures_do_not_open_it() {
    let clock = Clock::manual();
    let (store, faults) = broken(Remote::new(&clock), &clock);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    for kind in
        [ErrorKind::Busy, ErrorKind::TooLarge, ErrorKind::Unsupported, ErrorKind::Full, ErrorKind::Auth]
    {
        faults.always(Mishap::Fails(kind));
        for _ in 0..100 {
            let error = store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap_err();
            assert_eq!(error.kind(), kind);
        }
    }
    assert_eq!(store.state(), CircuitState::Closed);
}

/// A server that answers each new connection wrongly opens the breaker again and again. One that stays open is logged all the same,
/// by whoever is refused.
#[tokio::test]
async fn a_server_that_flaps_does_not_fill_the_log_and_no_open_breaker_stays_unsaid() {
    let (lines, _guard) = Lines::listen();
    let clock = Clock::manual();
    let (store, faults) = broken(Remote::new(&clock), &clock);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let get = || async { store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await };
    // That it closed is no warning.
    let logged = || lines.with("the breaker opened:").len();
    fail(&*store, &faults, DOWN).await;
    clock.advance(SECOND);
    get().await.unwrap();
    assert_eq!((store.state(), logged()), (CircuitState::Closed, 1));
    // Once more within two seconds.
    fail(&*store, &faults, DOWN).await;
    is_refused(get().await);
    assert_eq!((store.state(), logged()), (CircuitState::Open, 1));
    // It is tried in vain, and stays open.
    clock.advance(SECOND);
    faults.always(DOWN);
    get().await.unwrap_err();
    faults.none();
    is_refused(get().await);
    is_refused(get().await);
    assert_eq!(logged(), 2);
    assert_eq!(lines.with("openings_not_logged=1").len(), 1, "{:?}", lines.with("the breaker opened:"));
    clock.advance(10 * SECOND);
    get().await.unwrap();
    assert_eq!(logged(), 2);
}

#[tokio::test]
async fn changes_are_reported_once_and_a_watcher_that_panics_harms_nobody() {
    let (lines, _guard) = Lines::listen();
    let clock = Clock::manual();
    let faults = Faults::new(&clock);
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = told.clone();
    let store = Fault::new(Remote::new(&clock), faults.clone());
    let store =
        Breaker::new(store, "shared", settings(), &clock).unwrap().on_change(move |store, circuit| {
            let failure = circuit.failure.as_ref().map(Error::kind);
            hears.lock().unwrap().push(format!("{store} {} {failure:?}", circuit.state));
            panic!("a watcher panics");
        });
    fail(&store, &faults, DOWN).await;
    for _ in 0..2 {
        clock.advance(SECOND);
        faults.always(Mishap::Fails(ErrorKind::Loading));
        let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
        store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap_err();
    }
    faults.none();
    clock.advance(SECOND);
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["shared open Some(Unavailable)", "shared closed Some(Loading)"]);
    assert_eq!(lines.with("the breaker opened").len(), 1);
    assert_eq!(lines.with("the watcher of a breaker panicked").len(), 2);
}
