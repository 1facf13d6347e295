//! Sending the requests of a log to a cache, each at its time: at once on a clock that is moved, or compressed on a real one.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use larder::{Cache, Clock, Key, Status};
use tokio::{runtime::Runtime, sync::Semaphore};

use crate::{
    exit::Failure,
    plan::{EVERYTHING, Event, Kind, Logs, Timeline},
    screen::warn,
};

/// So many requests are on their way at once.
const IN_FLIGHT: u32 = 512;
/// Values are no larger than this, whatever the log says: a cache takes up to 8 MiB unless configured.
const MAX_VALUE: usize = 1 << 20;

/// The tag that each write ends, and that which only a write to everything ends.
const ANY: &str = "any";
const ALL: &str = "all";

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests that were answered without a load of their own.
    pub(super) saved: u64,
    pub(super) loads: u64,
    pub(super) errors: u64,
    /// By how much the latest request was late.
    pub(super) late_micros: u64,
}

/// How requests are sent.
#[derive(Debug)]
pub(super) struct Drive {
    cache: Cache<String>,
    /// The clock that is moved, or by how much time is compressed.
    time: Time,
    /// Whether entries need to know their path.
    has_writes: bool,
    saved: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Time {
    Moved(Clock),
    Compressed(u32),
}

impl Drive {
    pub(super) fn simulated(cache: Cache<String>, clock: Clock, has_writes: bool) -> Self {
        Self { cache, time: Time::Moved(clock), has_writes, saved: Arc::default() }
    }

    pub(super) fn real(cache: Cache<String>, factor: u32, has_writes: bool) -> Self {
        Self { cache, time: Time::Compressed(factor), has_writes, saved: Arc::default() }
    }

    /// Sends all of them.
    pub(super) fn run(self, logs: &Logs) -> Result<Counts, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        runtime.spawn(clear_when_stopped(self.cache.clone()));
        let mut late = Duration::ZERO;
        let mut timeline = Timeline::default();
        let mut began: Option<(Instant, i64)> = None;
        let mut before = 0;
        logs.each(|batch| {
            for event in &batch.events {
                let (now, _) = timeline.next(event.time);
                let (begin, first) = *began.get_or_insert_with(|| {
                    before = now;
                    (Instant::now(), now)
                });
                match &self.time {
                    Time::Moved(clock) => clock.advance(millis(now - before)),
                    Time::Compressed(factor) => {
                        let due = begin + millis(now - first) / *factor;
                        late = late.max(Instant::now().saturating_duration_since(due));
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                }
                before = now;
                self.send(event, &runtime, &in_flight);
            }
        })?;
        runtime.block_on(async {
            // Whoever has all permits is alone.
            let _ = in_flight.acquire_many(IN_FLIGHT).await;
            // Everything of the replay is dead at once, and gone when its TTL ends.
            let _ = self.cache.clear().await;
        });
        let stats = self.cache.stats();
        Ok(Counts {
            saved: self.saved.load(Relaxed),
            loads: stats.loads,
            errors: stats.errors,
            late_micros: u64::try_from(late.as_micros()).unwrap_or(u64::MAX),
        })
    }

    fn send(&self, event: &Event, runtime: &Runtime, in_flight: &Arc<Semaphore>) {
        let key = Key::new("request").part(event.hash);
        let tag = match event.path {
            EVERYTHING => ANY.to_owned(),
            path => format!("{path:016x}"),
        };
        let (cache, saved, has_writes) = (self.cache.clone(), Arc::clone(&self.saved), self.has_writes);
        let (kind, bytes) = (event.kind, (event.bytes as usize).min(MAX_VALUE));
        let takes = match (&self.time, event.micros) {
            (Time::Compressed(factor), Some(micros)) => Duration::from_micros(micros.into()) / *factor,
            _ => Duration::ZERO,
        };
        let work = async move {
            match kind {
                Kind::Write if has_writes => {
                    // What depends on each write, and what this one is about.
                    let tag = if tag == ANY { ALL } else { &tag };
                    for tag in [ANY, tag] {
                        let _ = cache.invalidate_tag(tag).await;
                    }
                }
                Kind::Read | Kind::ReadOfBody => {
                    let load = move || async move {
                        if !takes.is_zero() {
                            tokio::time::sleep(takes).await;
                        }
                        Ok::<_, Infallible>("x".repeat(bytes))
                    };
                    let call = cache.at(&key);
                    let call = if has_writes { call.tag(tag).tag(ALL) } else { call };
                    if let Ok(value) = call.get_or_load(load).await
                        && matches!(value.status(), Status::Hit | Status::Stale | Status::Joined)
                    {
                        saved.fetch_add(1, Relaxed);
                    }
                }
                Kind::Write | Kind::Other => {}
            }
        };
        match self.time {
            // One after the other: no time passes meanwhile.
            Time::Moved(_) => runtime.block_on(work),
            Time::Compressed(_) => {
                // It is never closed.
                let Ok(permit) = runtime.block_on(Arc::clone(in_flight).acquire_owned()) else { return };
                runtime.spawn(async move {
                    work.await;
                    drop(permit);
                });
            }
        }
    }
}

/// After Ctrl-C everything of the replay is dead at once as well.
async fn clear_when_stopped(cache: Cache<String>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        let _ = cache.clear().await;
        warn("stopped; what was written is invalidated, and gone when its TTL ends");
        std::process::exit(Failure::CODE.into());
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
