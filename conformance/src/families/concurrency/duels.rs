//! Two operations on one key at once. Whichever comes first, only some ends are possible.

use std::{future::Future, sync::Arc, time::Duration};

use larder_core::{Result, Ttl, backend::Condition};
use tokio::sync::Barrier;

use super::super::{
    conditional::at_once,
    random::{Random, Rounds},
};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::{Direct, Probe},
    task,
    value::Value,
};

family! { "concurrency":
    of_many_deletes_one_is_true = "Of N concurrent deletes of one live entry exactly one is `true`.";
    #[needs(LargeValues)] of_two_sets_one_stays_whole = "Of two concurrent sets of large values one stays, whole.";
    a_delete_and_an_add_agree = "When a delete and an add meet, the key is there exactly if the add says so.";
    an_add_never_undoes_a_set = "When an add and a set meet, what was set stays.";
    a_touch_never_undoes_a_set = "When a touch and a set meet, what was set stays.";
    a_touch_never_brings_back_a_deleted_key = "When a touch and a delete meet, the key is gone.";
    a_touch_of_the_store_never_undoes_a_set = "A store's touch changes the life of what is there, and does not write back what it has read.";
    a_replacement_never_brings_back_a_deleted_key = "When a write that needs a live entry and a delete meet, the key is gone.";
    #[needs(CompareAndSet)] a_compare_and_set_never_undoes_a_set = "When a compare-and-set and a set meet, what was set stays.";
    #[needs(CompareAndSet)] a_compare_and_set_never_brings_back_a_deleted_key = "When a compare-and-set and a delete meet, the key is gone.";
    #[needs(CompareAndSet)] an_add_over_a_dead_entry_never_undoes_a_set = "When an add over a cleared entry and a set meet, what was set stays.";
    a_clear_kills_what_was_there = "When a clear and reads meet, what was written before the clear is gone after it.";
    a_bulk_delete_and_a_bulk_write_agree = "When a bulk delete and a bulk write meet, each key is there whole or not at all.";
}

/// Does both at once, each after a moment of its own.
async fn both<A, B>(
    random: &mut Random,
    one: A,
    other: B,
) -> std::result::Result<(A::Output, B::Output), Failure>
where
    A: Future<Output: Send + 'static> + Send + 'static,
    B: Future<Output: Send + 'static> + Send + 'static,
{
    let start = Arc::new(Barrier::new(2));
    let (one, other) = (after(Arc::clone(&start), random.fork(), one), after(start, random.fork(), other));
    let told = |panic: tokio::task::JoinError| Failure::new("an answer", panic);
    Ok((one.await.map_err(told)?, other.await.map_err(told)?))
}

fn after<F>(start: Arc<Barrier>, mut random: Random, work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    task::spawn(async move {
        start.wait().await;
        random.pause(120).await;
        work.await
    })
}

async fn of_many_deletes_one_is_true(t: &Context) -> Verdict {
    let cache = t.cache();
    for _ in Rounds::new(60) {
        cache.set("k", "v").await?;
        let winners = at_once(|_| {
            let cache = cache.clone();
            async move { cache.delete("k").await }
        })
        .await?;
        holds(winners.len() == 1, "exactly one `true`", winners)?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn of_two_sets_one_stays_whole(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    let (ones, twos) = (Value::from("1".repeat(150_000)), Value::from("2".repeat(90_000)));
    for _ in Rounds::new(20) {
        let (one, other) = (cache.clone(), cache.clone());
        let (value, also) = (ones.clone(), twos.clone());
        let (first, second) =
            both(
                &mut random,
                async move { one.set("k", value).await },
                async move { other.set("k", also).await },
            )
            .await?;
        first?;
        second?;
        let seen = cache.get("k").await?;
        holds(seen.as_ref() == Some(&ones) || seen.as_ref() == Some(&twos), "one of the two values", &seen)?;
        holds(cache.get("k").await? == seen, "the same value again", "another")?;
    }
    Ok(())
}

async fn a_delete_and_an_add_agree(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    for _ in Rounds::new(60) {
        cache.set("k", "old").await?;
        let (one, other) = (cache.clone(), cache.clone());
        let (removed, added) =
            both(
                &mut random,
                async move { one.delete("k").await },
                async move { other.add("k", "added").await },
            )
            .await?;
        same(removed?, true)?;
        let expected = Some(Value::from("added")).filter(|_| matches!(added, Ok(true)));
        same(cache.get("k").await?, expected)?;
        added?;
    }
    Ok(())
}

/// Whatever else happens, what the set wrote is there afterwards.
async fn what_was_set_stays<P, F>(
    t: &Context,
    prepare: impl Fn(Probe) -> P,
    meanwhile: impl Fn(Probe) -> F,
) -> Verdict
where
    P: Future<Output = Result<()>>,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let cache = t.cache();
    let mut random = Random::new(t);
    for round in Rounds::new(60) {
        prepare(cache.clone()).await?;
        let setter = cache.clone();
        let (set, other) = both(
            &mut random,
            async move { setter.set("k", i64::from(round)).await },
            meanwhile(cache.clone()),
        )
        .await?;
        set?;
        other?;
        same(cache.get("k").await?, Some(Value::Signed(round.into())))?;
    }
    Ok(())
}

async fn an_add_never_undoes_a_set(t: &Context) -> Verdict {
    let prepare = |cache: Probe| async move { cache.delete("k").await.map(drop) };
    what_was_set_stays(t, prepare, |cache| async move { cache.add("k", "added").await.map(drop) }).await
}

async fn a_touch_never_undoes_a_set(t: &Context) -> Verdict {
    let life = Duration::from_mins(10);
    let prepare = |cache: Probe| async move { cache.set("k", "old").await };
    what_was_set_stays(t, prepare, move |cache| async move { cache.touch("k", life).await.map(drop) }).await
}

async fn an_add_over_a_dead_entry_never_undoes_a_set(t: &Context) -> Verdict {
    let prepare = |cache: Probe| async move {
        cache.set("k", "old").await?;
        cache.clear().await
    };
    what_was_set_stays(t, prepare, |cache| async move { cache.add("k", "added").await.map(drop) }).await
}

async fn a_touch_never_brings_back_a_deleted_key(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    for _ in Rounds::new(60) {
        cache.set("k", "v").await?;
        let (one, other) = (cache.clone(), cache.clone());
        let (removed, touched) = both(&mut random, async move { one.delete("k").await }, async move {
            other.touch("k", Ttl::Never).await
        })
        .await?;
        same(removed?, true)?;
        touched?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn a_touch_of_the_store_never_undoes_a_set(t: &Context) -> Verdict {
    let store = t.direct();
    let mut random = Random::new(t);
    for round in Rounds::new(60) {
        store.set("k", "old".repeat(2000), Ttl::Never).await?;
        let (one, other) = (store.clone(), store.clone());
        let text = format!("of round {round}");
        let new = text.clone();
        let (set, touched) =
            both(&mut random, async move { one.set("k", new, Ttl::Never).await }, async move {
                other.touch("k", Duration::from_mins(10)).await
            })
            .await?;
        set?;
        same(touched?, true)?;
        same(store.get("k").await?, Some(text))?;
    }
    Ok(())
}

/// A write under this condition meets a delete: the delete comes last, or the write finds nothing.
async fn gone_after<F>(t: &Context, condition: impl Fn() -> F) -> Verdict
where
    F: Future<Output = std::result::Result<Condition, Failure>>,
{
    let store = t.direct();
    let mut random = Random::new(t);
    for _ in Rounds::new(60) {
        store.set("k", "old", Ttl::Never).await?;
        let condition = condition().await?;
        let (one, other) = (store.clone(), store.clone());
        let (removed, written) = both(&mut random, async move { one.delete("k").await }, async move {
            other.set_when("k", "new", Ttl::Never, condition).await
        })
        .await?;
        same(removed?, true)?;
        written?;
        same(store.get("k").await?, None)?;
    }
    Ok(())
}

async fn a_replacement_never_brings_back_a_deleted_key(t: &Context) -> Verdict {
    gone_after(t, || async { Ok(Condition::Present) }).await
}

async fn a_compare_and_set_never_brings_back_a_deleted_key(t: &Context) -> Verdict {
    gone_after(t, || async { unchanged(&t.direct()).await }).await
}

async fn a_compare_and_set_never_undoes_a_set(t: &Context) -> Verdict {
    let store = t.direct();
    let mut random = Random::new(t);
    for round in Rounds::new(60) {
        store.set("k", "old", Ttl::Never).await?;
        let condition = unchanged(&store).await?;
        let (one, other) = (store.clone(), store.clone());
        let text = format!("of round {round}");
        let new = text.clone();
        let (set, written) =
            both(&mut random, async move { one.set("k", new, Ttl::Never).await }, async move {
                other.set_when("k", "compared", Ttl::Never, condition).await
            })
            .await?;
        set?;
        written?;
        same(store.get("k").await?, Some(text))?;
    }
    Ok(())
}

async fn unchanged(store: &Direct) -> std::result::Result<Condition, Failure> {
    let token = store.token("k").await?;
    token.map(Condition::Unchanged).ok_or_else(|| Failure::new("a hit, with its token", "a miss"))
}

async fn a_clear_kills_what_was_there(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    for round in Rounds::new(60) {
        cache.set("k", i64::from(round)).await?;
        let (one, other) = (cache.clone(), cache.clone());
        let (cleared, read) = both(&mut random, async move { one.clear().await }, async move {
            let alone = other.get("k").await?;
            let of_many = other.get_many(&["k".into()]).await?;
            Ok::<_, larder_core::Error>((alone, of_many.into_iter().flatten().flatten().next()))
        })
        .await?;
        cleared?;
        let (alone, of_many) = read?;
        let whole = Some(Value::Signed(round.into()));
        holds(alone.is_none() || alone == whole, "the value of this round, or none", &alone)?;
        holds(
            of_many.is_none() || (of_many == whole && alone == whole),
            "no value after none",
            (alone, of_many),
        )?;
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn a_bulk_delete_and_a_bulk_write_agree(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    let keys: Vec<larder_core::Key> =
        (0..20_u32).map(|number| larder_core::Key::new("k").part(number)).collect();
    for round in Rounds::new(30) {
        let items = keys.iter().map(|key| (key.clone(), Value::Signed(round.into()))).collect();
        let (one, other, also) = (cache.clone(), cache.clone(), keys.clone());
        let (removed, written) = both(&mut random, async move { one.delete_many(&also).await }, async move {
            other.set_many(items).await
        })
        .await?;
        removed?.into_iter().collect::<Result<Vec<_>>>()?;
        written?.into_iter().collect::<Result<Vec<_>>>()?;
        for seen in cache.get_many(&keys).await? {
            let seen = seen?;
            holds(
                seen.is_none() || seen == Some(Value::Signed(round.into())),
                "the new value, or none",
                seen,
            )?;
        }
    }
    Ok(())
}
