//! Counters: numbers beside the entries, of which concurrent changes lose nothing.

use std::time::Duration;

use larder_core::{
    ErrorKind, Key, Result, Ttl,
    backend::{CounterEnds, CounterOptions},
};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    probe::Direct,
    task,
};

family! { "counters" needs [Storing, Counting]:
    a_missing_counter_stays_missing = "A counter that is missing stays missing where no initial value is named.";
    a_missing_counter_becomes_its_initial_value = "A counter that is missing becomes the initial value, without the step.";
    steps_add_up = "Steps up and down add up, and a step of zero reads.";
    a_counter_is_no_entry = "No read, touch or removal of entries sees a counter.";
    an_entry_is_no_counter = "An entry under the same key is another thing: neither changes the other.";
    keys_and_namespaces_have_counters_of_their_own = "Counters of two keys, or of two namespaces, are two.";
    long_keys_that_differ_late_count_apart = "Long keys that differ late have counters of their own.";
    a_counter_ends_with_its_ttl = "A counter ends with the TTL that it was created with, and starts again with the next initial value.";
    counting_keeps_the_ttl = "A step does not change the TTL, whatever it names.";
    a_counter_can_live_for_ever = "A counter without an end is there after any TTL.";
    a_ttl_of_zero_keeps_nothing = "A counter that is made with a TTL of zero is missing afterwards.";
    large_numbers_are_exact = "Numbers above 2^53 are exact.";
    below_zero_a_counter_does_what_the_store_says = "Below zero a counter stops, or refuses and is unchanged, as the store's capabilities say.";
    above_the_largest_a_counter_does_what_the_store_says = "Above the largest number a counter stops, begins at zero, or refuses and is unchanged, as the store's capabilities say.";
    concurrent_steps_lose_nothing = "Concurrent steps lose nothing.";
    of_many_who_make_a_counter_one_does = "Of many who find a counter missing at once, one makes it and the others count on.";
    #[needs(Sharing)] another_process_counts_on = "On a shared store another process counts on, and nothing is lost between them.";
    a_clear_reaches_counters = "A clear of the cache's namespace reaches its counters, and a delete of an entry does not.";
    after_close_counting_fails = "Counting on a closed store fails with `Closed`.";
}

const FOREVER: CounterOptions = CounterOptions::new(Ttl::Never);

fn from(initial: u64) -> CounterOptions {
    FOREVER.with_initial(Some(initial))
}

/// The number under this key, unchanged.
async fn number(store: &Direct, key: &str) -> Result<Option<u64>> {
    store.count(key, 0, FOREVER).await
}

async fn a_clear_reaches_counters(t: &Context) -> Verdict {
    let (cache, key) = (t.prompt("cache"), Key::new("k"));
    let count = async |by| {
        let seen = cache.cache().increment(&key, by, Some(10), Ttl::Never).await;
        t.note(&format!("cache.increment(\"k\", {by}, Some(10), Ttl::Never).await;"), &seen);
        seen
    };
    same(count(1).await?, Some(10))?;
    same(count(1).await?, Some(11))?;
    cache.set("k", "v").await?;
    cache.delete("k").await?;
    same(count(1).await?, Some(12))?;
    same(cache.get("k").await?, None)?;
    cache.clear().await?;
    same(count(1).await?, Some(10))
}

async fn a_missing_counter_stays_missing(t: &Context) -> Verdict {
    let store = t.direct();
    for by in [1, -1, 0] {
        same(store.count("k", by, FOREVER).await?, None)?;
    }
    same(number(&store, "k").await?, None)
}

async fn a_missing_counter_becomes_its_initial_value(t: &Context) -> Verdict {
    let store = t.direct();
    for (key, by, initial) in [("a", 1, 0), ("b", 5, 10), ("c", -5, 3), ("d", 0, 1)] {
        same((key, store.count(key, by, from(initial)).await?), (key, Some(initial)))?;
        same((key, number(&store, key).await?), (key, Some(initial)))?;
    }
    Ok(())
}

async fn steps_add_up(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.count("k", 1, from(100)).await?, Some(100))?;
    for (by, expected) in [(1, 101), (900, 1001), (-2, 999), (0, 999), (-999, 0), (7, 7)] {
        same(store.count("k", by, from(5)).await?, Some(expected))?;
        same(number(&store, "k").await?, Some(expected))?;
    }
    Ok(())
}

async fn a_counter_is_no_entry(t: &Context) -> Verdict {
    let store = t.direct();
    store.count("k", 1, from(1)).await?;
    same(store.get("k").await?, None)?;
    same(store.get_many(&["k"]).await?, [None])?;
    same(store.touch("k", Ttl::Never).await?, false)?;
    same(store.delete("k").await?, false)?;
    same(store.delete_many(&["k"]).await.remove(0)?, false)?;
    same(number(&store, "k").await?, Some(1))
}

async fn an_entry_is_no_counter(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "12", Ttl::Never).await?;
    same(store.count("k", 1, FOREVER).await?, None)?;
    same(store.count("k", 1, from(5)).await?, Some(5))?;
    same(store.get("k").await?, Some("12".into()))?;
    store.set("k", "13", Ttl::Never).await?;
    same(store.count("k", 1, FOREVER).await?, Some(6))?;
    same(store.delete("k").await?, true)?;
    same(number(&store, "k").await?, Some(6))
}

async fn keys_and_namespaces_have_counters_of_their_own(t: &Context) -> Verdict {
    let (store, other) = (t.direct(), t.direct_in("other"));
    store.count("a", 1, from(1)).await?;
    store.count("b", 1, from(10)).await?;
    other.count("a", 1, from(100)).await?;
    store.count("a", 1, FOREVER).await?;
    same(number(&store, "a").await?, Some(2))?;
    same(number(&store, "b").await?, Some(10))?;
    same(number(&other, "a").await?, Some(100))?;
    same(number(&other, "b").await?, None)
}

async fn long_keys_that_differ_late_count_apart(t: &Context) -> Verdict {
    let store = t.direct();
    let long = "k".repeat(1000);
    let (one, two) = (format!("{long}1"), format!("{long}2"));
    same(Key::new(one.as_str()).text().len(), larder_core::key::MAX_KEY)?;
    store.count(&one, 1, from(1)).await?;
    same(number(&store, &two).await?, None)?;
    store.count(&two, 1, from(7)).await?;
    same((number(&store, &one).await?, number(&store, &two).await?), (Some(1), Some(7)))
}

async fn a_counter_ends_with_its_ttl(t: &Context) -> Verdict {
    let store = t.direct();
    let brief = CounterOptions::new(t.short().into()).with_initial(Some(1));
    same(store.count("k", 1, brief).await?, Some(1))?;
    t.outlive(counted(t)).await;
    same(number(&store, "k").await?, None)?;
    same(store.count("k", 1, from(5)).await?, Some(5))
}

async fn counting_keeps_the_ttl(t: &Context) -> Verdict {
    let store = t.direct();
    let brief = CounterOptions::new(t.short().into()).with_initial(Some(1));
    let work = || async {
        store.count("k", 1, brief).await?;
        store.count("k", 1, from(100)).await.map_err(Failure::from)
    };
    let seen = t.within(t.short(), work).await?;
    holds(seen.is_some_and(|seen| seen < 100), "a step of the first counter", seen)?;
    t.outlive(counted(t)).await;
    same(number(&store, "k").await?, None)
}

/// What a TTL of [`Context::short`] may become on a store that rounds: nothing but the store's own clock ends a counter.
fn counted(t: &Context) -> Duration {
    t.short() + t.capabilities().ttl_resolution
}

async fn a_counter_can_live_for_ever(t: &Context) -> Verdict {
    let store = t.direct();
    store.count("k", 1, from(1)).await?;
    store.count("k", 1, CounterOptions::new(t.short().into())).await?;
    t.outlive(counted(t)).await;
    same(number(&store, "k").await?, Some(2))
}

async fn a_ttl_of_zero_keeps_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    let over = CounterOptions::new(Duration::ZERO.into()).with_initial(Some(3));
    same(store.count("k", 1, over).await?, Some(3))?;
    same(number(&store, "k").await?, None)?;
    // It ends nothing that is there.
    store.count("k", 1, from(1)).await?;
    same(store.count("k", 1, over).await?, Some(2))?;
    same(number(&store, "k").await?, Some(2))
}

async fn large_numbers_are_exact(t: &Context) -> Verdict {
    let store = t.direct();
    let beyond = (1 << 53) + 1;
    same(store.count("k", 1, from(beyond)).await?, Some(beyond))?;
    same(store.count("k", 1, FOREVER).await?, Some(beyond + 1))?;
    same(store.count("k", 1, FOREVER).await?, Some(beyond + 2))?;
    let half = i64::MAX as u64 - beyond - 2;
    same(store.count("k", i64::try_from(half).unwrap_or(0), FOREVER).await?, Some(i64::MAX as u64))?;
    same(store.count("k", -1, FOREVER).await?, Some(i64::MAX as u64 - 1))?;
    same(number(&store, "k").await?, Some(i64::MAX as u64 - 1))
}

async fn below_zero_a_counter_does_what_the_store_says(t: &Context) -> Verdict {
    let store = t.direct();
    store.count("k", 1, from(5)).await?;
    for by in [-6, i64::MIN] {
        if t.capabilities().counter_ends == CounterEnds::Refuse {
            fails(store.count("k", by, FOREVER).await, ErrorKind::OutOfRange)?;
            same(number(&store, "k").await?, Some(5))?;
        } else {
            same(store.count("k", by, FOREVER).await?, Some(0))?;
            same(number(&store, "k").await?, Some(0))?;
        }
    }
    store.count("l", 1, from(5)).await?;
    same(store.count("l", -5, FOREVER).await?, Some(0))
}

async fn above_the_largest_a_counter_does_what_the_store_says(t: &Context) -> Verdict {
    let store = t.direct();
    match t.capabilities().counter_ends {
        CounterEnds::Refuse => {
            let most = i64::MAX as u64;
            same(store.count("k", 1, from(most - 1)).await?, Some(most - 1))?;
            fails(store.count("k", 2, FOREVER).await, ErrorKind::OutOfRange)?;
            same(store.count("k", 1, FOREVER).await?, Some(most))?;
            fails(store.count("k", i64::MAX, FOREVER).await, ErrorKind::OutOfRange)?;
            same(number(&store, "k").await?, Some(most))?;
            fails(store.count("l", 1, from(most + 1)).await, ErrorKind::OutOfRange)?;
            same(number(&store, "l").await?, None)
        }
        ends => {
            let beyond = if ends == CounterEnds::StopAndWrap { [0, 1] } else { [u64::MAX; 2] };
            same(store.count("k", 1, from(u64::MAX - 1)).await?, Some(u64::MAX - 1))?;
            same(store.count("k", 1, FOREVER).await?, Some(u64::MAX))?;
            for expected in beyond {
                same(store.count("k", 1, FOREVER).await?, Some(expected))?;
            }
            Ok(())
        }
    }
}

const COUNTING: u64 = 16;
const STEPS: u64 = 50;

async fn count_at_once(stores: [&Direct; 2], options: CounterOptions) -> Result<(), Failure> {
    let tasks: Vec<_> = (0..COUNTING)
        .map(|number| {
            let store = stores[usize::from(number % 2 == 0)].clone();
            task::spawn(async move {
                for _ in 0..STEPS {
                    store.count("k", 3, options).await?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, larder_core::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|panic| Failure::new("an answer", panic))??;
    }
    Ok(())
}

async fn concurrent_steps_lose_nothing(t: &Context) -> Verdict {
    let store = t.silent_direct();
    store.count("k", 0, from(0)).await?;
    count_at_once([&store, &store], FOREVER).await?;
    same(number(&store, "k").await?, Some(3 * COUNTING * STEPS))
}

async fn of_many_who_make_a_counter_one_does(t: &Context) -> Verdict {
    let store = t.silent_direct();
    count_at_once([&store, &store], from(0)).await?;
    // The first one of all made it, with zero.
    same(number(&store, "k").await?, Some(3 * (COUNTING * STEPS - 1)))
}

async fn another_process_counts_on(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.count("k", 1, from(0)).await?;
    same(peer.count("k", 1, FOREVER).await?, Some(1))?;
    same(store.count("k", 1, FOREVER).await?, Some(2))?;
    let (store, peer) = (store.silent(), peer.silent());
    count_at_once([&store, &peer], FOREVER).await?;
    same(number(&store, "k").await?, Some(2 + 3 * COUNTING * STEPS))
}

async fn after_close_counting_fails(t: &Context) -> Verdict {
    let store = t.direct();
    store.count("k", 1, from(1)).await?;
    t.backend().close().await?;
    fails(store.count("k", 1, FOREVER).await, ErrorKind::Closed)
}
