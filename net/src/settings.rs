//! What is configured about connections, whatever they lead to, and its checks. Nothing here connects.

use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, error::Operation, settings::Span};

/// What one connection answers in some 50 ms: a request behind more than this would wait for nothing.
pub const MAX_IN_FLIGHT: usize = 16_384;
/// More connections than this to one server are an error: each one makes it slower.
pub const MAX_CONNECTIONS: usize = 64;

/// The bounds of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long opening a connection may take: looking up the name, connecting, TLS and logging in together.
    pub connect_timeout: Duration,
    /// How long the oldest request may go unanswered before the connection is given up.
    pub response_timeout: Duration,
    /// How many requests may wait for replies on one connection.
    pub max_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: default_connect_timeout().get(),
            response_timeout: default_response_timeout().get(),
            max_in_flight: MAX_IN_FLIGHT,
        }
    }
}

impl Limits {
    /// Checks what a configuration says.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the setting's name.
    pub fn check(connect_timeout: Span, response_timeout: Span, max_in_flight: usize) -> Result<Self> {
        for (name, span) in [("connect_timeout", connect_timeout), ("response_timeout", response_timeout)] {
            if span.get().is_zero() {
                return Err(wrong(name, "must be greater than zero"));
            }
        }
        if max_in_flight == 0 {
            return Err(wrong("max_in_flight", "must be at least 1; zero would refuse every call"));
        }
        Ok(Self {
            connect_timeout: connect_timeout.get(),
            response_timeout: response_timeout.get(),
            max_in_flight,
        })
    }
}

/// Checks the number of connections to one server.
///
/// # Errors
/// [`ErrorKind::Config`] with the setting's name.
pub fn check_connections(connections: usize) -> Result<()> {
    if (1..=MAX_CONNECTIONS).contains(&connections) {
        return Ok(());
    }
    Err(wrong("connections", &format!("found {connections}, expected 1 to {MAX_CONNECTIONS}")))
}

/// The default of `connect_timeout`: 500 ms.
pub fn default_connect_timeout() -> Span {
    Span(Duration::from_millis(500))
}

/// The default of `response_timeout`: 2 s.
pub fn default_response_timeout() -> Span {
    Span(Duration::from_secs(2))
}

/// The default of `max_in_flight`: 16 384 requests.
pub fn default_max_in_flight() -> usize {
    MAX_IN_FLIGHT
}

/// The default of `connections`: one.
pub fn default_connections() -> usize {
    1
}

/// The error of a setting: its name, and what is wrong with it. Never its value if that may be a secret.
pub fn wrong(setting: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, Operation::Build, format!("`{setting}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_names_the_setting() {
        let second = Span(Duration::from_secs(1));
        let zero = Span(Duration::ZERO);
        for (limits, setting) in [
            (Limits::check(zero, second, 1), "`connect_timeout`"),
            (Limits::check(second, zero, 1), "`response_timeout`"),
            (Limits::check(second, second, 0), "`max_in_flight`"),
        ] {
            assert!(limits.unwrap_err().message().starts_with(setting));
        }
        assert!(Limits::check(second, second, 1).is_ok());
        for (connections, fits) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(check_connections(connections).is_ok(), fits, "{connections}");
        }
    }
}
