//! Loading: one load for many callers, and loads that lose against writes.

mod callers;
mod failing;
mod outcome;
mod overtaken;
mod plain;
mod tangled;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use larder_core::cache::Status;
use tokio::task::JoinHandle;

use crate::{
    case::Case,
    failure::{Failure, Verdict, same},
    gate,
    patience::{patiently, soon},
    probe::Probe,
    task,
    value::Value,
};

pub(crate) fn cases() -> Vec<Case> {
    [plain::CASES, outcome::CASES, failing::CASES, callers::CASES, overtaken::CASES, tangled::CASES].concat()
}

/// A loader that says when it has begun and waits until it may end.
#[derive(Clone)]
pub(crate) struct Gate {
    gate: gate::Gate,
    loads: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { gate: gate::Gate::new(), loads: Arc::default() }
    }

    /// One that lets every load end at once.
    pub(crate) fn opened() -> Self {
        let gate = Self::new();
        gate.open();
        gate
    }

    pub(crate) async fn load<E>(self, outcome: Result<Value, E>) -> Result<Value, E> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
        outcome
    }

    /// Waits until a load has begun.
    pub(crate) async fn has_begun(&self) -> Verdict {
        self.gate.has_begun("a load that begins").await
    }

    /// Lets all loads end, those that begin later as well.
    pub(crate) fn open(&self) {
        self.gate.open();
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

/// A loader that gives this.
pub(crate) async fn value(value: impl Into<Value>) -> Result<Value, Infallible> {
    Ok(value.into())
}

pub(crate) type Caller = JoinHandle<larder_core::Result<(Value, Status)>>;

/// Begins to ask for this key, with a loader that waits for the gate.
pub(crate) fn ask(cache: &Probe, key: &str, gate: &Gate, text: &'static str) -> Caller {
    let (cache, gate, key) = (cache.clone(), gate.clone(), key.to_owned());
    task::spawn(
        async move { cache.get_or_load(key, move || gate.load(Ok::<_, Infallible>(text.into()))).await },
    )
}

/// What a caller was given.
pub(crate) async fn answer(caller: Caller) -> Result<(Value, Status), Failure> {
    let ended = patiently("an answer", caller).await?;
    Ok(ended.map_err(|panic| Failure::new("an answer", panic))??)
}

/// Waits until so many callers have joined loads that others had begun.
pub(crate) async fn have_joined(cache: &Probe, count: u64) -> Verdict {
    let expected = format!("{count} callers who join a load");
    soon(&expected, || async { Ok(cache.cache().stats().joined >= count) }).await
}

/// All of these were given this value.
async fn all_have(callers: impl IntoIterator<Item = Caller>, expected: &str) -> Verdict {
    for caller in callers {
        same(answer(caller).await?.0, expected.into())?;
    }
    Ok(())
}
