//! Many callers, and callers that go away.

use std::{convert::Infallible, sync::Arc};

use larder_core::Key;
use tokio::sync::Barrier;

use super::{
    super::random::{Random, Rounds},
    Gate, all_have, answer, ask, have_joined, value,
};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, same},
    patience::{patiently, soon},
    task,
    value::Value,
};

family! { "loading":
    many_callers_one_load = "One key, N callers: one load in the process, one result.";
    many_callers_of_two_handles_one_load = "One key, N callers by clones of one cache: one load, one result.";
    many_keys_load_side_by_side = "N keys: N loads, side by side.";
    the_first_caller_may_go_away = "The first caller goes away: the load goes on, nobody else notices.";
    a_waiting_caller_may_go_away = "A caller that waits for another's load may go away; no other caller is affected.";
    all_callers_may_go_away = "When all callers go away the load goes on, and its value is stored.";
    a_caller_that_leaves_at_once_harms_nobody = "A caller who goes away at any moment leaves nothing behind that holds up the next.";
    racing_callers_never_load_twice = "Callers who come while a load is just ending load no second time.";
    loads_of_many_keys_do_not_mix = "Callers of many keys at once are each given the value of their own.";
    a_load_in_one_namespace_is_not_joined_from_another = "The same key in another namespace is loaded separately.";
}

async fn many_callers_one_load(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let callers: Vec<_> = (0..50).map(|_| ask(&cache, "k", &gate, "loaded")).collect();
    gate.has_begun().await?;
    have_joined(&cache, 49).await?;
    gate.open();
    all_have(callers, "loaded").await?;
    same(gate.loads(), 1)?;
    same(cache.get("k").await?, Some("loaded".into()))
}

async fn many_callers_of_two_handles_one_load(t: &Context) -> Verdict {
    let cache = t.cache();
    let handles = [cache.clone(), cache.clone()];
    let gate = Gate::new();
    let callers: Vec<_> = (0..20).map(|number| ask(&handles[number % 2], "k", &gate, "loaded")).collect();
    gate.has_begun().await?;
    have_joined(&cache, 19).await?;
    gate.open();
    all_have(callers, "loaded").await?;
    same(gate.loads(), 1)
}

async fn many_keys_load_side_by_side(t: &Context) -> Verdict {
    let cache = t.cache();
    let everybody = Arc::new(Barrier::new(20));
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let (cache, everybody) = (cache.clone(), Arc::clone(&everybody));
            let key = Key::new("k").part(number);
            task::spawn(async move {
                let load = move || async move {
                    // Nobody passes before all have begun.
                    everybody.wait().await;
                    value(i64::from(number)).await
                };
                cache.get_or_load(key, load).await
            })
        })
        .collect();
    for (number, caller) in callers.into_iter().enumerate() {
        let seen = patiently("20 loads at once, none of which waits for another", caller)
            .await?
            .map_err(|panic| Failure::new("an answer", panic))??;
        same(seen.0, Value::Signed(i64::try_from(number).unwrap_or(-1)))?;
    }
    Ok(())
}

async fn the_first_caller_may_go_away(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let first = ask(&cache, "k", &gate, "loaded");
    gate.has_begun().await?;
    let second = ask(&cache, "k", &gate, "loaded by the second");
    have_joined(&cache, 1).await?;
    first.abort();
    let _ = first.await;
    t.note("// the first caller goes away", ());
    gate.open();
    same(answer(second).await?.0, "loaded".into())?;
    same(gate.loads(), 1)
}

async fn a_waiting_caller_may_go_away(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let first = ask(&cache, "k", &gate, "loaded");
    gate.has_begun().await?;
    let (second, third) = (ask(&cache, "k", &gate, "second"), ask(&cache, "k", &gate, "third"));
    have_joined(&cache, 2).await?;
    second.abort();
    let _ = second.await;
    t.note("// the second caller goes away", ());
    gate.open();
    all_have([first, third], "loaded").await?;
    same(gate.loads(), 1)
}

async fn all_callers_may_go_away(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let callers: Vec<_> = (0..5).map(|_| ask(&cache, "k", &gate, "loaded")).collect();
    gate.has_begun().await?;
    have_joined(&cache, 4).await?;
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    t.note("// all callers go away", ());
    gate.open();
    let is_stored = || async { Ok(cache.get("k").await? == Some("loaded".into())) };
    soon("the loaded value in the store", is_stored).await?;
    same(gate.loads(), 1)
}

async fn a_caller_that_leaves_at_once_harms_nobody(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    for round in Rounds::new(60) {
        let key = Key::new("k").part(round);
        let caller = task::spawn({
            let (cache, key) = (cache.clone(), key.clone());
            async move { cache.get_or_load(key, || value("of the one who left")).await }
        });
        random.pause(400).await;
        caller.abort();
        let _ = caller.await;
        let load = || value("of the next");
        let seen = patiently("an answer", cache.get_or_load(key.clone(), load)).await??.0;
        let is_one = seen == "of the next".into() || seen == "of the one who left".into();
        crate::failure::holds(is_one, "a value that was loaded", &seen)?;
        same(cache.get(key).await?, Some(seen))?;
    }
    Ok(())
}

async fn racing_callers_never_load_twice(t: &Context) -> Verdict {
    const CALLERS: usize = 6;
    let cache = t.cache();
    let mut random = Random::new(t);
    for round in Rounds::new(100) {
        let gate = Gate::new();
        gate.open();
        let start = Arc::new(Barrier::new(CALLERS));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (cache, gate, start) = (cache.clone(), gate.clone(), Arc::clone(&start));
                let mut random = random.fork();
                task::spawn(async move {
                    start.wait().await;
                    random.pause(300).await;
                    let load = || gate.load(Ok::<_, Infallible>("loaded".into()));
                    cache.get_or_load(Key::new("k").part(round), load).await
                })
            })
            .collect();
        all_have(callers, "loaded").await?;
        same((round, gate.loads()), (round, 1))?;
    }
    Ok(())
}

async fn loads_of_many_keys_do_not_mix(t: &Context) -> Verdict {
    let cache = t.cache();
    let callers: Vec<_> = (0..200_i64)
        .map(|number| {
            let cache = cache.clone();
            task::spawn(async move {
                cache.get_or_load(Key::new("k").part(number % 40), move || value(number % 40)).await
            })
        })
        .collect();
    for (number, caller) in (0_i64..).zip(callers) {
        same(answer(caller).await?.0, Value::Signed(number % 40))?;
    }
    same(cache.cache().stats().loads, 40)
}

async fn a_load_in_one_namespace_is_not_joined_from_another(t: &Context) -> Verdict {
    let (one, other) = (t.cache_in("one"), t.cache_in("other"));
    let gate = Gate::new();
    let first = ask(&one, "k", &gate, "of one");
    gate.has_begun().await?;
    same(other.get_or_load("k", || value("of other")).await?.0, "of other".into())?;
    gate.open();
    same(answer(first).await?.0, "of one".into())?;
    same(one.get("k").await?, Some("of one".into()))?;
    same(other.get("k").await?, Some("of other".into()))
}
