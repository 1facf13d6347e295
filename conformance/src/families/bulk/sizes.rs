//! Requests that no server takes in one piece.

use larder_core::{Key, Result};

use super::found;
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "bulk" heavy:
    ten_thousand_keys_are_read = "A request larger than the server's limit is split: 10 000 keys are read in one call.";
    a_thousand_keys_are_written_and_removed = "1 000 keys, spread over all slots of a cluster, are written, read and removed in one call each.";
    #[needs(LargeValues)] large_values_are_read_together = "A request whose answer is larger than any buffer is answered in full.";
    long_keys_are_read_together = "A request of very many long keys is answered in full.";
    one_key_is_a_request_as_well = "A request of one key is answered like any other.";
}

async fn ten_thousand_keys_are_read(t: &Context) -> Verdict {
    const EVERY: usize = 50;
    let cache = t.cache();
    let keys: Vec<Key> = (0..10_000_u32).map(|number| Key::new("k").part(number)).collect();
    let there = keys.iter().step_by(EVERY).zip(0_i64..);
    let written = cache.set_many(there.map(|(key, number)| (key.clone(), number.into())).collect()).await?;
    holds(written.iter().all(Result::is_ok), "all are written", &written)?;
    let seen = found(&cache, &keys).await?;
    same(seen.len(), keys.len())?;
    for (number, seen) in seen.into_iter().enumerate() {
        let expected = i64::try_from(number / EVERY).ok().filter(|_| number % EVERY == 0);
        same((number, seen), (number, expected.map(Value::Signed)))?;
    }
    Ok(())
}

async fn a_thousand_keys_are_written_and_removed(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..1000_u32).map(|number| Key::new("k").part(number)).collect();
    let items = keys.iter().zip(0_i64..).map(|(key, number)| (key.clone(), number.into())).collect();
    let written = cache.set_many(items).await?;
    same(written.iter().filter(|written| written.is_ok()).count(), 1000)?;
    let expected: Vec<Option<Value>> = (0..1000).map(|number| Some(Value::Signed(number))).collect();
    same(found(&cache, &keys).await?, expected)?;
    let removed = cache.delete_many(&keys).await?;
    same(removed.iter().filter(|removed| matches!(removed, Ok(true))).count(), 1000)?;
    same(found(&cache, &keys).await?.iter().filter(|found| found.is_some()).count(), 0)
}

async fn large_values_are_read_together(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..24_u32).map(|number| Key::new("k").part(number)).collect();
    let value = |number: usize| Value::from(format!("{number}").repeat(100_000 + number));
    let items = keys.iter().enumerate().map(|(number, key)| (key.clone(), value(number))).collect();
    let written = cache.set_many(items).await?;
    same(written.iter().filter(|written| written.is_ok()).count(), 24)?;
    for (number, seen) in found(&cache, &keys).await?.into_iter().enumerate() {
        holds(seen == Some(value(number)), &format!("the value of key {number}"), seen)?;
    }
    Ok(())
}

async fn long_keys_are_read_together(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..500_u32)
        .map(|number| Key::new("\u{1F980} ".repeat(40)).part(number).part("x".repeat(300)))
        .collect();
    let items = keys.iter().zip(0_i64..).map(|(key, number)| (key.clone(), number.into())).collect();
    let written = cache.set_many(items).await?;
    same(written.iter().filter(|written| written.is_ok()).count(), 500)?;
    let expected: Vec<Option<Value>> = (0..500).map(|number| Some(Value::Signed(number))).collect();
    same(found(&cache, &keys).await?, expected)
}

async fn one_key_is_a_request_as_well(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    same(found(&cache, std::slice::from_ref(&key)).await?, [None])?;
    same(
        cache.set_many(vec![(key.clone(), "v".into())]).await?.into_iter().collect::<Result<Vec<_>>>()?,
        [()],
    )?;
    same(found(&cache, std::slice::from_ref(&key)).await?, [Some("v".into())])?;
    let removed = cache.delete_many(std::slice::from_ref(&key)).await?;
    same(removed.into_iter().collect::<Result<Vec<_>>>()?, [true])?;
    same(found(&cache, &[key]).await?, [None])
}
