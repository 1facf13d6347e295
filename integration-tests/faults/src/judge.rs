//! What a trial must come to.

use std::time::Duration;

use crate::{
    fault::{Effect, Fault, Serves},
    report::{DEADLINE, LOADER},
    trial::Measured,
};

/// What of a call may be neither the store's time nor the loader's.
pub(crate) const SLACK: Duration = Duration::from_millis(5);
/// When the store has to be in use again after the fault.
pub(crate) const BACK: Duration = Duration::from_secs(1);
/// Connections that may be tried in a second, in a process.
pub(crate) const CONNECTIONS: u64 = 5;
/// Lines that may be written to the log in a second.
pub(crate) const LINES: u64 = 1;
/// And these by a breaker that opens and closes.
const LINES_OF_A_BREAKER: u64 = 2;

/// One key in this many may be missed for another reason: a call that a late machine did not let end in time.
const MISSED_BY_CHANCE: u64 = 20;

/// What is not as it must be; and whether the calls were in time only if the machine's lateness is allowed for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) problems: Vec<String>,
    pub(crate) leans_on_machine: bool,
    /// Only the times are wrong, and so are those of the machine.
    pub(crate) proves_nothing: bool,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        self.problems.is_empty()
    }
}

pub(crate) fn judge(fault: &Fault, measured: &Measured) -> Verdict {
    let report = &measured.report;
    let mut problems = Vec::new();
    let bound = DEADLINE + LOADER + SLACK;
    let leans_on_machine = report.p99 > bound && report.p99 <= bound + report.late;
    if report.p99 > bound + report.late {
        problems.push(format!(
            "p99 {} of {} and {} late",
            millis(report.p99),
            millis(bound),
            millis(report.late)
        ));
    }
    for (count, what) in [
        (report.errors, "errors"),
        (report.wrong, "wrong values"),
        (report.stale, "stale values"),
        (report.tasks.too_many(), "tasks left"),
        (report.descriptors.too_many(), "descriptors left"),
    ] {
        if count > 0 {
            problems.push(format!("{count} {what}"));
        }
    }
    let lines = LINES + if measured.is_chain { LINES_OF_A_BREAKER } else { 0 };
    let seconds = measured.span.as_secs_f64().ceil().max(1.0);
    for (count, allowed, what) in [
        (measured.connections.unwrap_or(0), CONNECTIONS, "connections"),
        (report.lines, lines, "lines in the log"),
    ] {
        #[allow(clippy::cast_precision_loss, reason = "both are small")]
        let too_many = count as f64 > allowed as f64 * seconds;
        if too_many {
            problems.push(format!("{count} {what} in {:.1} s", measured.span.as_secs_f64()));
        }
    }
    match report.back {
        _ if fault.end.is_none() => {}
        None => problems.push("not in use again".to_owned()),
        Some(back) if back > BACK => problems.push(format!("in use again after {:.1} s", back.as_secs_f64())),
        Some(_) => {}
    }
    problems.extend(not_served(fault, measured));
    if !shows(fault.effect, measured) {
        problems.push("the fault had no effect: nothing was tried".to_owned());
    }
    let is_late = report.p99 > bound + report.late;
    let proves_nothing = is_late && report.late > SLACK && problems.len() == 1;
    Verdict { problems, leans_on_machine, proves_nothing }
}

fn not_served(fault: &Fault, measured: &Measured) -> Option<String> {
    let report = &measured.report;
    match fault.serves {
        Serves::Nothing => None,
        Serves::Most => {
            let is_most = report.hits * 10 >= report.known * 9;
            (!is_most).then(|| format!("{} of {} calls for known keys were hits", report.hits, report.known))
        }
        Serves::Others => {
            let (wanted, keys) = measured.keys_elsewhere.unwrap_or_default();
            let on_it = keys - wanted;
            if report.keys_hit < wanted {
                return Some(format!("{} of the {wanted} keys on other servers were hit", report.keys_hit));
            }
            (report.keys_missed > on_it + keys / MISSED_BY_CHANCE).then(|| {
                format!("{} keys were missed, and only {on_it} are on that server", report.keys_missed)
            })
        }
    }
}

fn shows(effect: Effect, measured: &Measured) -> bool {
    let report = &measured.report;
    match effect {
        Effect::Nothing => true,
        Effect::Fails => !report.failures.is_empty() || measured.connections.is_some_and(|count| count > 0),
        // Half of the calls do not leave the process.
        Effect::Slows(by) if measured.is_chain => report.p99 >= by,
        Effect::Slows(by) => report.p50 >= by,
        Effect::Misses => report.hits < report.known,
    }
}

/// As people write it.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Left, Report};

    fn killed() -> &'static Fault {
        Fault::named("killed").unwrap()
    }

    /// A trial that holds.
    fn good() -> Measured {
        Measured {
            report: Report {
                calls: 1000,
                p99: Duration::from_millis(64),
                failures: [("unavailable".to_owned(), 700)].into(),
                back: Some(Duration::from_millis(300)),
                lines: 2,
                ..Report::default()
            },
            connections: Some(12),
            span: Duration::from_millis(3500),
            is_chain: false,
            keys_elsewhere: None,
        }
    }

    fn problems(change: impl FnOnce(&mut Measured)) -> Vec<String> {
        let mut measured = good();
        change(&mut measured);
        judge(killed(), &measured).problems
    }

    type Change = fn(&mut Measured);

    #[test]
    fn what_must_be_is_told_from_what_must_not() {
        assert_eq!(judge(killed(), &good()), Verdict::default());
        let left = Left { at_first: 1, before: Some(3), after: 4, at_last: 1 };
        let changes: [(Change, &str); 11] = [
            (|measured| measured.report.p99 = Duration::from_millis(66), "p99 66.0 ms"),
            (|measured| measured.report.errors = 1, "1 errors"),
            (|measured| measured.report.wrong = 1, "1 wrong values"),
            (|measured| measured.report.stale = 2, "2 stale values"),
            (|measured| measured.report.tasks.at_last = 1, "1 tasks left"),
            (|measured| measured.connections = Some(21), "21 connections in 3.5 s"),
            (|measured| measured.report.lines = 5, "5 lines in the log"),
            (|measured| measured.report.back = None, "not in use again"),
            (|measured| measured.report.back = Some(Duration::from_millis(1100)), "in use again after 1.1 s"),
            (|measured| measured.report.failures.clear(), ""),
            (
                |measured| {
                    measured.report.failures.clear();
                    measured.connections = Some(0);
                },
                "nothing was tried",
            ),
        ];
        for (change, expected) in changes {
            let found = problems(change);
            if expected.is_empty() {
                assert_eq!(found, Vec::<String>::new());
            } else {
                assert!(found.len() == 1 && found[0].contains(expected), "{found:?}: {expected}");
            }
        }
        assert_eq!(problems(|measured| measured.report.descriptors = left), ["1 descriptors left"]);
    }

    #[test]
    fn a_late_machine_is_allowed_for_and_said() {
        let mut measured = good();
        measured.report.p99 = Duration::from_millis(70);
        measured.report.late = Duration::from_millis(6);
        assert_eq!(judge(killed(), &measured), Verdict { leans_on_machine: true, ..Verdict::default() });
        measured.report.p99 = Duration::from_millis(72);
        let verdict = judge(killed(), &measured);
        assert!(!verdict.holds() && verdict.proves_nothing);
        // Something else is wrong as well, or the machine was in time.
        measured.report.errors = 1;
        assert!(!judge(killed(), &measured).proves_nothing);
        (measured.report.errors, measured.report.late) = (0, Duration::from_millis(2));
        assert!(!judge(killed(), &measured).proves_nothing);
    }

    #[test]
    fn what_nothing_is_wrong_with_must_be_served() {
        let mut measured = good();
        measured.keys_elsewhere = Some((40, 60));
        (measured.report.keys_hit, measured.report.keys_missed) = (40, 23);
        let fault = Fault::named("one-killed").unwrap();
        assert!(judge(fault, &measured).holds());
        measured.report.keys_hit = 39;
        assert!(!judge(fault, &measured).holds());
        (measured.report.keys_hit, measured.report.keys_missed) = (60, 24);
        assert!(!judge(fault, &measured).holds());

        let fault = Fault::named("none").unwrap();
        (measured.report.known, measured.report.hits) = (100, 90);
        assert!(judge(fault, &measured).holds());
        measured.report.hits = 89;
        assert!(!judge(fault, &measured).holds());
    }
}
