//! How long entries live: sliding, negative answers, early refresh, clocks that are set.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, time::Duration};

use crate::common::{
    Count, HOUR, Local, MINUTE, Remote, SECOND, answer, cache, every_store, failing, plain, said, settled,
    there,
};
use larder_core::{
    Cache, Clock, Key, Ttl,
    cache::{Loaded, Policy, Status},
    entry::Kind,
};

/// Reads every minute until it is gone; how long that was, or `None` after `most`.
async fn polled(cache: &Cache<u64>, clock: &Clock, key: &Key, most: Duration) -> Option<Duration> {
    let mut age = Duration::ZERO;
    while age < most {
        clock.advance(MINUTE);
        age += MINUTE;
        if there(cache, key).await.is_none() {
            return Some(age);
        }
        settled().await;
    }
    None
}

/// E21: sliding ends at its greatest age, jitter included, in memory and beside a store, for values set and loaded.
#[tokio::test]
async fn sliding_ends_at_its_greatest_age_with_jitter() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for jitter in [Duration::ZERO, 20 * MINUTE] {
            let policy = Policy::new(30 * MINUTE).sliding(4 * HOUR).jitter(jitter);
            let cache: Cache<u64> = cache(store.clone(), &clock, policy);
            for loaded in [false, true] {
                let key = Key::new("session").part(loaded);
                if loaded {
                    cache.get_or_load(&key, answer(1)).await.unwrap();
                } else {
                    cache.set(&key, 1).await.unwrap();
                }
                let ended = polled(&cache, &clock, &key, 48 * HOUR).await;
                let ended = ended.unwrap_or_else(|| panic!("{name}, jitter {jitter:?}: still there"));
                // A reading goes no further than that, and the last one before may have left an eighth to gain.
                assert!(ended <= 4 * HOUR && ended >= 3 * HOUR, "{name}, jitter {jitter:?}: {ended:?}");
            }
        }
    }
}

/// E21: jitter alone never goes beyond the greatest age either, nor does a touch.
#[tokio::test]
async fn a_single_life_with_jitter_does_not_exceed_the_greatest_age() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, Policy::new(HOUR).sliding(HOUR).jitter(HOUR));
    for n in 0..50_u64 {
        cache.set(&Key::new("k").part(n), n).await.unwrap();
        let Some(Ttl::After(ttl)) = cache.ttl(&Key::new("k").part(n)).await.unwrap() else {
            panic!("no TTL")
        };
        assert!(ttl <= HOUR, "{ttl:?}");
    }
}

/// E21: an entry with a TTL of its own slides by that one.
#[tokio::test]
async fn an_entry_slides_by_its_own_ttl() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, Policy::new(30 * MINUTE).sliding(Ttl::Never));
        let key = Key::new("long");
        cache.at(&key).ttl(10 * HOUR).set(1).await.unwrap();
        clock.advance(9 * HOUR);
        assert_eq!(there(&cache, &key).await, Some(1), "{name}");
        settled().await;
        clock.advance(9 * HOUR);
        assert_eq!(there(&cache, &key).await, Some(1), "{name}");
    }
}

fn negative(
    loads: &Count,
) -> impl FnOnce(larder_core::cache::LoadContext<Option<u64>>) -> Negative + Send + 'static {
    let loads = loads.clone();
    move |_| {
        loads.add();
        std::future::ready(Ok(Loaded::negative(None)))
    }
}

type Negative = std::future::Ready<Result<Loaded<Option<u64>>, Infallible>>;

/// E22: a negative answer lives for its own TTL and does not slide, however it is read.
#[tokio::test]
async fn a_negative_answer_does_not_slide() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for sliding in [Ttl::Never, HOUR.into()] {
            let policy = Policy::new(30 * MINUTE).sliding(sliding).negative_ttl(10 * SECOND);
            let cache: Cache<Option<u64>> = cache(store.clone(), &clock, policy);
            let (key, loads) = (Key::new("user"), Count::new());
            for round in 0..60 {
                cache.at(&key).get_or_load_with(negative(&loads)).await.unwrap();
                let _ = cache.get(&key).await.unwrap();
                let _ = cache.get_many([&key]).await.unwrap();
                settled().await;
                clock.advance(5 * SECOND);
                assert!(round < 2 || loads.get() > 1, "{name}");
            }
            // Every ten seconds of five minutes.
            assert_eq!(loads.get(), 30, "{name}");
            cache.delete(&key).await.unwrap();
        }
    }
}

/// E22: `unchanged` leaves an answer what it was: a negative one lives for the negative TTL, a positive one for its own.
#[tokio::test]
async fn unchanged_leaves_an_answer_what_it_was() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for sliding in [false, true] {
            let policy = Policy::new(HOUR).negative_ttl(10 * SECOND).early_refresh(0.5);
            let policy = if sliding { policy.sliding(Ttl::Never) } else { policy };
            let cache: Cache<Option<u64>> = cache(store.clone(), &clock, policy);
            let (no, yes) = (Key::new("no"), Key::new("yes"));
            cache.at(&no).get_or_load_with(negative(&Count::new())).await.unwrap();
            let kind = cache.get(&no).await.unwrap().unwrap().meta().kind;
            assert_eq!(kind, Kind::Negative, "{name}");
            cache.set(&yes, Some(1)).await.unwrap();
            let unchanged = |_| async { Ok::<_, Infallible>(Loaded::unchanged()) };
            clock.advance(6 * SECOND);
            let renewed = cache.at(&no).fresh().get_or_load_with(unchanged).await.unwrap();
            assert_eq!((*renewed, renewed.meta().kind), (None, Kind::Negative), "{name}");
            assert!(renewed.remaining() == Ttl::After(10 * SECOND), "{name}: {:?}", renewed.remaining());
            clock.advance(6 * SECOND);
            // An early refresh of a negative answer.
            cache.at(&no).get_or_load_with(unchanged).await.unwrap();
            settled().await;
            clock.advance(9 * SECOND);
            assert!(cache.get(&no).await.unwrap().is_some(), "{name}: renewed");
            clock.advance(2 * SECOND);
            assert!(cache.get(&no).await.unwrap().is_none(), "{name}: and no longer than ten seconds");
            let renewed = cache.at(&yes).fresh().get_or_load_with(unchanged).await.unwrap();
            assert_eq!((renewed.remaining(), renewed.meta().kind), (Ttl::After(HOUR), Kind::Value), "{name}");
            assert_eq!(there(&cache, &yes).await, Some(Some(1)), "{name}");
        }
    }
}

/// E22: a negative answer is never served stale: not while another is made, not as an excuse, not after it was expired.
#[tokio::test]
async fn a_negative_answer_is_never_served_stale() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let policy = plain().stale_while_revalidate(HOUR).stale_if_error(10 * HOUR).negative_ttl(10 * SECOND);
        let cache: Cache<Option<u64>> = cache(store, &clock, policy);
        let key = Key::new("k");
        let reset = || async {
            cache.delete(&key).await.unwrap();
            cache.at(&key).tag("t").get_or_load_with(negative(&Count::new())).await.unwrap();
        };
        reset().await;
        clock.advance(11 * SECOND);
        assert_eq!(
            said(cache.get_or_load(&key, answer(Some(1))).await),
            Ok(Some(1)),
            "{name}: its TTL is over"
        );
        for how in 0..3 {
            reset().await;
            match how {
                0 => drop(cache.expire(&key).await.unwrap()),
                1 => cache.expire_tag("t").await.unwrap(),
                _ => clock.advance(11 * SECOND),
            }
            let answered = cache.get_or_load(&key, failing()).await;
            assert!(answered.is_err(), "{name}, {how}: {:?}", answered.map(|answer| answer.status()));
        }
    }
}

/// E22: a positive answer is one: it slides, and is served stale, also when it replaces a negative one with equal bytes.
#[tokio::test]
async fn a_value_that_looks_like_a_negative_answer_is_a_value() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let policy = plain().stale_if_error(10 * HOUR).negative_ttl(10 * SECOND);
        let cache: Cache<Option<u64>> = cache(store, &clock, policy);
        let key = Key::new("k");
        cache.at(&key).get_or_load_with(negative(&Count::new())).await.unwrap();
        cache.set(&key, None).await.unwrap();
        clock.advance(MINUTE);
        assert_eq!(there(&cache, &key).await, Some(None), "{name}");
        clock.advance(10 * MINUTE);
        let stale = cache.get_or_load(&key, failing()).await.unwrap();
        assert_eq!((*stale, stale.status()), (None, Status::Stale), "{name}");
    }
}

/// E22: what a loader calls negative with a TTL of its own keeps that.
#[tokio::test]
async fn a_negative_answer_may_have_a_ttl_of_its_own() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<Option<u64>> =
            cache(store, &clock, plain().sliding(Ttl::Never).stale_if_error(HOUR));
        let key = Key::new("k");
        let loader = |_| async { Ok::<_, Infallible>(Loaded::negative(None).ttl(90 * SECOND)) };
        cache.at(&key).get_or_load_with(loader).await.unwrap();
        clock.advance(89 * SECOND);
        assert_eq!(there(&cache, &key).await, Some(None), "{name}");
        settled().await;
        clock.advance(2 * SECOND);
        assert_eq!(there(&cache, &key).await, None, "{name}");
    }
}

/// E30: an early refresh at random draws once a read: as likely as the formula says, in memory and beside a store.
#[tokio::test(start_paused = true)]
async fn xfetch_draws_once_a_read() {
    const READS: u32 = 4000;
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let policy = Policy::new(100 * SECOND).xfetch(1.0).error_backoff(Duration::ZERO);
        let cache: Cache<u64> = cache(store, &clock, policy);
        let key = Key::new("k");
        let slow = || async {
            tokio::time::sleep(10 * SECOND).await;
            Ok::<_, Infallible>(1)
        };
        let cost = cache.get_or_load(&key, slow).await.unwrap().load_cost();
        assert_eq!(cost, 10 * SECOND);
        // So long before its end that the chance is one in ten: exp(-remaining / cost).
        clock.advance((100 * SECOND).saturating_sub(cost.mul_f64(std::f64::consts::LN_10)));
        let begun = Count::new();
        for _ in 0..READS {
            let begun = begun.clone();
            // It fails, and what is there stays as it is.
            let refresh = move || async move {
                begun.add();
                Err::<u64, _>(std::io::Error::other("down"))
            };
            assert_eq!(said(cache.get_or_load(&key, refresh).await), Ok(1), "{name}");
            // A load that goes on would be joined by the next read.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        // 400, with a standard deviation of 19. Two draws of which both must fall that way are 40.
        assert!((300..=500).contains(&begun.get()), "{name}: {} of {READS}", begun.get());
    }
}

/// A clock that is set back, or forward, makes nothing panic, and what was written afterwards lives as it should.
#[tokio::test]
async fn a_clock_that_is_set_harms_nothing() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let policy = plain()
            .sliding(HOUR)
            .early_refresh(0.5)
            .xfetch(1.0)
            .stale_while_revalidate(MINUTE)
            .stale_if_error(HOUR)
            .lease(2 * SECOND);
        let cache: Cache<u64> = cache(store, &clock, policy);
        let key = Key::new("k");
        for step in [10 * MINUTE, HOUR, 48 * HOUR] {
            for back in [true, false, true, false] {
                if back {
                    clock.step_back(step);
                } else {
                    clock.advance(step);
                }
                assert!(cache.get_or_load(&key, answer(1)).await.is_ok(), "{name}");
                cache.set(&key, 2).await.unwrap();
                assert_eq!(there(&cache, &key).await, Some(2), "{name}");
                assert_eq!(cache.get_many([&key]).await.unwrap().found().count(), 1, "{name}");
                settled().await;
            }
        }
        // Set back, an entry lives no longer than it would have, and an hour.
        cache.set(&key, 3).await.unwrap();
        clock.advance(3 * HOUR);
        assert_eq!(there(&cache, &key).await, None, "{name}");
    }
}

/// E22: kinds survive the way through a store and back, beside user metadata.
#[tokio::test]
async fn kinds_survive_the_way_through_a_store() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let writer: Cache<Option<u64>> = cache(store.clone(), &clock, plain());
    let reader: Cache<Option<u64>> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    let loader = |_| async { Ok::<_, Infallible>(Loaded::negative(None).user_meta("etag", "7").tag("t")) };
    writer.at(&key).get_or_load_with(loader).await.unwrap();
    let read = reader.get(&key).await.unwrap().unwrap();
    assert_eq!(read.meta().kind, Kind::Negative);
    assert_eq!(read.meta().user("etag").map(|etag| &etag[..]), Some(&b"7"[..]));
    assert_eq!(read.meta().all_user().len(), 1, "nothing of Larder's own among it");
}
