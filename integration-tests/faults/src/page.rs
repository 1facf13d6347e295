//! `docs/faults.md`.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    Outcome, fault,
    faults::count,
    judge::{BACK, CONNECTIONS, LINES, SLACK, Verdict, millis},
    report::{DEADLINE, LOADER},
    table,
    trial::{Load, Trial},
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");

/// Writes the page.
pub(crate) fn write(trials: &[(Trial, Verdict)], load: Load) -> Outcome {
    Ok(fs::write(Path::new(FILE), page(trials, load)?)?)
}

fn page(trials: &[(Trial, Verdict)], load: Load) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let (held, short) = count(trials);
    let bound = millis(DEADLINE + LOADER + SLACK);
    write!(
        page,
        "# Faults

<!-- Written by `cargo xtask faults`. A change by hand is lost. -->

What callers of `get_or_load` notice when a store's servers, the network or the machine fail, measured on real servers.
**{held} held, {short} fell short.**

```
cargo xtask faults                                   # everything, and this page; some fifteen minutes
cargo xtask faults --store ring --fault one-killed   # one fault on one store
cargo xtask faults --quick                           # a minute: fewer calls, and of each kind what has found most
cargo xtask faults --list                            # what there is
```

## What must hold
One trial is one fault on one store. {keys} keys are loaded; then the fault begins, and {calls} calls are made, one every {pause}, three
in four of them for those keys and the others for new keys. Then the fault ends. The deadline is {deadline} and a loader
takes {loader}.

- **The loader's value, in time**: of the calls, 99 in 100 take at most deadline, loader and {slack}: {bound}.
- **0 errors, 0 wrong values, 0 stale ones**: each value names its key and its version, and is checked.
- **Nothing is left**: tasks of the runtime and open descriptors are as many as before, with the store in use and when it was closed.
- **No storm**: at most {CONNECTIONS} connections a second are tried in the process, refused ones included, and at most {LINES} line a second is
  written to the log at `INFO` or above.
- **In use again** within {back} after the fault has ended: 24 known keys are all hits.
- **Of use meanwhile** where it can be: if one server of three fails, every known key of the other two is a hit at least
  once, and hardly any of them is ever missed; where replies are only late, or nothing is wrong, nine calls in ten for known keys are hits.
- **An effect**: a trial in which nothing fails, slows down or is missed has tried nothing, and falls short.

### A late call and a late machine
Beside each call runs what it would be if nothing but timers took time: one of the deadline's length, and then a task with one of
the loader's. What 99 in 100 of these are late by is in the column `late`; on an idle machine that is up to 4 ms, since timers have a
resolution of a millisecond. It is not subtracted from anything. A trial whose calls are over the bound by no more than that has held \"on a late machine\", and says so. One that
is over by more has fallen short; but if that is all that is wrong with it, and timers were late by more than {slack}, it proves
nothing, and is made again, up to twice.

### Columns
`p50`, `p99`: times of calls during the fault. `failures`: how often the store failed, by kind, as the cache's listener sees it;
\"(here)\" where an error of a kind that usually comes from the store says that it comes from this process, and \"(there)\" the
reverse. `back`: from the end of the fault until 24 known keys were all hits again. `connections`, `lines`: from the beginning of
the fault to the end of the trial. `hits`: of the calls for known keys during the fault.

## Outcome
",
        keys = load.keys,
        calls = load.calls,
        pause = millis(load.pause),
        deadline = millis(DEADLINE),
        loader = millis(LOADER),
        slack = millis(SLACK),
        back = millis(BACK),
    )?;
    writeln!(page, "| {} | |", table::HEAD.join(" | "))?;
    writeln!(page, "|---|---|---:|---:|---:|---|---:|---:|---:|---:|---|")?;
    for (trial, verdict) in trials {
        let outcome = match (&trial.outcome, verdict.holds()) {
            (_, true) if verdict.leans_on_machine => "held, on a late machine".to_owned(),
            (_, true) => "held".to_owned(),
            (_, false) => format!("**{}**", table::outcome(trial, verdict)),
        };
        writeln!(page, "| {} | {outcome} |", table::cells(trial).join(" | "))?;
    }
    writeln!(page, "\n## The faults")?;
    writeln!(page, "| fault | what happens |\n|---|---|")?;
    for fault in fault::all() {
        writeln!(page, "| `{}` | {} |", fault.name, fault.about)?;
    }
    Ok(page)
}
