//! A store that holds the runtime's threads fails the whole run, with the names of the cases that were running, although
//! every one of them passes: beside others they would make those fail.

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use larder_conformance::{ReferenceBackend, Store, Suite};
use larder_core::{
    Backend as _, Clock, Entry, Result,
    backend::{Forward, SetOptions, Written},
    key::StoreKey,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// Set for the program that this one starts, which is itself: how many milliseconds each write takes.
const HELD: &str = "LARDER_TEST_HELD_MS";

/// Set beside it if that time is spent working.
const BUSY: &str = "LARDER_TEST_BUSY";

/// A store that makes its thread sleep, where it should wait, or work.
#[derive(Debug)]
struct Blocking(ReferenceBackend, fn(Duration), Duration);

#[async_trait]
impl Forward for Blocking {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.0
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.1(self.2);
        self.0.set(key, entry, options).await
    }
}

fn main() -> ExitCode {
    if let Some(held) = env::var(HELD).ok().and_then(|held| held.parse().ok()) {
        let hold = if env::var_os(BUSY).is_some() { work } else { thread::sleep };
        let store = move |clock: Clock| {
            Store::new(Blocking(ReferenceBackend::new(clock), hold, Duration::from_millis(held)))
        };
        return Suite::new("blocking", store).main();
    }
    let trials = vec![
        Trial::test("a_run_that_holds_itself_up_fails", || {
            let (succeeded, told) = run(700, false)?;
            check(!succeeded, "the run fails", &told)?;
            check(told.contains("0 failed"), "every case passes", &told)?;
            check(told.contains("the suite held up its own run"), "it says so", &told)?;
            check(told.contains("writing::delete"), "it names the cases", &told)
        }),
        Trial::test("a_case_that_keeps_its_thread_fails_the_run", || {
            let (succeeded, told) = run(800, true)?;
            check(!succeeded, "the run fails", &told)?;
            check(told.contains("0 failed"), "every case passes", &told)?;
            // It writes several times, and waits for nothing between.
            let named = told.contains("writing::delete_removes_nothing_else kept its thread for ");
            check(named || !cfg!(target_os = "linux"), "it names the case", &told)
        }),
        Trial::test("a_run_that_does_not_passes", || {
            let (succeeded, told) = run(0, false)?;
            check(succeeded, "the run passes", &told)
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A few cases over the store; whether they passed and all that was printed.
fn run(held: u64, busy: bool) -> std::result::Result<(bool, String), Failed> {
    let mut command = Command::new(env::current_exe()?);
    command.env(HELD, held.to_string()).arg("writing::delete");
    if busy {
        command.env(BUSY, "");
    }
    let output = command.output()?;
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Ok((output.status.success(), told))
}

/// Works for this long, whatever else the machine does.
fn work(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {}
}

fn check(holds: bool, expected: &str, told: &str) -> std::result::Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("expected: {expected}\n{told}").into()) }
}
