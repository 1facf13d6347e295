//! Processes that meet in an outage, and calls that meet its beginning or its end.

use larder_core::{Cache, Error, Key, layer::Mishap};
use tokio::{task::JoinSet, time::Instant};

use super::{
    GENERATION, MARKER,
    common::{Act, Gate, Keys, MS, Op, READS, SECOND, WRITES, builder, later, plain, settled, soon},
    resets,
    world::World,
};

#[tokio::test(start_paused = true)]
async fn an_outage_of_several_processes_is_made_up_for_once() {
    let world = World::new();
    let processes: Vec<_> = (0..4).map(|_| world.process()).collect();
    let key = Key::new("k");
    for process in &processes {
        process.cache.set(&key, 1).await.unwrap();
    }
    for process in &processes {
        process.loses_first().await;
        process.cache.set(&key, 2).await.unwrap();
    }
    assert_eq!(world.second.count(&[Op::Set], MARKER), 1, "one outage, one number");
    processes[0].finds_first().await;
    assert_eq!(processes[0].has(&key).await, None);
    processes[0].cache.set(&key, 3).await.unwrap();
    for process in &processes[1..] {
        process.finds_first().await;
        assert_eq!(process.has(&key).await, Some(3), "it is from after the outage");
    }
    assert_eq!(resets(&world.first), 1);
}

/// The one that is back does not know that the other is not, and fills the first store meanwhile.
#[tokio::test(start_paused = true)]
async fn who_goes_on_writing_after_another_is_back_makes_up_for_that() {
    let world = World::new();
    let (early, late) = (world.process(), world.process());
    let key = Key::new("k");
    for process in [&early, &late] {
        process.cache.set(&key, 0).await.unwrap();
    }
    for process in [&early, &late] {
        process.loses_first().await;
        process.cache.set(&key, 1).await.unwrap();
    }
    early.finds_first().await;
    early.cache.set(&key, 2).await.unwrap();
    late.cache.delete(&key).await.unwrap();
    assert_eq!(early.has(&key).await, Some(2), "they do not see each other");
    // Whether it comes back itself or ends.
    let started = world.process();
    assert_eq!(started.has(&key).await, None, "it was deleted");
    later(&world.clock, MS).await;
    early.cache.set(&key, 3).await.unwrap();
    // In bulk as alone.
    for one in late.cache.delete_many([&key, &Key::new("beside")]).await.unwrap() {
        one.unwrap();
    }
    late.finds_first().await;
    assert_eq!((late.has(&key).await, early.has(&key).await), (None, None));
    assert_eq!(resets(&world.first), 3);
}

#[tokio::test(start_paused = true)]
async fn one_process_alone_can_lose_sight_of_the_first() {
    let world = World::new();
    let (alone, other) = (world.process(), world.process());
    let [key, old] = ["k", "old"].map(Key::new);
    other.cache.set(&key, 1).await.unwrap();
    alone.loses_first().await;
    alone.cache.set(&old, 1).await.unwrap();
    alone.cache.delete(&key).await.unwrap();
    assert_eq!(other.has(&key).await, Some(1));
    // What the other one deletes in the first, it does not find in the second when it goes over later.
    other.cache.delete(&old).await.unwrap();
    other.loses_first().await;
    assert_eq!(other.has(&old).await, None, "it was deleted in the first");
    other.finds_first().await;
    alone.finds_first().await;
    assert_eq!((alone.has(&key).await, other.has(&key).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn callers_that_come_together_wait_for_one_check() {
    let world = World::new();
    let process = world.process();
    process.loses_first().await;
    let cache = builder::<u64>(process.store.clone(), &world.clock, plain());
    let cache = cache.namespace("other").build().unwrap();
    let (generation, marker) = (Keys::With("other!v:generation"), Keys::With("other!v:outage"));
    let writes = |value| {
        let mut writes = JoinSet::new();
        for number in 0..20 {
            let cache = cache.clone();
            writes.spawn(async move { cache.set(&Key::new("k").part(number), value).await.unwrap() });
        }
        writes
    };
    let gate = Gate::new();
    world.second.on(&[Op::Delete], generation, Act::Hold(gate.clone()));
    let calls = writes(1);
    settled().await;
    assert_eq!((gate.came(), world.second.count(&[Op::Set], marker)), (1, 0));
    gate.open();
    soon(calls.join_all()).await;
    let entered = (world.second.count(&[Op::Delete], generation), world.second.count(&[Op::Set], marker));
    assert_eq!(entered, (1, 1));
    // And writes that end together for one look at the marker.
    world.second.heal();
    let (before, gate) = (world.second.count(READS, marker), Gate::new());
    world.second.on(WRITES, Keys::Values, Act::HoldAnswer(gate.clone()));
    let calls = writes(2);
    gate.reached_by(20).await;
    let looking = Gate::new();
    world.second.on(READS, marker, Act::Hold(looking.clone()));
    gate.open();
    looking.reached_by(1).await;
    settled().await;
    looking.open();
    soon(calls.join_all()).await;
    // One for the first that ended, which began before the others had, and one for these.
    assert_eq!(world.second.count(READS, marker) - before, 2);
}

/// Callers of a process that has just started, while the second store hangs: one of them asks it, for all.
#[tokio::test(start_paused = true)]
async fn callers_that_come_together_ask_a_store_that_hangs_once() {
    let world = World::new();
    let process = world.process();
    process.second.always(Mishap::Hangs);
    let (begun, mut calls) = (Instant::now(), JoinSet::new());
    for number in 0..20 {
        let cache = process.cache.clone();
        calls.spawn(async move { cache.set(&Key::new("k").part(number), 1).await.unwrap() });
    }
    soon(calls.join_all()).await;
    assert_eq!(process.second.happened(), 1);
    assert!(begun.elapsed() < 2 * SECOND, "they waited for it one after the other: {:?}", begun.elapsed());
}

/// What ends in the second store after the first is back would be lost.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_on_its_way_when_the_first_is_back_is_done_there() {
    let world = World::new();
    let process = world.process();
    let [key, other] = ["k", "other"].map(Key::new);
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.cache.set(&other, 1).await.unwrap();
    let gate = Gate::new();
    world.second.on(WRITES, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let (cache, written) = (process.cache.clone(), key.clone());
    let writing = tokio::spawn(async move { cache.set(&written, 2).await });
    gate.reached_by(1).await;
    process.finds_first().await;
    assert_eq!(process.has(&other).await, None);
    gate.open();
    soon(writing).await.unwrap().unwrap();
    assert_eq!(process.has(&key).await, None, "it was stamped by the second store's version");
    // One that is stamped by nothing but itself, and a removal.
    process.cache.set(&key, 3).await.unwrap();
    process.loses_first().await;
    let (cache, gate) = (process.cache.clone(), Gate::new());
    world.second.heal();
    world.second.on(WRITES, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let removing = tokio::spawn(remove(cache, key.clone(), true));
    gate.reached_by(1).await;
    process.finds_first().await;
    // Another process has it again by then.
    let other = world.process();
    assert_eq!(other.has(&key).await, None);
    other.cache.set(&key, 4).await.unwrap();
    gate.open();
    soon(removing).await.unwrap().unwrap();
    assert_eq!((process.has(&key).await, other.has(&key).await), (None, None), "it is deleted");
}

/// Removes this key alone, or with another one.
async fn remove(cache: Cache<u64>, key: Key, in_bulk: bool) -> Result<(), Error> {
    if !in_bulk {
        return cache.delete(&key).await.map(drop);
    }
    let removed = cache.delete_many([&key, &Key::new("beside")]).await?;
    removed.into_iter().try_for_each(|one| one.map(drop))
}

/// What ends in the first store after the second has taken over would be lost; in bulk as alone.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_on_its_way_when_the_second_takes_over_is_done_there() {
    for in_bulk in [false, true] {
        let world = World::new();
        let (process, other) = (world.process(), world.process());
        let key = Key::new("k");
        process.cache.set(&key, 1).await.unwrap();
        let gate = Gate::new();
        world.first.on(WRITES, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
        let removing = tokio::spawn(remove(process.cache.clone(), key.clone(), in_bulk));
        gate.reached_by(1).await;
        process.loses_first().await;
        process.call().await;
        other.loses_first().await;
        other.cache.set(&key, 2).await.unwrap();
        assert_eq!(process.has(&key).await, Some(2));
        gate.open();
        soon(removing).await.unwrap().unwrap();
        assert_eq!(
            (process.has(&key).await, other.has(&key).await),
            (None, None),
            "it is deleted ({in_bulk})"
        );
    }
}

/// Between the closing of the marker and what is done in the first store there is no time for a write that both forget.
#[tokio::test(start_paused = true)]
async fn what_is_written_until_the_marker_is_closed_is_made_up_for() {
    let world = World::new();
    let (early, late, always) = (world.process(), world.process(), world.process());
    let key = Key::new("k");
    for process in [&early, &late, &always] {
        process.cache.set(&key, 0).await.unwrap();
    }
    for process in [&early, &late] {
        process.loses_first().await;
        process.cache.set(&key, 1).await.unwrap();
    }
    early.finds_first().await;
    let closing = Gate::new();
    world.second.on(&[Op::Set], MARKER, Act::Hold(closing.clone()));
    let (cache, asked) = (early.cache.clone(), key.clone());
    let coming_back = tokio::spawn(async move { cache.get(&asked).await });
    closing.reached_by(1).await;
    // One that has never been away fills the first, before another one removes it in the second.
    always.cache.set(&key, 2).await.unwrap();
    late.cache.delete(&key).await.unwrap();
    closing.open();
    soon(coming_back).await.unwrap().unwrap();
    late.finds_first().await;
    assert_eq!((late.has(&key).await, early.has(&key).await), (None, None), "it was deleted");
    assert_eq!(resets(&world.first), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_come_back_at_once_one_changes_the_version() {
    let world = World::new();
    let (early, late) = (world.process(), world.process());
    let key = Key::new("k");
    for process in [&early, &late] {
        process.cache.set(&key, 0).await.unwrap();
    }
    for process in [&early, &late] {
        process.loses_first().await;
        process.cache.set(&key, 1).await.unwrap();
    }
    let mut coming_back = Vec::new();
    let gates = [Gate::new(), Gate::new()];
    for (process, gate) in [&early, &late].into_iter().zip(&gates) {
        process.finds_first().await;
        world.first.on(&[Op::Delete], GENERATION, Act::Hold(gate.clone()));
        let (cache, asked) = (process.cache.clone(), key.clone());
        coming_back.push(tokio::spawn(async move { cache.get(&asked).await.unwrap().map(|found| *found) }));
        gate.reached_by(1).await;
    }
    gates[0].open();
    assert_eq!(soon(coming_back.remove(0)).await.unwrap(), None);
    early.cache.set(&key, 3).await.unwrap();
    gates[1].open();
    assert_eq!(soon(coming_back.remove(0)).await.unwrap(), Some(3), "it is from after the outage");
}
