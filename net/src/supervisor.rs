//! One connection through time: opened at the first request, and opened again whenever it ends, by a task of its own.
//!
//! ```text
//!   idle ── first request ──▶ opening ── opened ──▶ open
//!                               │   ▲                │  ▲
//!                            failed └──── lost ──────┘  │
//!                               ▼                       │
//!                             down ── tried again, opened
//! ```
//!
//! While it is being opened, requests wait, up to `connect_timeout`. While it is down, they fail at once with the reason of
//! the last attempt. A task whose runtime has ended leaves the connection idle; one on a runtime that nobody drives is replaced
//! by the next caller.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    backoff::Backoff,
    dial::Dialer,
    driver::{self, End},
    failure::Failure,
    pace::Pace,
    protocol::Protocol,
    server::{Server, Session},
    shared::Shared,
    stream::Stream,
    told::Told,
};

type Opened<S> = (Stream, Session<<S as Server>::Protocol>);

/// Opens the connection, serves it, and begins again when it is lost.
pub(crate) async fn run<S: Server>(
    server: Arc<S>,
    shared: Arc<Shared<S::Protocol>>,
    pace: Arc<Pace>,
    generation: u64,
) {
    let abandoned = Abandoned { shared, generation };
    let told = Told::new(&abandoned.shared.name, &pace);
    told.beside(connect_and_serve(server, (&abandoned.shared, generation), &pace, &told)).await;
}

async fn connect_and_serve<S: Server>(
    server: Arc<S>,
    (shared, generation): (&Shared<S::Protocol>, u64),
    pace: &Pace,
    told: &Told,
) {
    let mut dialer = Dialer::default();
    let mut backoff = Backoff::default();
    let mut opened: Option<Opened<S>> = None;
    let mut is_first = true;
    loop {
        let session = match opened.take() {
            Some(opened) => Ok(opened),
            None => match until_closed(shared, open(&*server, shared, &mut dialer)).await {
                None => break,
                Some(session) => session,
            },
        };
        let failure = match session {
            Err(failure) => {
                if is_first {
                    pace.first_failed();
                }
                failure
            }
            Ok((stream, session)) => {
                if !shared.enter_open(generation) {
                    break;
                }
                told.connected();
                let begun = Instant::now();
                let successor = successor(&*server, shared, &mut dialer, session.valid_for);
                match driver::drive(shared, (stream, session.protocol), generation, successor).await {
                    End::Retired => break,
                    End::Replaced(next) => {
                        opened = Some(next);
                        continue;
                    }
                    End::Lost(failure) => {
                        backoff.lasted(begun.elapsed());
                        failure
                    }
                }
            }
        };
        is_first = false;
        told.failed(&failure);
        let pause = pace.attempt(backoff.next(failure.kind()));
        if pause.is_zero() {
            // It worked until now: the next attempt may be waited for.
            if !shared.enter_opening(generation) {
                break;
            }
        } else if !shared.enter_down(generation, failure, pause)
            || until_closed(shared, sleep(pause)).await.is_none()
        {
            break;
        }
    }
}

async fn open<S: Server>(
    server: &S,
    shared: &Shared<S::Protocol>,
    dialer: &mut Dialer,
) -> Result<Opened<S>, Failure> {
    let deadline = Instant::now() + shared.limits.connect_timeout;
    let mut stream =
        dialer.open(server.endpoint(), deadline).await.map_err(|failure| failure.at(&shared.name))?;
    match timeout_at(deadline, server.greet(&mut stream)).await {
        Ok(Ok(session)) => Ok((stream, session)),
        Ok(Err(failure)) => Err(failure.at(&shared.name)),
        Err(_) => Err(Failure::unavailable(
            "the server accepted the connection and did not answer within `connect_timeout`",
        )
        .at(&shared.name)),
    }
}

/// The connection that is to follow before the credentials end; never, if they do not.
async fn successor<S: Server>(
    server: &S,
    shared: &Shared<S::Protocol>,
    dialer: &mut Dialer,
    valid_for: Option<Duration>,
) -> Opened<S> {
    let Some(valid_for) = valid_for else { return std::future::pending().await };
    sleep(valid_for / 5 * 4).await;
    let mut backoff = Backoff::default();
    loop {
        match open(server, shared, dialer).await {
            Ok(opened) => return opened,
            Err(failure) => {
                tracing::warn!(server = %shared.name, why = %failure, "cannot renew the credentials; retrying");
                // The old ones may be valid for a while yet; there is no hurry.
                sleep(backoff.next(failure.kind()) + Duration::from_secs(1)).await;
            }
        }
    }
}

/// `None` if the connection is closed first.
async fn until_closed<P: Protocol, T>(shared: &Shared<P>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = shared.closing.notified() => None,
        done = work => Some(done),
    }
}

/// Leaves the connection fit for use when the task behind it ends, however it does: a runtime that shuts down drops its tasks,
/// and the next caller may be in another one.
struct Abandoned<P: Protocol> {
    shared: Arc<Shared<P>>,
    generation: u64,
}

impl<P: Protocol> Drop for Abandoned<P> {
    fn drop(&mut self) {
        self.shared.abandon(self.generation);
    }
}
