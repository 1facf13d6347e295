//! The same run again and again, beside a machine that has other things to do if that is asked for: a suite that fails once
//! in twenty runs is no better than one that fails always.

use std::collections::BTreeMap;
use std::hint;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::built::Programs;
use crate::Outcome;

/// Threads that do nothing but keep processors busy, until this is dropped.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn begin(threads: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let spin = |over: Arc<AtomicBool>| {
            move || {
                while !over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            }
        };
        let threads = (0..threads).map(|_| thread::spawn(spin(Arc::clone(&over)))).collect();
        Self { over, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}

/// What the runs came to so far.
#[derive(Debug, Default)]
struct Tally {
    runs: u32,
    /// Runs that failed, by a case or as a whole.
    failed: u32,
    /// How often each case failed.
    cases: BTreeMap<String, u32>,
    times: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, failed: &[String], is_whole: bool, time: Duration) {
        self.runs += 1;
        self.failed += u32::from(!failed.is_empty() || !is_whole);
        for case in failed {
            *self.cases.entry(case.clone()).or_default() += 1;
        }
        self.times.push(time);
    }

    /// The line that everything ends with.
    fn summary(&self, busy: usize) -> String {
        let beside = if busy > 0 { format!(" beside {busy} busy threads") } else { String::new() };
        let (Self { runs, failed, .. }, cases) = (self, self.cases.values().sum::<u32>());
        let seconds = |time: Option<&Duration>| time.map_or(0, Duration::as_secs);
        let (least, most) = (seconds(self.times.iter().min()), seconds(self.times.iter().max()));
        format!("{runs} runs{beside}, {least} to {most} s each: {failed} failed, {cases} failed cases")
    }
}

/// Runs what is asked for as often as is asked for. Whether all of it passed.
pub(super) fn run(asked: &Asked, runs: u32, scratch: &Path) -> Outcome<bool> {
    let programs = Programs::build()?;
    let _load = Load::begin(asked.busy);
    let mut tally = Tally::default();
    for number in 1..=runs {
        let (begun, folder) = (Instant::now(), scratch.join(number.to_string()));
        std::fs::create_dir(&folder)?;
        let (report, is_whole) = super::collect(&programs, asked, &folder)?;
        let (counts, failed) = (report.counts(), report.failed());
        tally.add(&failed, is_whole, begun.elapsed());
        println!("run {number} of {runs}: {counts}, {} s", begun.elapsed().as_secs());
    }
    for (case, times) in &tally.cases {
        println!("{case} failed in {times} of {runs} runs");
    }
    println!("{}", tally.summary(asked.busy));
    Ok(tally.failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_failed_cases_are_counted() {
        let mut tally = Tally::default();
        tally.add(&[], true, Duration::from_secs(40));
        tally.add(&["a::b".into(), "a::c".into()], true, Duration::from_secs(44));
        tally.add(&["a::b".into()], true, Duration::from_secs(41));
        assert_eq!(tally.summary(0), "3 runs, 40 to 44 s each: 2 failed, 3 failed cases");
        assert_eq!(tally.cases["a::b"], 2);
        // As when the suite held up its own run.
        tally.add(&[], false, Duration::from_secs(50));
        assert_eq!(
            tally.summary(2),
            "4 runs beside 2 busy threads, 40 to 50 s each: 3 failed, 3 failed cases"
        );
    }

    #[test]
    fn load_ends() {
        drop(Load::begin(2));
    }
}
