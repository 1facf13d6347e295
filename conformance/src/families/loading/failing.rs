//! Loaders that fail.

use std::{fmt, io};

use larder_core::{ErrorKind, cache::Status};

use super::{Gate, answer, have_joined, value};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, same},
    patience::patiently,
    task,
    value::Value,
};

family! { "loading":
    a_failing_loader_stores_nothing = "A loader's error reaches the caller, nothing is stored, the next call tries again.";
    a_loaders_error_reaches_all_who_waited = "A loader's error reaches everybody who waited, each with the loader's own error in it.";
    a_loaders_error_keeps_its_type = "A loader's error can be had back as the type that it is.";
    a_panicking_loader_is_an_error = "A loader that panics is an error for those who wait; nothing hangs.";
    a_panic_reaches_all_who_waited = "When a loader panics everybody who waited is told, and the next call loads.";
    a_loader_that_panics_before_its_first_await_is_an_error = "A loader that panics before it gives a future is an error as well.";
    a_failed_load_leaves_no_trace = "After failed loads the key can be set, added, deleted and loaded as ever.";
    a_failed_reload_brings_nothing_back = "When the reload of a deleted key fails nothing of the old value is served.";
    one_keys_failure_is_its_own = "A load that fails does not disturb loads of other keys.";
}

/// What the suite's loaders fail with.
#[derive(Debug)]
struct NoDatabase(u32);

impl fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no database, try {}", self.0)
    }
}

impl std::error::Error for NoDatabase {}

/// A panic that prints nothing: it is meant.
async fn panicking() -> Result<Value, io::Error> {
    tokio::task::yield_now().await;
    std::panic::resume_unwind(Box::new("a loader that panics"))
}

async fn a_failing_loader_stores_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let failed = cache.get_or_load("k", || async { Err::<Value, _>(NoDatabase(1)) }).await;
    fails(failed, ErrorKind::Load)?;
    same(cache.get("k").await?, None)?;
    same(cache.get_or_load("k", || value("second try")).await?, ("second try".into(), Status::Loaded))
}

async fn a_loaders_error_reaches_all_who_waited(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            task::spawn(async move { cache.get_or_load("k", || gate.load(Err(NoDatabase(7)))).await })
        })
        .collect();
    gate.has_begun().await?;
    have_joined(&cache, 9).await?;
    gate.open();
    for caller in callers {
        let failed = caller.await.map_err(|panic| Failure::new("an answer", panic))?;
        let told =
            failed.as_ref().err().and_then(|error| error.load_error::<NoDatabase>()).map(|error| error.0);
        same(told, Some(7))?;
        fails(failed, ErrorKind::Load)?;
    }
    same(gate.loads(), 1)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn a_loaders_error_keeps_its_type(t: &Context) -> Verdict {
    let cache = t.cache();
    let failed = cache.get_or_load("k", || async { Err::<Value, _>(NoDatabase(3)) }).await;
    let Err(error) = failed else { return fails(failed, ErrorKind::Load) };
    same(error.load_error::<NoDatabase>().map(|error| error.0), Some(3))?;
    same(error.load_error::<io::Error>().is_none(), true)?;
    // A reporter prints the sources itself: the error's own line does not say them again.
    same(error.to_string().contains("no database, try 3"), false)?;
    same(error.chain().to_string().contains("no database, try 3"), true)
}

async fn a_panicking_loader_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    fails(cache.get_or_load("k", panicking).await, ErrorKind::Panicked)?;
    same(cache.get("k").await?, None)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn a_panic_reaches_all_who_waited(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || async move {
                gate.load(Ok::<_, io::Error>(Value::Null)).await?;
                panicking().await
            };
            task::spawn(async move { cache.get_or_load("k", load).await })
        })
        .collect();
    gate.has_begun().await?;
    have_joined(&cache, 9).await?;
    gate.open();
    for caller in callers {
        let failed = patiently("an error, where a caller would hang", caller).await?;
        fails(failed.map_err(|panic| Failure::new("an error", panic))?, ErrorKind::Panicked)?;
    }
    same(gate.loads(), 1)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn a_loader_that_panics_before_its_first_await_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    let load = || -> std::future::Ready<Result<Value, io::Error>> {
        std::panic::resume_unwind(Box::new("a loader that panics at once"))
    };
    fails(cache.get_or_load("k", load).await, ErrorKind::Panicked)?;
    same(cache.get_or_load("k", || value("second try")).await?.0, "second try".into())
}

async fn a_failed_load_leaves_no_trace(t: &Context) -> Verdict {
    let cache = t.cache();
    let fail = || async { Err::<Value, _>(NoDatabase(1)) };
    fails(cache.get_or_load("k", fail).await, ErrorKind::Load)?;
    same(cache.delete("k").await?, false)?;
    same(cache.add("k", "added").await?, true)?;
    same(cache.get_or_load("k", fail).await?, ("added".into(), Status::Hit))?;
    cache.delete("k").await?;
    fails(cache.get_or_load("k", panicking).await, ErrorKind::Panicked)?;
    cache.set("k", "set").await?;
    same(cache.get("k").await?, Some("set".into()))
}

async fn a_failed_reload_brings_nothing_back(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.get_or_load("k", || value("old")).await?;
    cache.delete("k").await?;
    fails(cache.get_or_load("k", || async { Err::<Value, _>(NoDatabase(1)) }).await, ErrorKind::Load)?;
    same(cache.get("k").await?, None)?;
    cache.load_as("tagged", t.short() * 100, &["tag"], || value("old")).await?;
    cache.invalidate_tag("tag").await?;
    fails(cache.get_or_load("tagged", || async { Err::<Value, _>(NoDatabase(2)) }).await, ErrorKind::Load)?;
    same(cache.get("tagged").await?, None)
}

async fn one_keys_failure_is_its_own(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let good = super::ask(&cache, "good", &gate, "loaded");
    gate.has_begun().await?;
    fails(cache.get_or_load("bad", || async { Err::<Value, _>(NoDatabase(1)) }).await, ErrorKind::Load)?;
    fails(cache.get_or_load("worse", panicking).await, ErrorKind::Panicked)?;
    gate.open();
    same(answer(good).await?.0, "loaded".into())
}
