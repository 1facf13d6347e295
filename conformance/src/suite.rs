//! The cases over one store.

use std::{
    collections::BTreeMap,
    fmt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use larder_core::{Clock, Format, backend::Bound, codec::Compression};
use tokio::task::JoinSet;

use crate::{
    case::{Abilities, Case},
    context::{Context, Log, Writing},
    failure::Failure,
    hooks::{self, Answer, Trouble},
    patience,
    report::Outcome,
    store::{Store, Time},
    watch::Polls,
};

/// No case takes longer on a store that works: the slowest wait for a server's clock. In turns of the runtime, a minute
/// of them on a quiet machine.
const CASE_LIMIT: u32 = 6000;

/// The same over a mutant, which is in memory.
const HURRIED_LIMIT: u32 = 1000;

/// How many turns a hook may take if nothing else is said: a minute of them on a quiet machine.
pub(crate) const PATIENCE: u32 = 6000;

type Factory = Arc<dyn Fn(Clock) -> Result<Store, String> + Send + Sync>;

/// The suite over one store.
#[derive(Clone)]
#[must_use = "a suite alone does nothing; end with main"]
pub struct Suite {
    pub(crate) name: String,
    factory: Factory,
    time: Time,
    writing: Writing,
    pub(crate) skipped: BTreeMap<String, String>,
    small_values: bool,
    /// Whether nothing is waited for longer than a store in memory takes.
    hurried: bool,
    patience: u32,
    /// Set when the factory hung: it is not asked again, or every case would wait for it.
    hung: Arc<AtomicBool>,
    pub(crate) making: Arc<Making>,
}

/// How long the stores of a run took to make.
#[derive(Debug, Default)]
pub(crate) struct Making {
    micros: AtomicU64,
    stores: AtomicU64,
}

impl Making {
    fn add(&self, time: Duration) {
        self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.stores.fetch_add(1, Ordering::Relaxed);
    }

    /// On average.
    pub(crate) fn mean(&self) -> Duration {
        let stores = self.stores.load(Ordering::Relaxed).max(1);
        Duration::from_micros(self.micros.load(Ordering::Relaxed) / stores)
    }
}

impl Suite {
    /// The suite over the stores that this factory makes, or a `Result` of them: one for each case. The clock is the one
    /// that the store must count time by, unless it says [`Time::Real`].
    pub fn new<R: Answer<Store>>(name: &str, factory: impl Fn(Clock) -> R + Send + Sync + 'static) -> Self {
        Self {
            name: name.to_owned(),
            factory: Arc::new(move |clock| factory(clock).into_answer()),
            time: Time::Injected,
            writing: Writing::default(),
            skipped: BTreeMap::new(),
            small_values: false,
            hurried: false,
            patience: PATIENCE,
            hung: Arc::default(),
            making: Arc::default(),
        }
    }

    /// How time passes for the store. Default: [`Time::Injected`].
    pub fn time(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// The format that the cases' caches write. Default: a cache's own default. A case that is about formats
    /// says so itself.
    pub fn format(mut self, format: impl Format) -> Self {
        self.writing.format = Some(Arc::new(format));
        self
    }

    /// How the cases' caches compress what they write. Default: not. A case that is about compression says so
    /// itself.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.writing.compression = Some(compression);
        self
    }

    /// For a store that has no room for large values: cases that write values above 64 KiB are ignored.
    pub fn small_values(mut self) -> Self {
        self.small_values = true;
        self
    }

    /// For a store that is wrong on purpose: waits for nothing longer than a store in memory takes, and its random programs are
    /// the same each time, so that they find the flaw always or never.
    pub(crate) fn hurried(self) -> Self {
        Self { hurried: true, ..self }
    }

    /// How long the factory, a peer, vandal, spy or guard may take before it counts as hanging, in steps of 10 ms of a
    /// machine that has nothing else to do; longer on one that has. Default: a minute.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = u32::try_from(time.as_millis() / 10).unwrap_or(u32::MAX).max(1);
        self
    }

    /// Leaves a case out, `family::behaviour`, for a reason that is printed with it. A name that no case has, or an empty
    /// reason, fails the run.
    pub fn skip(mut self, case: &str, reason: &str) -> Self {
        self.skipped.insert(case.to_owned(), reason.to_owned());
        self
    }

    /// Runs as a test binary does: arguments, filters and exit code are those of `cargo test`.
    ///
    /// Besides, `--jobs N` says how many cases run at once, and `--html FILE` and `--junit FILE` write the outcome to a
    /// file, as a page and as JUnit XML. A filter that looks like the name of a case (`family::…`) and is none fails the run.
    pub fn main(self) -> ExitCode {
        Self::main_of([self])
    }

    /// The same over several stores; each case is named `store::family::behaviour`.
    pub fn main_of(suites: impl IntoIterator<Item = Self>) -> ExitCode {
        crate::run::main_of(&suites.into_iter().collect::<Vec<_>>())
    }

    /// Runs one case. For suites inside other harnesses:
    ///
    /// ```
    /// # use larder_conformance::{Store, Suite};
    /// # use larder_core::backend::NullBackend;
    /// # #[tokio::main] async fn main() {
    /// let suite = Suite::new("null", |_| Store::new(NullBackend::new()));
    /// for case in larder_conformance::cases() {
    ///     suite.run(&case).await.unwrap();
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// What was promised, done, expected and seen, as text.
    pub async fn run(&self, case: &Case) -> Result<Outcome, String> {
        self.run_logged(case, &Log::default()).await
    }

    /// The same in a task of its own, so that one thread that the store keeps is not the caller's. It ends when this is dropped.
    pub(crate) async fn run_apart(&self, case: Case) -> Result<Outcome, String> {
        self.run_measured(case, &Polls::default()).await
    }

    /// The same, and how long it kept its thread at once.
    pub(crate) async fn run_measured(&self, case: Case, polls: &Polls) -> Result<Outcome, String> {
        let (suite, log) = (self.clone(), Log::default());
        let (its, polls) = (log.clone(), polls.clone());
        let mut alone = JoinSet::new();
        alone.spawn(async move { polls.measure(suite.run_logged(&case, &its)).await });
        match alone.join_next().await {
            Some(Ok(told)) => told,
            Some(Err(panic)) => Err(tell(&case, &log, &panicked(&panic.to_string()))),
            None => unreachable!("one was spawned"),
        }
    }

    async fn run_logged(&self, case: &Case, log: &Log) -> Result<Outcome, String> {
        let name = case.name();
        if let Some(reason) = self.skipped.get(&name) {
            return Ok(Outcome::Ignored(format!("skipped: {reason}")));
        }
        let clock = match self.time {
            Time::Injected => Clock::manual(),
            Time::Real => Clock::system(),
        };
        let store = match self.make(clock.clone()).await {
            Ok(store) => store,
            Err(why) => return Err(tell(case, log, &Failure::new("a store from the suite's factory", why))),
        };
        if let Some(lacking) = case.lacks(&self.abilities(&store)) {
            let reason = Outcome::Ignored(format!("needs {}", lacking.name()));
            return match self.put_away(store).await {
                None => Ok(reason),
                Some(why) => Err(tell(case, log, &Failure::new("a store that can be dropped", why))),
            };
        }
        let trouble = Trouble::default();
        let context = Context::new(store, self.time, clock, unique_namespace(), log.clone())
            .writing(self.writing.clone())
            .watched(self.patience, trouble.clone())
            .seeded(self.hurried.then_some(1));
        let (limit, work) = (if self.hurried { HURRIED_LIMIT } else { CASE_LIMIT }, (case.run)(&context));
        let work = async { if self.hurried { patience::hurried(work).await } else { work.await } };
        let verdict = tokio::select! {
            biased;
            () = trouble.comes() => Ok(()),
            verdict = hooks::caught(work) => {
                verdict.unwrap_or_else(|panic| Err(panicked(&panic)))
            }
            () = patience::ticks(limit) => Err(Failure::new("an end", "a case that hangs")),
        };
        let verdict = match trouble.told() {
            // What the case saw afterwards says nothing about the store.
            Some(what) => Err(Failure::new("hooks that do what is asked of them", what)),
            None => verdict,
        };
        let verdict = match (self.put_away(context).await, verdict) {
            (None, verdict) => verdict,
            (Some(why), Ok(())) => Err(Failure::new("a store and a guard that can be dropped", why)),
            (Some(why), Err(failure)) => {
                Err(Failure { seen: format!("{}\nand afterwards {why}", failure.seen), ..failure })
            }
        };
        verdict.map(|()| Outcome::Passed).map_err(|failure| tell(case, log, &failure))
    }

    /// A store may be a file that is opened, or a server that is started.
    async fn make(&self, clock: Clock) -> Result<Store, String> {
        if self.hung.load(Ordering::Relaxed) {
            return Err("the factory hung in an earlier case, and is not asked again".into());
        }
        let (factory, begun) = (Arc::clone(&self.factory), Instant::now());
        let made = hooks::apart("the factory", self.patience, move || factory(clock)).await;
        self.making.add(begun.elapsed());
        if let Err(why) = &made
            && why.contains("hangs")
        {
            self.hung.store(true, Ordering::Relaxed);
        }
        made
    }

    /// Drops a store and its guard, which may end a server; what went wrong is said.
    async fn put_away<T: Send + 'static>(&self, what: T) -> Option<String> {
        let drop_it = move || {
            drop(what);
            Ok(())
        };
        hooks::apart("the drop of the store and its guard", self.patience, drop_it).await.err()
    }

    fn abilities(&self, store: &Store) -> Abilities {
        Abilities {
            capabilities: store.backend.capabilities(),
            injected_clock: self.time == Time::Injected,
            peer: store.peer.is_some(),
            vandal: store.vandal.is_some(),
            spy: store.spy.is_some(),
            in_process: store.backend.invalidation().here().is_some(),
            counters: store.backend.counters().is_some(),
            large_values: !self.small_values,
            by_entries: store.can_be(Bound::Entries(100)),
            by_bytes: store.can_be(Bound::Bytes(1 << 20)),
            breaker: store.breaker.is_some(),
            bus: store.backend.bus().is_some(),
            chain: store.chain.is_some(),
            failover: store.failover.is_some(),
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("name", &self.name).finish_non_exhaustive()
    }
}

fn panicked(text: &str) -> Failure {
    Failure::new("an answer", format_args!("a panic in the case or the store: {text}"))
}

/// A namespace that no other case has, in this run or an earlier one on the same server.
fn unique_namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("t{:x}-{process:x}-{number:x}", now & 0xffff_ffff_ffff)
}

/// What was promised, done, expected and seen.
fn tell(case: &Case, log: &Log, failure: &Failure) -> String {
    let mut lines = log.lines();
    if lines.is_empty() {
        lines.push("// nothing that is recorded".to_owned());
    }
    let done = lines.join("\n    ");
    format!(
        "promise:  {}\ndone:\n    {done}\nexpected: {}\nseen:     {}\nat {}",
        case.promise, failure.expected, failure.seen, failure.at
    )
}
