//! Many tasks doing everything to many keys: nobody is given another key's value, and nothing hangs.

use std::{convert::Infallible, time::Duration};

use larder_core::{Key, Result, cache::Status};

use super::super::random::Random;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::patiently,
    probe::Probe,
    task,
    value::Value,
};

family! { "concurrency":
    nobody_is_given_another_keys_value = "Many tasks doing everything to many keys at once are each given values of their own keys.";
    callers_who_give_up_disturb_nobody = "Dropping an operation at any moment is safe: no later one is given its answer.";
    everybody_reads_what_they_wrote = "Each of many tasks reads back what it wrote last, whatever the others do.";
    bulk_reads_stay_in_order_under_load = "Bulk reads answer each key with its own value while the keys are written and removed.";
    a_thousand_operations_at_once_all_end = "A thousand operations begun at once all end, well.";
    everybody_reads_what_they_wrote_after_a_clear = "What a task writes after its clear it reads, while others use the namespace.";
    counting_is_exact_under_load = "Under load every read is counted once, as a hit or as a miss.";
    #[needs(Sharing)] two_processes_do_not_mix = "Two processes doing everything to the same keys are each given values of their own keys.";
}

const KEYS: u64 = 12;

fn key(number: u64) -> Key {
    Key::new("k").part(number)
}

/// A value that says whose it is, of any length.
fn value(number: u64, random: &mut Random) -> Value {
    let filling = "x".repeat(usize::try_from(random.below(2000)).unwrap_or(0));
    Value::Text(format!("of {number}:{filling}"))
}

fn belongs(seen: Option<&Value>, number: u64) -> Verdict {
    let own = format!("of {number}:");
    let belongs = match seen {
        None => true,
        Some(Value::Text(text)) => text.starts_with(&own),
        Some(_) => false,
    };
    holds(belongs, &format!("a value that begins with \"{own}\", or none"), seen)
}

/// One operation of any kind on any key.
async fn anything(cache: &Probe, random: &mut Random) -> Verdict {
    let number = random.below(KEYS);
    let cache = cache.cache();
    match random.below(11) {
        0..3 => belongs(cache.get(&key(number)).await?.as_deref(), number)?,
        3 | 4 => cache.set(&key(number), value(number, random)).await?,
        5 => drop(cache.delete(&key(number)).await?),
        6 => drop(cache.add(&key(number), value(number, random)).await?),
        7 => drop(cache.touch(&key(number), Duration::from_mins(10)).await?),
        8 => {
            let made = value(number, random);
            let load = || async move { Ok::<_, Infallible>(made) };
            belongs(Some(&*cache.get_or_load(&key(number), load).await?), number)?;
        }
        9 => {
            let keys: Vec<Key> = (0..KEYS).rev().map(key).collect();
            for (number, found) in (0..KEYS).rev().zip(cache.get_many(&keys).await?) {
                belongs(found?.as_deref(), number)?;
            }
        }
        _ => {
            let items: Vec<_> = (0..3).map(|more| (number + more) % KEYS).collect();
            let items =
                items.into_iter().map(|number| (key(number), value(number, random))).collect::<Vec<_>>();
            cache.set_many(items).await?.into_iter().collect::<Result<Vec<_>>>()?;
        }
    }
    Ok(())
}

/// Several tasks at once, for about this long.
async fn for_a_while<F, Fut>(t: &Context, tasks: u32, work: F) -> Verdict
where
    F: Fn(u32, Random) -> Fut,
    Fut: Future<Output = Verdict> + Send + 'static,
{
    let mut random = Random::new(t);
    let tasks: Vec<_> = (0..tasks).map(|number| task::spawn(work(number, random.fork()))).collect();
    for task in tasks {
        patiently("the end of a task", task).await?.map_err(|panic| Failure::new("an end", panic))??;
    }
    Ok(())
}

/// Rounds for one of several tasks: the work is bounded by count and by time.
fn rounds() -> super::super::random::Rounds {
    super::super::random::Rounds::new(80)
}

async fn nobody_is_given_another_keys_value(t: &Context) -> Verdict {
    let cache = t.cache();
    for_a_while(t, 12, |_, mut random| {
        let cache = cache.clone();
        async move {
            for _ in rounds() {
                anything(&cache, &mut random).await?;
            }
            Ok(())
        }
    })
    .await
}

async fn callers_who_give_up_disturb_nobody(t: &Context) -> Verdict {
    let cache = t.cache();
    for_a_while(t, 12, |task, mut random| {
        let cache = cache.clone();
        async move {
            for _ in rounds() {
                let patience = Duration::from_micros(random.below(600));
                let mut own = random.fork();
                if task % 3 == 0 {
                    anything(&cache, &mut own).await?;
                } else if let Ok(ended) = tokio::time::timeout(patience, anything(&cache, &mut own)).await {
                    ended?;
                }
            }
            Ok(())
        }
    })
    .await?;
    t.note("// the others have given up at random moments; what was left behind?", ());
    for number in 0..KEYS {
        belongs(cache.get(key(number)).await?.as_ref(), number)?;
        cache.set(key(number), format!("of {number}: last")).await?;
    }
    for number in 0..KEYS {
        same(cache.get(key(number)).await?, Some(format!("of {number}: last").into()))?;
        same(cache.delete(key(number)).await?, true)?;
    }
    Ok(())
}

async fn everybody_reads_what_they_wrote(t: &Context) -> Verdict {
    let cache = t.cache();
    for_a_while(t, 12, |task, mut random| {
        let (cache, own) = (cache.cache().clone(), Key::new("own").part(task));
        async move {
            for round in rounds() {
                let written = Value::from(format!("{task}/{round}"));
                cache.set(&own, written.clone()).await?;
                random.pause(50).await;
                same(cache.get(&own).await?.as_deref(), Some(&written))?;
                if random.below(4) == 0 {
                    same(cache.delete(&own).await?, true)?;
                    same(cache.get(&own).await?.as_deref(), None::<&Value>)?;
                }
            }
            Ok(())
        }
    })
    .await
}

async fn bulk_reads_stay_in_order_under_load(t: &Context) -> Verdict {
    let cache = t.cache();
    for_a_while(t, 8, |task, mut random| {
        let cache = cache.clone();
        async move {
            for _ in rounds() {
                if task < 4 {
                    let numbers: Vec<u64> = (0..20).map(|_| random.below(KEYS)).collect();
                    let keys: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
                    for (number, found) in numbers.into_iter().zip(cache.cache().get_many(&keys).await?) {
                        belongs(found?.as_deref(), number)?;
                    }
                } else if random.below(3) == 0 {
                    cache.cache().delete(&key(random.below(KEYS))).await?;
                } else {
                    let number = random.below(KEYS);
                    cache.cache().set(&key(number), value(number, &mut random)).await?;
                }
            }
            Ok(())
        }
    })
    .await
}

async fn a_thousand_operations_at_once_all_end(t: &Context) -> Verdict {
    let cache = t.cache();
    let operations: Vec<_> = (0..1000_i64)
        .map(|number| {
            let (cache, key) = (cache.cache().clone(), Key::new("k").part(number));
            task::spawn(async move {
                cache.set(&key, number.into()).await?;
                Ok::<_, larder_core::Error>(cache.get(&key).await?.map(|seen| Value::clone(&seen)))
            })
        })
        .collect();
    for (number, operation) in (0_i64..).zip(operations) {
        let seen = patiently("the end of an operation", operation)
            .await?
            .map_err(|panic| Failure::new("an answer", panic))??;
        same(seen, Some(number.into()))?;
    }
    Ok(())
}

async fn everybody_reads_what_they_wrote_after_a_clear(t: &Context) -> Verdict {
    let cache = t.cache();
    for_a_while(t, 6, |task, mut random| {
        let (cache, own) = (cache.cache().clone(), Key::new("own").part(task));
        async move {
            for round in rounds() {
                if task > 0 {
                    belongs(cache.get(&key(1)).await?.as_deref(), 1)?;
                    cache.set(&key(1), value(1, &mut random)).await?;
                    continue;
                }
                cache.clear().await?;
                same(cache.get(&own).await?.as_deref(), None::<&Value>)?;
                cache.set(&own, i64::from(round).into()).await?;
                same(cache.get(&own).await?.as_deref(), Some(&Value::Signed(round.into())))?;
            }
            Ok(())
        }
    })
    .await
}

async fn counting_is_exact_under_load(t: &Context) -> Verdict {
    const TASKS: u64 = 8;
    const EACH: u64 = 40;
    let cache = t.cache();
    for_a_while(t, u32::try_from(TASKS).unwrap_or(0), |_, mut random| {
        let cache = cache.cache().clone();
        async move {
            for round in 0..EACH {
                let number = random.below(KEYS);
                if round % 2 == 0 {
                    cache.get(&key(number)).await?;
                } else {
                    cache.set(&key(number), value(number, &mut random)).await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    let seen = cache.cache().stats();
    same((seen.hits + seen.misses, seen.writes, seen.errors), (TASKS * EACH / 2, TASKS * EACH / 2, 0))?;
    let load = || async { Ok::<_, Infallible>(Value::Null) };
    same(cache.get_or_load("afterwards", load).await?.1, Status::Loaded)
}

async fn two_processes_do_not_mix(t: &Context) -> Verdict {
    let processes = [t.prompt("cache"), t.peer(|builder| builder)];
    for_a_while(t, 8, |task, mut random| {
        let cache = processes[usize::from(task % 2 == 0)].clone();
        async move {
            for _ in rounds() {
                anything(&cache, &mut random).await?;
            }
            Ok(())
        }
    })
    .await
}
