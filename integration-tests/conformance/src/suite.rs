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
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder_core::{Clock, Format, codec::Compression};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    case::{Abilities, Case},
    context::{Context, Log, Writing},
    failure::Failure,
    report::{Outcome, Row},
    store::{Store, Time},
};

/// No case takes longer on a store that works: the slowest wait for a server's clock.
const CASE_LIMIT: Duration = Duration::from_secs(60);

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
        let trials = suites.iter().flat_map(|suite| suite.trials(runtime.handle(), several)).collect();
        libtest_mimic::run(&arguments, trials).exit_code()
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
        let store = (self.factory)(clock.clone());
        if let Some(lacking) = case.lacks(&self.abilities(&store)) {
            return Ok(Outcome::Ignored(format!("needs {}", lacking.name())));
        }
        let context = Context::new(store, self.time, clock, unique_namespace(), log.clone())
            .writing(self.writing.clone());
        let verdict = tokio::time::timeout(CASE_LIMIT, (case.run)(&context)).await;
        match verdict {
            Ok(Ok(())) => Ok(Outcome::Passed),
            Ok(Err(failure)) => Err(tell(case, log, &failure)),
            Err(_) => {
                let failure = Failure::new("an end", format_args!("none within {CASE_LIMIT:?}"));
                Err(tell(case, log, &failure))
            }
        }
    }

    fn trials(&self, runtime: &Handle, several: bool) -> Vec<Trial> {
        let mut trials: Vec<Trial> = crate::cases()
            .into_iter()
            .map(|case| {
                let (suite, runtime) = (self.clone(), runtime.clone());
                let name = if several { format!("{}::{}", self.name, case.name()) } else { case.name() };
                Trial::ignorable_test(name, move || suite.trial(&runtime, case))
            })
            .collect();
        let known: Vec<String> = crate::cases().iter().map(Case::name).collect();
        for skipped in self.skipped.keys().filter(|skipped| !known.contains(skipped)) {
            let message = format!("the skip list of \"{}\" names {skipped}, which is no case", self.name);
            trials.push(Trial::test(format!("{}::skip_list", self.name), move || Err(Failed::from(message))));
        }
        trials
    }

    fn trial(&self, runtime: &Handle, case: Case) -> Result<Completion, Failed> {
        let result = runtime.block_on(self.run_apart(case));
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
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("name", &self.name).finish_non_exhaustive()
    }
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
