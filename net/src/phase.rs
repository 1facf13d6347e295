//! The words in which callers and the task behind a connection speak.

use std::task::Waker;

use crate::failure::Failure;

/// How far a connection is.
pub(crate) enum Phase {
    /// Nobody has asked for anything yet, or the runtime that served the connection is gone.
    Idle,
    /// Being opened, for the first time or just after it was lost: requests wait for it.
    Opening,
    /// Serving.
    Open,
    /// The server could not be reached. Requests fail at once, and attempts go on in the background.
    Down(Failure),
    /// Closed by its owner.
    Closed,
}

/// What a driver is to do after its turn.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Go on.
    On,
    /// Take nothing further, and end when everything is answered.
    Last,
    /// End at once.
    GiveUp(Failure),
}

/// Who is to be woken or started after something was put into the outbox.
pub(crate) enum Wake {
    Nobody,
    Driver(Waker),
    /// A new task, which serves the connection as this generation.
    Start(u64),
}

/// What a look into the outbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// There is something to send.
    Some,
    /// There is something, and more is about to come.
    Later,
    /// There is nothing, or nothing is taken for now.
    None,
}
