//! Stores with a breaker: when it opens, what is refused meanwhile, and how it closes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use larder_core::{
    ErrorKind, Key, Result,
    backend::{CircuitState, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions},
    cache::Status,
    error::Origin,
    key::StoreKey,
    layer::{Calls, FaultRule, Mishap},
};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    patience::patiently,
    probe::Direct,
    value::Value,
};

family! { "breaker" needs [Storing, Breaking]:
    a_server_that_fails_is_not_asked = "A store that fails is no longer asked: calls fail at once, and nothing of them reaches it.";
    a_call_that_is_refused_says_so = "A call that is refused is `Unavailable`, of this side's origin, and has the last failure as its source.";
    a_few_failures_do_not_open_it = "A few failures among many answers do not open the breaker.";
    answers_without_values_are_answers = "Misses, deletes of nothing and adds that do not succeed are answers, and open nothing.";
    our_own_failures_do_not_open_it = "What a client refuses itself, and what concerns one value, opens nothing.";
    a_bulk_read_is_refused_like_a_single_one = "While it is open a bulk read fails for each key, as a single one does.";
    a_bulk_write_is_refused_like_a_single_one = "While it is open bulk writes and removals fail for each key, as single ones do.";
    bulk_failures_open_it = "Bulk operations that fail open the breaker.";
    a_delete_that_is_refused_is_an_error = "A delete that is refused is an error, and the entry is still there.";
    a_write_that_is_refused_has_not_landed = "A write that is refused is an error, and the old value is still there.";
    a_load_answers_while_it_is_open = "The caller of `get_or_load` gets the loader's value while the breaker is open.";
    one_call_tries_whether_the_store_is_back = "When it is time one call goes through, and the others still fail at once.";
    a_try_that_succeeds_closes_it = "When the call that tries succeeds all calls go through again.";
    a_try_that_fails_leaves_it_open = "When the call that tries fails, calls fail at once for as long again.";
    a_try_that_is_given_up_is_left_to_the_next = "When the call that tries is given up the next one tries at once.";
    a_bulk_try_that_is_given_up_is_left_to_the_next = "When a bulk read that tries is given up the next call tries at once.";
    #[needs(InjectedClock)] a_clock_that_is_set_does_not_keep_it_open = "A clock that is set back or forward does not keep it open.";
}

const DOWN: Mishap = Mishap::Fails(ErrorKind::Unavailable);
/// The most failures that any breaker needs to open.
const MOST: usize = 64;

fn state(t: &Context) -> CircuitState {
    t.backend().circuits().iter().map(|circuit| circuit.state).max().unwrap_or(CircuitState::Closed)
}

/// Lets the store fail until the breaker is open.
async fn open(t: &Context, store: &Direct, mishap: Mishap) -> Verdict {
    let faults = t.breaker().faults;
    faults.always(mishap);
    for _ in 0..MOST {
        if state(t) == CircuitState::Open {
            break;
        }
        holds(store.get("k").await.is_err(), "an error", "none")?;
    }
    faults.none();
    same(state(t), CircuitState::Open)
}

/// How many calls have reached the store, were it to fail at each of them.
async fn reached<T>(t: &Context, work: impl Future<Output = T>) -> (T, u64) {
    let faults = t.breaker().faults;
    // A delay of no time at all to speak of, so that they are counted.
    faults.set([FaultRule::new(Mishap::Delays(std::time::Duration::from_nanos(1)))]);
    let before = faults.happened();
    let answer = work.await;
    let after = faults.happened();
    faults.none();
    (answer, after - before)
}

fn refused<T: std::fmt::Debug>(result: Result<T>) -> Verdict {
    match result {
        Err(error) => same((error.kind(), error.origin()), (ErrorKind::Unavailable, Origin::Here)),
        Ok(answer) => Err(Failure::new("a call that is refused", format_args!("{answer:?}"))),
    }
}

async fn a_server_that_fails_is_not_asked(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short()).await?;
    open(t, &store, DOWN).await?;
    let asked = async {
        for _ in 0..20 {
            refused(store.get("k").await)?;
            refused(store.delete("k").await)?;
            refused(store.touch("k", t.short()).await)?;
        }
        Ok::<(), Failure>(())
    };
    let (verdict, reached) = reached(t, asked).await;
    verdict?;
    same(reached, 0)
}

async fn a_call_that_is_refused_says_so(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, Mishap::Fails(ErrorKind::Loading)).await?;
    let Err(error) = store.get("k").await else { return Err(Failure::new("an error", "none")) };
    same((error.kind(), error.origin()), (ErrorKind::Unavailable, Origin::Here))?;
    let cause = error.sources().find_map(|source| source.downcast_ref::<larder_core::Error>());
    same(cause.map(larder_core::Error::kind), Some(ErrorKind::Loading))
}

async fn a_few_failures_do_not_open_it(t: &Context) -> Verdict {
    let (store, faults) = (t.direct(), t.breaker().faults);
    for call in 0..200 {
        if call % 12 == 0 {
            faults.always(DOWN);
            fails(store.get("k").await, ErrorKind::Unavailable)?;
            faults.none();
        } else {
            store.get("k").await?;
        }
    }
    same(state(t), CircuitState::Closed)
}

async fn answers_without_values_are_answers(t: &Context) -> Verdict {
    let (store, life) = (t.direct(), t.breaker().open_for * 40);
    store.set("taken", "v", life).await?;
    // One kind of answer after the other: between others, a few that count would open nothing.
    for _ in 0..MOST {
        same(store.get("missing").await?, None)?;
    }
    for _ in 0..MOST {
        same(store.delete("missing").await?, false)?;
    }
    for _ in 0..MOST {
        same(store.touch("missing", t.short()).await?, false)?;
    }
    for _ in 0..MOST {
        let add = larder_core::backend::Condition::Absent;
        same(store.set_when("taken", "w", life, add).await?, false)?;
    }
    for _ in 0..MOST {
        same(store.get_many(&["missing", "missing"]).await?, [None, None])?;
    }
    same(state(t), CircuitState::Closed)
}

async fn our_own_failures_do_not_open_it(t: &Context) -> Verdict {
    let (store, faults) = (t.direct(), t.breaker().faults);
    for kind in [ErrorKind::Busy, ErrorKind::TooLarge, ErrorKind::Unsupported, ErrorKind::Encode] {
        faults.always(Mishap::Fails(kind));
        for _ in 0..MOST {
            fails(store.get("k").await, kind)?;
        }
        same(state(t), CircuitState::Closed)?;
    }
    Ok(())
}

async fn a_bulk_read_is_refused_like_a_single_one(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, DOWN).await?;
    let keys = [Key::new("a"), Key::new("b"), Key::new("a")];
    let keys = keys.each_ref().map(|key| StoreKey::new(store.namespace(), key));
    let options = GetOptions::new();
    let asked = t.backend().get_many(&keys, &options);
    let (answers, reached) = reached(t, asked).await;
    same(answers.len(), 3)?;
    answers.into_iter().try_for_each(refused)?;
    same(reached, 0)
}

async fn a_bulk_write_is_refused_like_a_single_one(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, DOWN).await?;
    let keys = [Key::new("a"), Key::new("b")];
    let keys = keys.each_ref().map(|key| StoreKey::new(store.namespace(), key));
    let writes =
        keys.map(|key| SetItem::new(key, store.entry("v", t.short()), SetOptions::new(t.short().into())));
    let deletes = keys.map(|key| DeleteItem::new(key, DeleteOptions::new()));
    let asked = async { (t.backend().set_many(&writes).await, t.backend().delete_many(&deletes).await) };
    let ((written, deleted), reached) = reached(t, asked).await;
    same((written.len(), deleted.len()), (2, 2))?;
    written.into_iter().try_for_each(refused)?;
    deleted.into_iter().try_for_each(refused)?;
    same(reached, 0)
}

async fn bulk_failures_open_it(t: &Context) -> Verdict {
    let (store, faults) = (t.direct(), t.breaker().faults);
    let keys = [Key::new("a"), Key::new("b")];
    let keys = keys.each_ref().map(|key| StoreKey::new(store.namespace(), key));
    faults.always(DOWN);
    for _ in 0..MOST {
        t.backend().get_many(&keys, &GetOptions::new()).await;
    }
    faults.none();
    same(state(t), CircuitState::Open)
}

async fn a_delete_that_is_refused_is_an_error(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.breaker().open_for * 40).await?;
    open(t, &store, DOWN).await?;
    refused(store.delete("k").await)?;
    t.pass(t.breaker().open_for).await;
    same(store.get("k").await?.as_deref(), Some("v"))
}

async fn a_write_that_is_refused_has_not_landed(t: &Context) -> Verdict {
    let (store, life) = (t.direct(), t.breaker().open_for * 40);
    store.set("k", "v", life).await?;
    open(t, &store, DOWN).await?;
    refused(store.set("k", "w", life).await)?;
    t.pass(t.breaker().open_for).await;
    same(store.get("k").await?.as_deref(), Some("v"))
}

async fn a_load_answers_while_it_is_open(t: &Context) -> Verdict {
    let (store, cache) = (t.direct(), t.cache());
    open(t, &store, DOWN).await?;
    let rule = FaultRule::new(DOWN).on(Calls::All);
    t.breaker().faults.set([rule]);
    let loaded =
        cache.get_or_load("missing", || async { Ok::<_, std::io::Error>(Value::from("loaded")) }).await;
    t.breaker().faults.none();
    same(loaded?, ("loaded".into(), Status::LoadedNotStored))
}

/// A call that reaches the store and does not come back until it is dropped.
async fn held<'a>(
    t: &'a Context,
    mut call: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
) -> Result<Pin<Box<dyn Future<Output = ()> + Send + 'a>>, Failure> {
    t.breaker().faults.always(Mishap::Hangs);
    let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
    t.breaker().faults.none();
    holds(polled.is_pending(), "a call that waits for the store", polled)?;
    Ok(call)
}

async fn one_call_tries_whether_the_store_is_back(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, DOWN).await?;
    t.pass(t.breaker().open_for).await;
    let trying = held(t, Box::pin(async { drop(store.get("k").await) })).await?;
    same(state(t), CircuitState::HalfOpen)?;
    let asked = async {
        refused(store.get("k").await)?;
        refused(store.delete("k").await)?;
        let keys = [Key::new("a")];
        let keys = keys.each_ref().map(|key| StoreKey::new(store.namespace(), key));
        t.backend().get_many(&keys, &GetOptions::new()).await.into_iter().try_for_each(refused)
    };
    let (verdict, reached) = reached(t, asked).await;
    drop(trying);
    verdict?;
    same(reached, 0)
}

async fn a_try_that_succeeds_closes_it(t: &Context) -> Verdict {
    let store = t.direct();
    for _ in 0..3 {
        open(t, &store, DOWN).await?;
        t.pass(t.breaker().open_for).await;
        // It found nothing, which is an answer.
        same(store.get("missing").await?, None)?;
        same(state(t), CircuitState::Closed)?;
        for _ in 0..5 {
            store.get("missing").await?;
            store.delete("missing").await?;
        }
    }
    Ok(())
}

async fn a_try_that_fails_leaves_it_open(t: &Context) -> Verdict {
    let (store, faults) = (t.direct(), t.breaker().faults);
    open(t, &store, DOWN).await?;
    for _ in 0..3 {
        t.pass(t.breaker().open_for).await;
        faults.always(Mishap::Fails(ErrorKind::Loading));
        fails(store.get("k").await, ErrorKind::Loading)?;
        faults.none();
        let (answer, reached) = reached(t, store.get("k")).await;
        refused(answer)?;
        same(reached, 0)?;
    }
    Ok(())
}

async fn a_try_that_is_given_up_is_left_to_the_next(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, DOWN).await?;
    t.pass(t.breaker().open_for).await;
    drop(held(t, Box::pin(async { drop(store.get("k").await) })).await?);
    same(patiently("an answer", store.get("k")).await??, None)
}

async fn a_bulk_try_that_is_given_up_is_left_to_the_next(t: &Context) -> Verdict {
    let store = t.direct();
    open(t, &store, DOWN).await?;
    t.pass(t.breaker().open_for).await;
    let trying = async {
        let keys = [Key::new("a"), Key::new("b")];
        let keys = keys.each_ref().map(|key| StoreKey::new(store.namespace(), key));
        drop::<Vec<Result<Lookup>>>(t.backend().get_many(&keys, &GetOptions::new()).await);
    };
    drop(held(t, Box::pin(trying)).await?);
    same(patiently("an answer", store.get("k")).await??, None)
}

async fn a_clock_that_is_set_does_not_keep_it_open(t: &Context) -> Verdict {
    let (store, open_for) = (t.direct(), t.breaker().open_for);
    for is_back in [true, false] {
        open(t, &store, DOWN).await?;
        if is_back {
            t.clock().step_back(open_for * 1000);
        } else {
            t.clock().step_forward(open_for * 1000);
        }
        t.pass(open_for).await;
        same(store.get("k").await?, None)?;
        same(state(t), CircuitState::Closed)?;
    }
    Ok(())
}
