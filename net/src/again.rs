//! Requests that are made again: when that is harmless, and when it helps.

use std::time::Duration;

use larder_core::ErrorKind;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use crate::{
    failure::{Failure, Fate},
    settings::Limits,
};

/// How often a request is made again that was not sent, or whose runtime has ended. Callers in many short runtimes stop
/// sharing a connection before that.
const AGAIN: usize = 16;

/// Whether a request may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing: it is made once more when its connection has ended before the reply came.
    Harmless,
    /// It may have been done although no reply came, and somebody else may have written since: it is made again only when
    /// it was certainly not sent.
    Never,
}

/// Makes a request, and makes it again where that is allowed and helps. Without `until`, which bounds everything the caller
/// does elsewhere, it takes no longer than opening a connection and `response_timeout` together: a connection may be served by
/// a runtime that nobody drives any more.
///
/// # Errors
/// Those of the last attempt.
pub async fn again<T, F>(
    limits: Limits,
    (repeat, until): (Repeat, Option<Instant>),
    attempt: impl Fn() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    // Outside a runtime there is nothing to measure time with, and nothing is sent either.
    if until.is_none() && Handle::try_current().is_ok() {
        let end = Instant::now() + limits.connect_timeout + limits.response_timeout + Duration::from_secs(1);
        return match Box::pin(timeout_at(end, attempts(repeat, attempt, None))).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(ErrorKind::Timeout, "no answer within `response_timeout`")),
        };
    }
    match attempt().await {
        Err(failure) if failure.fate() != Fate::Final => {
            // Boxed, since it is rare and would make every call's future larger.
            Box::pin(attempts(repeat, attempt, Some(failure))).await
        }
        result => result,
    }
}

/// Attempts, after one that has failed or as the first.
async fn attempts<T, F>(
    repeat: Repeat,
    attempt: impl Fn() -> F,
    mut failed: Option<Failure>,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (mut left, mut losses) = (AGAIN, 1);
    loop {
        let failure = match failed.take() {
            Some(failure) => failure,
            None => match attempt().await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            },
        };
        let repeats = match failure.fate() {
            Fate::Unsent => true,
            Fate::Abandoned => repeat == Repeat::Harmless,
            Fate::Lost if repeat == Repeat::Harmless && losses > 0 => {
                losses -= 1;
                true
            }
            Fate::Lost | Fate::Final => false,
        };
        if !repeats || left == 0 {
            return Err(failure);
        }
        left -= 1;
    }
}
