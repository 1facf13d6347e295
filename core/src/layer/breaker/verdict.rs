//! What the outcome of a call says about the server.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Operation, Origin, Result};

use super::settings::Rules;

/// What the outcome of a call says about the server.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It serves: it gave a value, or refused in its own words what was asked.
    Serves,
    /// It fails, at this.
    Fails(Error),
    /// Nothing: it was not asked, or not given the time to answer.
    Unknown,
}

impl Verdict {
    /// What one answer says that took this long, where that was measured.
    pub(super) fn of<T>(result: &Result<T>, took: Option<Duration>, rules: &Rules) -> Self {
        let verdict = match result {
            Ok(_) => Self::Serves,
            Err(error) if error.origin() == Origin::Here => Self::Unknown,
            Err(error) => match error.kind() {
                // The caller's own time was up before the server has had its share of the deadline, or this process did not run
                // when it was time to look for the answer.
                ErrorKind::Timeout if took.is_some_and(|took| took < rules.fair || took >= rules.overslept) => {
                    Self::Unknown
                }
                ErrorKind::Timeout
                | ErrorKind::Unavailable
                | ErrorKind::Protocol
                | ErrorKind::Loading
                // Of the server's side: it has too many clients, or is busy with somebody's script.
                | ErrorKind::Busy => Self::Fails(error.clone()),
                // An answer, if not the one that was wanted: asking again gives the same, and as fast.
                ErrorKind::Auth | ErrorKind::ReadOnly | ErrorKind::Full | ErrorKind::Other => Self::Serves,
                _ => Self::Unknown,
            },
        };
        match (verdict, took.zip(rules.slow)) {
            (Self::Serves, Some((took, slow))) if took > slow && took < rules.overslept => {
                let message = format!("an answer took {took:?}, longer than `slow` ({slow:?})");
                Self::Fails(Error::new(ErrorKind::Timeout, Operation::Get, message))
            }
            (verdict, _) => verdict,
        }
    }

    /// What this answer and others of the same server in one call say together: one failure is one, however many others
    /// succeeded.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (fails @ Self::Fails(_), _) | (_, fails @ Self::Fails(_)) => fails,
            (Self::Serves, _) | (_, Self::Serves) => Self::Serves,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::BreakerSettings, *};

    const DEADLINE: Duration = Duration::from_millis(50);

    fn said(result: &Result<()>, took: Option<u64>, slow: Option<u64>) -> &'static str {
        let settings = BreakerSettings::new().with_slow(slow.map(Duration::from_millis));
        let rules = settings.rules(Some(DEADLINE)).unwrap();
        match Verdict::of(result, took.map(Duration::from_millis), &rules) {
            Verdict::Serves => "serves",
            Verdict::Fails(_) => "fails",
            Verdict::Unknown => "unknown",
        }
    }

    fn error(kind: ErrorKind) -> Result<()> {
        Err(Error::new(kind, Operation::Get, "why"))
    }

    #[test]
    fn only_the_servers_failures_count() {
        use ErrorKind as Kind;
        for kind in [Kind::Timeout, Kind::Unavailable, Kind::Protocol, Kind::Loading] {
            assert_eq!(said(&error(kind), None, None), "fails", "{kind}");
            let ours = error(kind).map_err(|error| error.with_origin(Origin::Here));
            assert_eq!(said(&ours, None, None), "unknown", "{kind}");
        }
        for kind in [Kind::Auth, Kind::ReadOnly, Kind::Full, Kind::Other] {
            assert_eq!(said(&error(kind), None, None), "serves", "{kind}");
        }
        for kind in [
            Kind::Busy,
            Kind::TooLarge,
            Kind::OutOfRange,
            Kind::InvalidKey,
            Kind::Encode,
            Kind::Decode,
            Kind::Unsupported,
            Kind::Config,
            Kind::Load,
            Kind::Panicked,
            Kind::Recursion,
            Kind::Closed,
            Kind::NoRuntime,
        ] {
            assert_eq!(said(&error(kind), None, None), "unknown", "{kind}");
        }
        let busy = error(Kind::Busy).map_err(|error| error.with_origin(Origin::Store));
        assert_eq!(said(&busy, None, None), "fails");
    }

    #[test]
    fn time_counts_where_the_server_has_had_it() {
        let late = error(ErrorKind::Timeout);
        assert_eq!(said(&late, Some(50), None), "fails");
        assert_eq!(said(&late, Some(3), None), "unknown", "the caller's time was up");
        assert_eq!(said(&late, Some(74), None), "fails");
        assert_eq!(said(&late, Some(75), None), "unknown", "this process did not run");
        assert_eq!(said(&Ok(()), Some(75), Some(20)), "serves", "this process did not run");
        assert_eq!(said(&error(ErrorKind::Unavailable), Some(0), None), "fails");
        assert_eq!(said(&Ok(()), Some(21), Some(20)), "fails");
        assert_eq!(said(&Ok(()), Some(20), Some(20)), "serves");
        assert_eq!(said(&error(ErrorKind::Full), Some(30), Some(20)), "fails");
        assert_eq!(said(&error(ErrorKind::TooLarge), Some(30), Some(20)), "unknown");
    }
}
