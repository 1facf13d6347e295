//! Which cases write large values: those that are marked with [`Ability::LargeValues`], and no others, so that a store that has
//! no room for such values runs all that it can.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry,
    backend::{Forward, SetItem, SetOptions, Written},
    envelope::Envelope,
    key::StoreKey,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    Ability, Case, Outcome, ReferenceBackend, Store, Suite, cases, mutants::bytes::with_limit, turns::Turns,
};

/// What the mark promises.
const LARGE: u64 = 64 * 1024;

/// Room for whatever a case writes.
const ROOMY: u64 = 64 * 1024 * 1024;

/// Looks at the size of each envelope that is written, or would be by a store outside this process.
struct Measured {
    inner: Arc<dyn Backend>,
    largest: Arc<AtomicU64>,
}

impl Measured {
    async fn look(&self, key: &StoreKey<'_>, entry: &Entry) {
        if let Ok(envelope) = Envelope::write(key, entry).await {
            self.largest.fetch_max(envelope.to_bytes().len() as u64, SeqCst);
        }
    }
}

#[async_trait]
impl Forward for Measured {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    async fn set(
        &self,
        key: &StoreKey<'_>,
        entry: &Entry,
        options: &SetOptions,
    ) -> larder_core::Result<Written> {
        self.look(key, entry).await;
        self.inner().set(key, entry, options).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<larder_core::Result<Written>> {
        for item in items {
            self.look(&item.key, &item.entry).await;
        }
        self.inner().set_many(items).await
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Measured").field(&self.inner).finish()
    }
}

fn measured(mut store: Store, largest: &Arc<AtomicU64>) -> Store {
    let around = {
        let largest = Arc::clone(largest);
        move |inner| Arc::new(Measured { inner, largest: Arc::clone(&largest) }) as Arc<dyn Backend>
    };
    store.backend = around(store.backend);
    if let Some(peer) = store.peer.take() {
        store.peer = Some(Arc::new(move |clock| peer(clock).map(&around)));
    }
    store
}

fn is_marked(case: &Case) -> bool {
    case.needs.contains(&Ability::LargeValues)
}

/// The size of the largest envelope that the case writes to a store that has room for it; `None` if it cannot run there.
async fn largest_of(case: Case, roomy: fn(&Clock) -> Store) -> Result<Option<u64>, String> {
    let largest = Arc::new(AtomicU64::new(0));
    let its = Arc::clone(&largest);
    let suite = Suite::new("roomy", move |clock: Clock| measured(roomy(&clock), &its));
    match suite.run_apart(case).await {
        Ok(Outcome::Ignored(_)) => Ok(None),
        Ok(_) => Ok(Some(largest.load(SeqCst))),
        Err(told) => Err(format!("{case:?}: {told}")),
    }
}

/// Does this for every case, heavy ones alone.
async fn over_all<T, F>(work: impl Fn(Case) -> F + Send + Sync + 'static) -> Vec<(Case, T)>
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let (work, turns, places) = (Arc::new(work), Arc::new(Turns::default()), Arc::new(Semaphore::new(24)));
    let mut running = JoinSet::new();
    for case in cases() {
        let (work, turns, places) = (Arc::clone(&work), Arc::clone(&turns), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire().await;
            let _turn = turns.turn(case.weight).await;
            (case, work(case).await)
        });
    }
    running.join_all().await
}

/// Cases about the largest value that the store itself names write what is larger than that, whatever it is.
fn is_about_limits(case: &Case) -> bool {
    case.needs.contains(&Ability::KnownLimit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_marked_writes_large_values_and_nothing_else_does() {
    let here: fn(&Clock) -> Store = |clock| Store::new(ReferenceBackend::new(clock.clone()));
    let sizes = over_all(move |case| async move {
        match largest_of(case, |clock| with_limit(clock, ROOMY)).await {
            Ok(None) => largest_of(case, here).await,
            size => size,
        }
    })
    .await;
    let wrong: Vec<String> = sizes
        .into_iter()
        .filter(|(case, _)| !is_about_limits(case))
        .filter_map(|(case, size)| {
            let size = match size {
                Ok(size) => size?,
                Err(told) => return Some(told),
            };
            (is_marked(&case) != (size > LARGE)).then(|| format!("{case:?} writes {size} bytes"))
        })
        .collect();
    assert!(wrong.is_empty(), "the marks are wrong:\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_64_kib_a_value_passes_with_small_values() {
    let suite = Suite::new("small", |clock: Clock| with_limit(&clock, LARGE)).small_values();
    let outcomes = over_all(move |case| {
        let suite = suite.clone();
        async move { suite.run_apart(case).await }
    })
    .await;
    let (mut passed, mut wrong) = (0, Vec::new());
    for (case, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Passed) if is_marked(&case) => wrong.push(format!("{case:?} was run")),
            Ok(Outcome::Passed) => passed += 1,
            Ok(_) => {}
            Err(told) => wrong.push(format!("{case:?}: {told}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(passed > 800, "only {passed} cases passed");
}
