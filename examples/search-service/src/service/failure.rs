//! Why a request got no answer. A store that is down is no reason.

use std::fmt;

/// Why a request got no answer.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// It asked for something that there is not; the message says what there is.
    Refused(String),
    /// The engine could not do it.
    Engine(String),
}

impl Failure {
    /// A refusal in these words.
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// A failure of the engine.
    pub(crate) fn engine(why: impl fmt::Display) -> Self {
        Self::Engine(why.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Engine(why) => write!(f, "the search engine failed: {why}"),
        }
    }
}

impl std::error::Error for Failure {}
