//! Random programs, and the least of them that fails. Seeds that failed are kept, and tried first the next time.

use std::{fmt, fs::OpenOptions, future::Future, io::Write as _};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use crate::{
    context::Context,
    failure::{Failure, Verdict},
};

/// The variable that names the file of seeds: a line for each, the name of what was searched and the seed.
const SEEDS: &str = "LARDER_CONFORMANCE_SEEDS";

/// A program that can be told as code.
pub(crate) trait Program: fmt::Debug + Send + 'static {
    /// The code, a line for each step.
    fn code(&self) -> Vec<String>;
}

/// Tries this many programs of this kind with a new seed, and as many with each seed that has failed before. What fails is
/// shrunk, and told with its seed. Each is played under a name of its own, for what it leaves behind.
pub(crate) async fn search<S, F>(
    t: &Context,
    name: &str,
    rounds: u32,
    programs: impl Fn() -> S + Copy + Send + 'static,
    play: impl Fn(&str, S::Value) -> F,
) -> Verdict
where
    S: Strategy,
    S::Value: Program,
    F: Future<Output = Verdict>,
{
    for seed in kept(name).into_iter().chain([t.seed()]) {
        t.note("// random programs from seed", seed);
        let verdict = with_seed(seed, rounds, programs, &play).await;
        if verdict.is_err() {
            keep(name, seed);
        }
        verdict?;
    }
    Ok(())
}

async fn with_seed<S, F>(
    seed: u64,
    rounds: u32,
    programs: impl Fn() -> S + Send + 'static,
    play: impl Fn(&str, S::Value) -> F,
) -> Verdict
where
    S: Strategy,
    S::Value: Program,
    F: Future<Output = Verdict>,
{
    let (ask, mut asked) = tokio::sync::mpsc::channel::<S::Value>(1);
    let (answer, answered) = std::sync::mpsc::channel::<Result<(), String>>();
    // proptest chooses and shrinks on a thread of its own, since it cannot wait for a future.
    let choosing = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config =
            Config { cases: rounds, max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        runner
            .run(&programs(), |program| {
                let gone = |()| TestCaseError::reject("the case was given up");
                ask.blocking_send(program).map_err(|_| gone(()))?;
                answered.recv().map_err(|_| gone(()))?.map_err(TestCaseError::fail)
            })
            .map_err(|error| match error {
                TestError::Fail(_, least) => Some(least.code()),
                TestError::Abort(_) => None,
            })
    });
    let (mut number, mut worst) = (0, None);
    while let Some(program) = asked.recv().await {
        number += 1;
        let verdict = play(&format!("{seed}-{number}"), program).await;
        let told = verdict.as_ref().map_err(|failure| failure.seen.clone()).copied();
        if let Err(failure) = verdict {
            worst = Some(failure);
        }
        if answer.send(told).is_err() {
            break;
        }
    }
    match (choosing.await, worst) {
        (Ok(Err(Some(code))), Some(worst)) => {
            let seen = format!("{}\nthe least that fails:\n    {}", worst.seen, code.join("\n    "));
            Err(Failure { seen, ..worst })
        }
        (Ok(Ok(())), _) => Ok(()),
        (other, _) => Err(Failure::new("random programs", format_args!("{other:?}"))),
    }
}

/// The seeds of this search that have failed before.
fn kept(name: &str) -> Vec<u64> {
    let Some(file) = std::env::var_os(SEEDS) else { return Vec::new() };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let seeds = text.lines().filter_map(|line| {
        let (of, seed) = line.split_once(' ')?;
        (of == name).then(|| seed.parse().ok())?
    });
    let mut seeds: Vec<u64> = seeds.collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// The failure tells the seed as well, so a file that cannot be written costs only the convenience.
fn keep(name: &str, seed: u64) {
    let Some(file) = std::env::var_os(SEEDS) else { return };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| file.write_all(format!("{name} {seed}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("note: the seed {seed} of {name} could not be kept in {}: {error}", file.display());
    }
}
