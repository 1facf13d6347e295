//! A store that holds the runtime's threads fails the whole run, with the names of the cases that were running, although
//! every one of them passes: beside others they would make those fail.

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::Duration,
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

/// A store that makes its thread sleep, where it should wait.
#[derive(Debug)]
struct Blocking(ReferenceBackend, Duration);

#[async_trait]
impl Forward for Blocking {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.0
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        thread::sleep(self.1);
        self.0.set(key, entry, options).await
    }
}

fn main() -> ExitCode {
    if let Some(held) = env::var(HELD).ok().and_then(|held| held.parse().ok()) {
        let store = move |clock: Clock| {
            Store::new(Blocking(ReferenceBackend::new(clock), Duration::from_millis(held)))
        };
        return Suite::new("blocking", store).main();
    }
    let trials = vec![
        Trial::test("a_run_that_holds_itself_up_fails", || {
            let (succeeded, told) = run(700)?;
            check(!succeeded, "the run fails", &told)?;
            check(told.contains("0 failed"), "every case passes", &told)?;
            check(told.contains("the suite held up its own run"), "it says so", &told)?;
            check(told.contains("writing::delete"), "it names the cases", &told)
        }),
        Trial::test("a_run_that_does_not_passes", || {
            let (succeeded, told) = run(0)?;
            check(succeeded, "the run passes", &told)
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A few cases over the store; whether they passed and all that was printed.
fn run(held: u64) -> std::result::Result<(bool, String), Failed> {
    let output =
        Command::new(env::current_exe()?).env(HELD, held.to_string()).arg("writing::delete").output()?;
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Ok((output.status.success(), told))
}

fn check(holds: bool, expected: &str, told: &str) -> std::result::Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("expected: {expected}\n{told}").into()) }
}
