//! Each call of a traced store is one span that says what came of it, and holds no key.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::common::{self, Act, Keys, Local, READS, Remote, WRITES, answer, builder, plain};
use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key, Result, Ttl,
    backend::{CounterOptions, Counters, GetOptions, NullBackend},
    key::{Namespace, StoreKey},
    layer::Trace,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// The spans of a thread, as text, when they have ended.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>, Arc<AtomicU64>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Spans {
    fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        common::on_every_thread();
        let guard = tracing::subscriber::set_default(spans.clone());
        (spans, guard)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "larder::store"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push(text);
        Id::from_u64(self.1.fetch_add(1, Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        // One call at a time here.
        values.record(&mut Fields(self.0.lock().unwrap().last_mut().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn is_one(spans: &Spans, what: &str) {
    let all = spans.take();
    assert_eq!(all, [format!("store store=\"shared\" {what}")]);
}

#[tokio::test(start_paused = true)]
async fn each_call_is_a_span_with_its_outcome() {
    let clock = Clock::manual();
    let remote = Remote::new(&clock);
    let store: Arc<dyn Backend> = Arc::new(Trace::new(Arc::clone(&remote), "shared"));
    // Of whose versions nothing need be asked: what follows is one call each.
    let cache: Cache<u64> = builder(Arc::clone(&store), &clock, plain()).build().unwrap();
    let (secret, other) = (Key::new("hunter2"), Key::new("other"));
    cache.set(&secret, 1).await.unwrap();
    let (spans, _guard) = Spans::collect();

    assert_eq!(common::there(&cache, &secret).await, Some(1));
    is_one(&spans, r#"operation="get" keys=1 outcome="hit""#);
    assert_eq!(common::there(&cache, &other).await, None);
    is_one(&spans, r#"operation="get" keys=1 outcome="miss""#);
    cache.set(&other, 2).await.unwrap();
    is_one(&spans, r#"operation="set" keys=1 outcome="done""#);
    assert!(!cache.add(&other, 3).await.unwrap());
    // And a look at whether what stands in its way is alive.
    let all = spans.take();
    assert_eq!(all[0], r#"store store="shared" operation="set" keys=1 outcome="not_done""#);
    assert_eq!(cache.get_many([&secret, &other]).await.unwrap().len(), 2);
    is_one(&spans, r#"operation="get" keys=2 outcome="done" failed=0"#);
    assert!(cache.delete(&other).await.unwrap());
    is_one(&spans, r#"operation="delete" keys=1 outcome="done""#);
    assert!(!cache.delete(&other).await.unwrap());
    is_one(&spans, r#"operation="delete" keys=1 outcome="not_done""#);

    remote.on(READS, Keys::Any, Act::Fail(ErrorKind::Timeout));
    remote.on(WRITES, Keys::Any, Act::Fail(ErrorKind::Full));
    cache.get(&secret).await.unwrap_err();
    is_one(&spans, r#"operation="get" keys=1 outcome="timeout""#);
    cache.set(&secret, 1).await.unwrap_err();
    is_one(&spans, r#"operation="set" keys=1 outcome="full""#);
    let space = Namespace::new("s", 0).unwrap();
    let keys = [&secret, &other].map(|key| StoreKey::new(&space, key));
    assert!(store.get_many(&keys, &GetOptions::new()).await.iter().all(Result::is_err));
    is_one(&spans, r#"operation="get" keys=2 outcome="timeout" failed=2"#);
}

/// Counts to one, if it may begin.
#[derive(Debug)]
struct Counting(NullBackend);

impl larder_core::backend::Forward for Counting {
    type Inner = NullBackend;

    fn inner(&self) -> &NullBackend {
        &self.0
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

#[async_trait::async_trait]
impl Counters for Counting {
    async fn increment(&self, _: &StoreKey<'_>, _: i64, options: &CounterOptions) -> Result<Option<u64>> {
        Ok(options.initial)
    }
}

/// An ability of a store is traced, and not lost; and not made up.
#[tokio::test]
async fn counting_is_a_call_as_well() {
    assert!(Trace::new(Local::new(&Clock::manual()), "shared").counters().is_none());
    let store = Trace::new(Counting(NullBackend::new()), "shared");
    let counters = store.counters().unwrap();
    let (spans, _guard) = Spans::collect();
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("visits"));
    let key = StoreKey::new(&space, &key).of_counter();
    let options = CounterOptions::new(Ttl::Never);
    assert_eq!(counters.increment(&key, 1, &options).await.unwrap(), None);
    is_one(&spans, r#"operation="increment" keys=1 outcome="not_done""#);
    assert_eq!(counters.increment(&key, 1, &options.with_initial(Some(1))).await.unwrap(), Some(1));
    is_one(&spans, r#"operation="increment" keys=1 outcome="done""#);
}

/// What answers without a future is not held up by spans.
#[tokio::test]
async fn a_hit_in_memory_has_no_span() {
    let clock = Clock::manual();
    let cache: Cache<u64> = builder(Trace::new(Local::new(&clock), "near"), &clock, plain()).build().unwrap();
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    let (spans, _guard) = Spans::collect();
    assert_eq!(common::there(&cache, &key).await, Some(1));
    assert_eq!(common::said(cache.get_or_load(&key, answer(2)).await), Ok(1));
    assert_eq!(spans.take(), [""; 0]);
}
