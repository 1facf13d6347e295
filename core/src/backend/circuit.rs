//! Circuits: whether the servers of a store are asked at all.

use std::{fmt, time::Duration};

use crate::error::Error;

/// Whether a server is asked, as the [`Breaker`](crate::layer::Breaker) before it says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Circuit {
    /// The server, where a store has several that fail one by one, without credentials.
    pub server: Option<String>,
    /// Whether it is asked.
    pub state: CircuitState,
    /// How long ago it opened; `None` while it is closed.
    pub opened_ago: Option<Duration>,
    /// What the server failed at last, while it is open; and what it had failed at, of one that has just closed.
    pub failure: Option<Error>,
}

impl Circuit {
    /// A closed one.
    pub const fn closed(server: Option<String>) -> Self {
        Self { server, state: CircuitState::Closed, opened_ago: None, failure: None }
    }
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CircuitState {
    /// All calls go through.
    Closed,
    /// One call is trying whether the server is back; the others fail at once.
    HalfOpen,
    /// Calls fail at once.
    Open,
}

impl CircuitState {
    /// The name used in logs and metrics, in `snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
