//! Running the cases over a store.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use larder_core::{Clock, Format, backend::Bound, codec::Compression};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    blocking::apart,
    case::{Abilities, Case, Weight},
    context::{Context, Log, Writing},
    failure::Failure,
    patience,
    report::{Outcome, Row},
    store::{Store, Time},
    turns::Turns,
    watch::{Running, Stall, Watch},
};

/// No case takes longer on a store that works: the slowest wait for a server's clock. In turns of the runtime, a minute
/// of them on a quiet machine.
const CASE_LIMIT: u32 = 6000;

/// How many cases run at once when nothing else is said. Most of them wait: for a server, for its clock.
const SIDE_BY_SIDE: usize = 24;

/// Where rows are written to, if this variable names a file.
const REPORT: &str = "LARDER_CONFORMANCE_REPORT";

type Factory = Arc<dyn Fn(Clock) -> Store + Send + Sync>;

/// The suite over one store.
#[derive(Clone)]
pub struct Suite {
    name: String,
    factory: Factory,
    time: Time,
    writing: Writing,
    skipped: BTreeMap<String, String>,
}

impl Suite {
    /// The suite over the stores that this factory makes: one for each case. The clock is the one that the store
    /// must count time by, unless it says [`Time::Real`].
    pub fn new(name: &str, factory: impl Fn(Clock) -> Store + Send + Sync + 'static) -> Self {
        Self {
            name: name.to_owned(),
            factory: Arc::new(factory),
            time: Time::Injected,
            writing: Writing::default(),
            skipped: BTreeMap::new(),
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

    /// Leaves a case out, `family::behaviour`, for a reason that is printed with it. A name that no case has
    /// fails the run.
    pub fn skip(mut self, case: &str, reason: &str) -> Self {
        self.skipped.insert(case.to_owned(), reason.to_owned());
        self
    }

    /// Runs as a test binary does: arguments, filters and exit code are those of `cargo test`.
    pub fn main(self) -> ExitCode {
        Self::main_of([self])
    }

    /// The same over several stores; each case is named `store::family::behaviour`.
    pub fn main_of(suites: impl IntoIterator<Item = Self>) -> ExitCode {
        let suites: Vec<Self> = suites.into_iter().collect();
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("no runtime could be started: {error}");
                return ExitCode::FAILURE;
            }
        };
        let several = suites.len() > 1;
        let run =
            Run { runtime: runtime.handle().clone(), turns: Arc::default(), running: Running::default() };
        let mut trials: Vec<_> = suites.iter().flat_map(|suite| suite.trials(&run, several)).collect();
        // They are begun in this order, and those that run alone hold up the others.
        trials.sort_by_key(|(weight, _)| *weight);
        let watch = Watch::begin(runtime.handle(), run.running);
        let conclusion = libtest_mimic::run(&arguments, trials.into_iter().map(|(_, trial)| trial).collect());
        let stalls = watch.end();
        stalls.iter().for_each(complain);
        if stalls.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE }
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

    /// The same in a task of its own, so that a panic is told like any other failure.
    pub(crate) async fn run_apart(&self, case: Case) -> Result<Outcome, String> {
        let (suite, log) = (self.clone(), Log::default());
        let its = log.clone();
        let running = tokio::spawn(async move { suite.run_logged(&case, &its).await });
        running.await.unwrap_or_else(|panic| {
            let failure =
                Failure::new("an answer", format_args!("a panic in the case or the store: {panic}"));
            Err(tell(&case, &log, &failure))
        })
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
        let (factory, of_the_store) = (Arc::clone(&self.factory), clock.clone());
        // A store may be a file that is opened, or a server that is started, and goes as it came.
        let store = apart(move || factory(of_the_store)).await;
        if let Some(lacking) = case.lacks(&self.abilities(&store)) {
            apart(move || drop(store)).await;
            return Ok(Outcome::Ignored(format!("needs {}", lacking.name())));
        }
        let context = Context::new(store, self.time, clock, unique_namespace(), log.clone())
            .writing(self.writing.clone());
        let verdict = tokio::select! {
            biased;
            verdict = (case.run)(&context) => verdict,
            () = patience::turns(CASE_LIMIT) => Err(Failure::new("an end", "a case that hangs")),
        };
        apart(move || drop(context)).await;
        verdict.map(|()| Outcome::Passed).map_err(|failure| tell(case, log, &failure))
    }

    fn trials(&self, run: &Run, several: bool) -> Vec<(Weight, Trial)> {
        let mut trials: Vec<_> = crate::cases()
            .into_iter()
            .map(|case| {
                let (suite, run) = (self.clone(), run.clone());
                let name = if several { format!("{}::{}", self.name, case.name()) } else { case.name() };
                let named = name.clone();
                (case.weight, Trial::ignorable_test(name, move || suite.trial(&run, named, case)))
            })
            .collect();
        let known: Vec<String> = crate::cases().iter().map(Case::name).collect();
        for skipped in self.skipped.keys().filter(|skipped| !known.contains(skipped)) {
            let message = format!("the skip list of \"{}\" names {skipped}, which is no case", self.name);
            let trial = Trial::test(format!("{}::skip_list", self.name), move || Err(Failed::from(message)));
            trials.push((Weight::Light, trial));
        }
        trials
    }

    fn trial(&self, run: &Run, name: String, case: Case) -> Result<Completion, Failed> {
        let result = run.runtime.block_on(async {
            let _turn = run.turns.turn(case.weight).await;
            let _running = run.running.begin(name);
            self.run_apart(case).await
        });
        let outcome = result.clone().unwrap_or(Outcome::Failed);
        if let Some(path) = std::env::var_os(REPORT) {
            let row = Row {
                store: self.name.clone(),
                family: case.family.into(),
                behaviour: case.behaviour.into(),
                outcome,
            };
            row.append_to(&PathBuf::from(path))?;
        }
        match result? {
            Outcome::Ignored(reason) => Ok(Completion::ignored_with(reason)),
            _ => Ok(Completion::Completed),
        }
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
            by_entries: store.can_be(Bound::Entries(100)),
            by_bytes: store.can_be(Bound::Bytes(1 << 20)),
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the cases of one run share.
#[derive(Clone)]
struct Run {
    runtime: Handle,
    turns: Arc<Turns>,
    running: Running,
}

fn complain(stall: &Stall) {
    eprintln!("the suite held up its own run, and what its cases saw says nothing: {stall}");
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
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
