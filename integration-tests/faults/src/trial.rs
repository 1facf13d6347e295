//! One trial: one fault on one store, from the servers' start to their end.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    fault::{Fault, Serves},
    report::{Report, Task},
    stage::Stage,
    store::Store,
    syns::Syns,
    worker,
};

/// When a worker that says nothing is given up.
const PATIENCE: Duration = Duration::from_secs(90);

/// How many calls a trial makes, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) calls: u64,
    pub(crate) pause: Duration,
    pub(crate) keys: u64,
}

impl Load {
    fn window(self) -> Duration {
        self.pause.saturating_mul(u32::try_from(self.calls).unwrap_or(u32::MAX))
    }
}

/// A trial that has been made.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) fault: &'static Fault,
    pub(crate) store: &'static Store,
    pub(crate) outcome: Result<Measured, String>,
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) report: Report,
    /// Connections that were tried, from the fault's beginning to the end of the trial, if they could be counted.
    pub(crate) connections: Option<u64>,
    /// How long that was.
    pub(crate) span: Duration,
    /// Near copies were before the store.
    pub(crate) is_chain: bool,
    /// How many of the known keys are on servers that nothing was wrong with, and how many there are, if that matters.
    pub(crate) keys_elsewhere: Option<(u64, u64)>,
}

impl Trial {
    /// Makes it. Whatever happens, nothing of it is left afterwards.
    pub(crate) fn make(
        fault: &'static Fault,
        store: &'static Store,
        load: Load,
        syns: Option<&Syns>,
        seed: u64,
    ) -> Self {
        let made = catch_unwind(AssertUnwindSafe(|| make(fault, store, load, syns, seed)));
        let outcome = match made {
            Ok(outcome) => outcome.map_err(|why| why.to_string()),
            Err(panic) => Err(panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "a panic without words".to_owned())),
        };
        Self { fault, store, outcome }
    }
}

fn make(
    fault: &'static Fault,
    store: &'static Store,
    load: Load,
    syns: Option<&Syns>,
    seed: u64,
) -> Outcome<Measured> {
    let stage = Stage::set(store, fault, load.window())?;
    let ports = stage.ports()?;
    let task = Task {
        store: store.name.to_owned(),
        client: stage.client()?,
        work: fault.work,
        from_start: fault.from_start,
        ends: fault.end.is_some(),
        calls: load.calls,
        pause: load.pause,
        keys: load.keys,
        seed,
    };
    if fault.from_start {
        stage.begin();
        (fault.begin)(&stage)?;
    }
    let mut worker = Worker::start(&task)?;
    worker.hear("ready", None)?;
    let keys_elsewhere =
        (fault.serves == Serves::Others).then(|| elsewhere(&stage, load.keys)).transpose()?;
    if !fault.from_start {
        stage.begin();
        (fault.begin)(&stage)?;
    }
    // What the fault itself has connected to is nobody's.
    if let Some(syns) = syns {
        syns.forget();
    }
    let begun = Instant::now();
    worker.tell("begin")?;
    worker.hear("done", fault.again.map(|(every, step)| (every, &stage, step)))?;
    if let Some(end) = fault.end {
        end(&stage)?;
    }
    worker.tell("over")?;
    let report = worker.line(None)?;
    let span = begun.elapsed();
    let connections = syns.map(|syns| syns.count(&ports));
    let report = serde_json::from_str(&report)?;
    Ok(Measured { report, connections, span, is_chain: store.is_chain, keys_elsewhere })
}

/// How many of the known keys are not on the server that something is going to be wrong with. What is there beside keys
/// (versions of the namespace) counts as one, on the safe side.
fn elsewhere(stage: &Stage, keys: u64) -> Outcome<(u64, u64)> {
    Ok((keys.saturating_sub(stage.victim()?.items()?), keys))
}

/// The process that makes the calls. Dropping it ends it.
struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Worker {
    fn start(task: &Task) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(worker::TASK, serde_json::to_string(task)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Where the servers work, too: who looks there for processes that were left behind finds these as well.
        command.current_dir(env::temp_dir());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the worker has no pipes".into());
        };
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more only when the trial is over.
                let _ = told.send(line);
            }
        });
        Ok(Self { child, input, lines })
    }

    fn tell(&mut self, word: &str) -> Outcome {
        Ok(writeln!(self.input, "{word}")?)
    }

    /// Waits for a word, and does this again and again meanwhile.
    fn hear(&mut self, word: &str, meanwhile: Option<Meanwhile<'_>>) -> Outcome {
        let heard = self.line(meanwhile)?;
        if heard == word {
            Ok(())
        } else {
            Err(format!("the worker says {heard} where {word} was due").into())
        }
    }

    fn line(&mut self, meanwhile: Option<Meanwhile<'_>>) -> Outcome<String> {
        let begun = Instant::now();
        let mut next = begun + meanwhile.map_or(PATIENCE, |(every, ..)| every);
        loop {
            match self.lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the worker has ended: {}", self.child.wait()?).into());
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() > PATIENCE => {
                    return Err(format!("the worker has said nothing for {PATIENCE:?}").into());
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((every, stage, step)) = meanwhile {
                        step(stage)?;
                        next = (next + every).max(Instant::now());
                    }
                }
            }
        }
    }
}

/// What is done meanwhile: how often, with what, and what.
type Meanwhile<'a> = (Duration, &'a Stage, fn(&Stage) -> Outcome);

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only if the process has ended and been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
