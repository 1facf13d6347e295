//! The project's own tasks, run as `cargo xtask <task>`; without a task, the list of them.
//!
//! A task is a file in `task/` with a `run` function, and a row in [`TASKS`].

mod leftovers;
mod metadata;
mod packages;
mod python;
mod rust;
mod servers;
mod shell;
mod task;

use std::env;
use std::process::ExitCode;

/// What a task comes to: nothing to say, or why it failed.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Task {
    name: &'static str,
    about: &'static str,
    /// Gets the arguments after the task's name.
    run: fn(&[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        about: "all tests, against real servers; further arguments go to the test runner",
        run: task::test::run,
    },
    Task {
        name: "conformance",
        about: "the conformance suite over every store, with a table: --store NAME, --check, --flaky N, --busy N, --mutants, a filter",
        run: task::conformance::run,
    },
    Task {
        name: "stampede",
        about: "many callers on a cold key, and the loads counted: --store NAME, --processes N, --callers N, --kill-leader",
        run: task::stampede::run,
    },
    Task {
        name: "races",
        about: "loads against invalidations, and the stale reads counted: --store NAME, --rounds N, --without-fence, …",
        run: task::races::run,
    },
    Task {
        name: "coherence",
        about: "nodes that keep copies near, frozen and cut off, and the late reads counted: --nodes N, --rounds N, --cut-bus, --without-fence",
        run: task::coherence::run,
    },
    Task {
        name: "simulation",
        about: "up to 1 000 nodes on a simulated store with a bus: --nodes N, --seed N, --measure; --write writes docs/simulation.md",
        run: task::simulation::run,
    },
    Task {
        name: "soak",
        about: "processes on one Redis under random faults, and what grows: --minutes N, --processes N, --seed N",
        run: task::soak::run,
    },
    Task {
        name: "faults",
        about: "every fault on every store, and what callers notice: --store NAME, --fault NAME, --quick, --list; writes docs/faults.md",
        run: task::faults::run,
    },
    Task {
        name: "http-cache-tests",
        about: "the HTTP cache tests of npm against larder-proxy, and what passed by suite: --id PREFIX, --built",
        run: task::http_cache_tests::run,
    },
    Task {
        name: "search-differential",
        about: "the same questions to real search servers, through larder-proxy and straight: --queries N, --server KIND, --seed N, --without-generations, …",
        run: task::search::differential::run,
    },
    Task {
        name: "search-clients",
        about: "client libraries of Elasticsearch, OpenSearch and Solr: the same calls through larder-proxy and straight: --without-generations",
        run: task::search::clients::run,
    },
    Task {
        name: "search-memory",
        about: "what larder-proxy takes for idle connections and for slow uploads: --connections N, --uploads N, --seconds N",
        run: task::search::memory::run,
    },
    Task {
        name: "search-traps",
        about: "traps that searches set for HTTP caches: larder-proxy, nginx and Varnish in front of a real search server",
        run: task::search::traps::run,
    },
    Task {
        name: "cancel",
        about: "reads dropped at random points, and the answers that reached another caller: --store NAME, --gets N",
        run: task::cancel::run,
    },
    Task {
        name: "guard",
        about: "what a call costs in instructions, allocations and clock reads, against committed figures: --renew, --runs N",
        run: task::guard::run,
    },
    Task { name: "loom", about: "loads and writes that meet in every order there is", run: task::loom::run },
    Task {
        name: "bench",
        about: "side by side with the peers, with targets: a row's name, --quick; writes docs/performance.md",
        run: task::bench::run,
    },
    Task {
        name: "lint",
        about: "formatting, Clippy and the documentation, all warnings denied",
        run: task::lint::run,
    },
    Task {
        name: "imports",
        about: "which module uses which, and no circle among them: the folders of crates; all but larder-conformance if none is named",
        run: task::imports::run,
    },
    Task {
        name: "strings",
        about: "every string that a user may see, to be read from top to bottom; --check: only the worst words",
        run: task::strings::run,
    },
    Task {
        name: "features",
        about: "the published crates without features, and with each feature alone",
        run: task::features::run,
    },
    Task {
        name: "deny",
        about: "licences, bans, sources and advisories of dependencies",
        run: task::deny::run,
    },
    Task {
        name: "msrv",
        about: "no dependency of a published crate wants a newer Rust than the crate states",
        run: task::msrv::run,
    },
    Task {
        name: "api",
        about: "what the published crates make public, against docs/api, and whose types it has: --renew",
        run: task::api::run,
    },
    Task {
        name: "minimal",
        about: "the published crates build with the oldest dependencies that they allow",
        run: task::minimal::run,
    },
    Task {
        name: "spelling",
        about: "misspelt words; --write-changes mends what has one correction",
        run: task::spelling::run,
    },
    Task {
        name: "unused",
        about: "dependencies that a manifest names and no code does",
        run: task::unused::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print_help();
        return ExitCode::SUCCESS;
    };
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        print_help();
        let asked_for = ["help", "--help", "-h"].contains(&name.as_str());
        if !asked_for {
            eprintln!("\nxtask: there is no task `{name}`");
        }
        return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("cargo xtask <task>\n");
    for Task { name, about, .. } in TASKS {
        println!("  {name:12} {about}");
    }
}
