//! Keys: whatever their parts are, each is its own and works on every operation.

mod characters;
mod identity;
mod lengths;

use std::fmt::Debug;

use larder_core::Key;

use crate::{
    case::Case,
    failure::{Failure, Verdict, same},
    probe::Probe,
    value::Value,
};

pub(crate) fn cases() -> Vec<Case> {
    [identity::CASES, characters::CASES, lengths::CASES].concat()
}

/// Every operation works on this key.
async fn every_operation_works(cache: &Probe, key: &Key) -> Verdict {
    let one = std::slice::from_ref(key);
    same(cache.get(key.clone()).await?, None)?;
    same(cache.add(key.clone(), "added").await?, true)?;
    same(cache.add(key.clone(), "added again").await?, false)?;
    same(cache.get(key.clone()).await?, Some("added".into()))?;
    cache.set(key.clone(), "set").await?;
    same(cache.contains(key.clone()).await?, true)?;
    same(cache.touch(key.clone(), std::time::Duration::from_mins(10)).await?, true)?;
    same(cache.ttl(key.clone()).await?.is_some(), true)?;
    same(only(cache.get_many(one).await?)?, Some("set".into()))?;
    same(cache.delete(key.clone()).await?, true)?;
    same(cache.get(key.clone()).await?, None)?;
    only(cache.set_many(vec![(key.clone(), "set with others".into())]).await?)?;
    let loader = || async { Err::<Value, _>("the loader was called") };
    same(cache.get_or_load(key.clone(), loader).await?.0, "set with others".into())?;
    same(only(cache.delete_many(one).await?)?, true)?;
    same(cache.contains(key.clone()).await?, false)
}

fn only<R: Debug>(mut answers: Vec<larder_core::Result<R>>) -> Result<R, Failure> {
    match (answers.pop(), answers.is_empty()) {
        (Some(answer), true) => Ok(answer?),
        (answer, _) => Err(Failure::new("one answer", format_args!("{answers:?}, {answer:?}"))),
    }
}

/// Each of these keys has a value of its own.
async fn all_differ(cache: &Probe, keys: &[Key]) -> Verdict {
    for (number, key) in keys.iter().enumerate() {
        cache.set(key.clone(), i64::try_from(number).unwrap_or(-1)).await?;
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = i64::try_from(number).unwrap_or(-1);
        same(cache.get(key.clone()).await?, Some(Value::Signed(expected)))?;
    }
    for (number, key) in keys.iter().enumerate() {
        same((number, cache.delete(key.clone()).await?), (number, true))?;
    }
    Ok(())
}
