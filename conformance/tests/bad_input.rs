//! What an author gets wrong, in the suite's setting up and in the hooks: a clear line, and a failing exit status.

#![allow(clippy::panic, reason = "what an author's hooks do here is panic")]

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use larder_conformance::{ReferenceBackend, Store, Suite};
use larder_core::Clock;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set for the program that this one starts, which is itself: what is wrong.
const WRONG: &str = "LARDER_TEST_WRONG";

/// What is wrong, the arguments of the run, and what it must say. All but the last two fail.
const TRIALS: &[(&str, &[&str], &str)] = &[
    (
        "nothing",
        &["reading::set_then_gte"],
        "no case is named reading::set_then_gte; is reading::set_then_get meant?",
    ),
    ("nothing", &["--exact", "set_then_get"], "no case is named set_then_get"),
    ("nothing", &["--jobs", "none"], "--jobs needs a number from 1 on"),
    (
        "nothing",
        &["--html", "/no/such/folder/page.html", "set_then_get"],
        "/no/such/folder/page.html cannot be written",
    ),
    ("unknown skip", &["set_then_get"], "names ttl::no_such_case, which is no case"),
    ("skip without reason", &["set_then_get"], "skips reading::set_then_get without a reason"),
    ("two of one name", &["set_then_get"], "two stores are named \"store\""),
    ("factory that panics", &["set_then_get"], "the factory panicked: no server at all"),
    ("factory that fails", &["set_then_get"], "the factory failed: port 7 is taken"),
    ("factory that hangs", &["reading::"], "the factory hangs"),
    ("vandal that panics", &["hooks::the_vandal"], "the vandal panicked: read-only file"),
    ("vandal that fails", &["hooks::the_vandal"], "the vandal failed: EACCES"),
    ("vandal that hangs", &["hooks::the_vandals_bytes_reach_the_store"], "the vandal hangs"),
    ("vandal that lies", &["hooks::the_vandal"], "the vandal to put its bytes under the key"),
    ("spy that panics", &["hooks::the_spy"], "the spy panicked: not connected"),
    ("spy that hangs", &["hooks::the_spy_sees_what_was_written"], "the spy hangs"),
    ("spy that lies", &["hooks::the_spy"], "the spy to see"),
    ("peer that panics", &["hooks::the_peer"], "the peer panicked: connection refused"),
    ("peer that fails", &["hooks::the_peer"], "the peer failed: connection refused"),
    ("peer that hangs", &["hooks::the_peer_sees_what_was_written"], "the peer hangs"),
    ("peer of another store", &["hooks::the_peer"], "the peer to see what was written"),
    ("guard that panics", &["set_then_get"], "the drop of the store and its guard panicked: folder is busy"),
    ("clock of its own", &["hooks::the_clock"], "the store to count time by the clock that it is given"),
    ("slow factory", &["--exact", "reading::set_then_get"], "slow: the factory of \"store\" took"),
    ("nothing", &["of_another_binary"], "no case has \"of_another_binary\" in its name"),
];

/// What the last of the trials are: told, and no failure.
const HARMLESS: usize = 2;

fn main() -> ExitCode {
    if let Ok(wrong) = env::var(WRONG) {
        return wrong_run(&wrong);
    }
    let trials = TRIALS.iter().enumerate().map(|(place, (wrong, arguments, told))| {
        let is_harmless = place >= TRIALS.len() - HARMLESS;
        let name = format!("{} {}", wrong, arguments.join(" "));
        Trial::test(name.replace([' ', ':'], "_"), move || check(wrong, arguments, told, is_harmless))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn check(wrong: &str, arguments: &[&str], expected: &str, is_harmless: bool) -> Result<(), Failed> {
    let output = Command::new(env::current_exe()?).env(WRONG, wrong).args(arguments).output()?;
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() != is_harmless {
        return Err(format!("the run ended with {}\n{told}", output.status).into());
    }
    if !told.contains(expected) {
        return Err(format!("expected: {expected}\n{told}").into());
    }
    Ok(())
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        panic!("folder is busy");
    }
}

fn wrong_run(wrong: &str) -> ExitCode {
    let suite = Suite::new("store", |clock| Store::new(ReferenceBackend::new(clock)));
    let with = |make: fn(Clock) -> Store| Suite::new("store", make);
    match wrong {
        "unknown skip" => suite.skip("ttl::no_such_case", "it is not there").main(),
        "skip without reason" => suite.skip("reading::set_then_get", " ").main(),
        "two of one name" => Suite::main_of([suite.clone(), suite]),
        "factory that panics" => with(|_| panic!("no server at {}", "all")).main(),
        "factory that fails" => Suite::new("store", |_| Err::<Store, _>("port 7 is taken")).main(),
        "factory that hangs" => with(|clock| {
            thread::sleep(Duration::from_hours(1));
            Store::new(ReferenceBackend::new(clock))
        })
        .patience(Duration::from_millis(300))
        .main(),
        "slow factory" => Suite::new("store", |clock| {
            thread::sleep(Duration::from_millis(600));
            Store::new(ReferenceBackend::new(clock))
        })
        .main(),
        "guard that panics" => {
            with(|clock| Store::new(ReferenceBackend::new(clock)).with_guard(Guard)).main()
        }
        "clock of its own" => with(|_| Store::new(ReferenceBackend::new(Clock::system()))).main(),
        "vandal that hangs" | "spy that hangs" | "peer that hangs" => {
            hooks(wrong).patience(Duration::from_millis(300)).main()
        }
        _ => hooks(wrong).main(),
    }
}

fn broken(_: &str, _: &[u8]) {
    panic!("read-only file")
}

/// A store with a hook that is wrong in this way. It is shared by name only: what matters is what the hooks do.
fn hooks(wrong: &str) -> Suite {
    let wrong = wrong.to_owned();
    Suite::new("store", move |clock| {
        let store = Store::new(shared::Shared(ReferenceBackend::new(clock)));
        match wrong.as_str() {
            "vandal that panics" => store.with_vandal(broken),
            "vandal that fails" => store.with_vandal(|_, _| Err::<(), _>("EACCES")),
            "vandal that hangs" => store.with_vandal(|_, _| thread::sleep(Duration::from_hours(1))),
            "vandal that lies" => store.with_vandal(|_, _| ()),
            "spy that panics" => store.with_spy(|_| -> Option<Vec<u8>> { panic!("not connected") }),
            "spy that hangs" => store.with_spy(|_| {
                thread::sleep(Duration::from_hours(1));
                None::<Vec<u8>>
            }),
            "spy that lies" => store.with_spy(|_| None::<Vec<u8>>),
            "peer that panics" => store.with_peer(|_| -> ReferenceBackend { panic!("connection refused") }),
            "peer that fails" => {
                store.with_fallible_peer(|_| Err::<ReferenceBackend, _>("connection refused"))
            }
            "peer that hangs" => store.with_peer(|clock| {
                thread::sleep(Duration::from_hours(1));
                shared::Shared(ReferenceBackend::new(clock))
            }),
            "peer of another store" => store.with_peer(|clock| shared::Shared(ReferenceBackend::new(clock))),
            _ => store,
        }
    })
}

mod shared {
    use larder_conformance::ReferenceBackend;
    use larder_core::backend::{Backend as _, Capabilities, Forward, Invalidation};

    /// Says that other processes see it.
    #[derive(Debug)]
    pub(super) struct Shared(pub(super) ReferenceBackend);

    impl Forward for Shared {
        type Inner = ReferenceBackend;

        fn inner(&self) -> &ReferenceBackend {
            &self.0
        }

        fn capabilities(&self) -> Capabilities {
            let mut capabilities = self.0.capabilities();
            capabilities.shared = true;
            capabilities
        }

        fn invalidation(&self) -> Invalidation<'_> {
            Invalidation::There
        }
    }
}
