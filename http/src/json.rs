//! JSON read where it lies: no tree, no copies of what is not needed, no recursion, and strict to the letter of RFC 8259.
//!
//! [`walk`] is the only reader; [`tape`] keeps what it saw, and [`members`] steps through one object or array.

pub(crate) mod lex;
pub(crate) mod members;
pub(crate) mod tape;
pub(crate) mod walk;

use std::fmt;

/// How much of a body is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes. At most 4 GiB - 1 are ever read.
    pub max_bytes: usize,
    /// The deepest nesting; a body that is `{}` has depth 1. At most 1024.
    pub max_depth: usize,
}

impl Default for Limits {
    /// 1 MiB, and 128 levels: more than a query that a search engine accepts needs.
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 128 }
    }
}

/// Why a text was not read as JSON, or has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Longer than the limit, in bytes.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Nested more deeply than the limit.
    TooDeep {
        /// The limit, in levels.
        limit: usize,
    },
    /// Not JSON by RFC 8259: a comment, a trailing comma, `NaN`, bytes that are not UTF-8, something after the value.
    Syntax {
        /// Where, in bytes from the beginning.
        at: usize,
    },
    /// A `\ud800` without its other half: not a string, and servers read it in different ways.
    LoneSurrogate,
    /// An object has a name twice: which of them counts depends on who reads it.
    DuplicateName,
}

impl Fault {
    /// Whether the text was too long or too deep to be read, so that nothing is known of it. All other faults are known to be in
    /// a text that is within the limits.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::TooDeep { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => {
                write!(f, "the JSON text is longer than {limit} bytes; raise max_bytes to read it")
            }
            Self::TooDeep { limit } => {
                write!(f, "the JSON text is nested more than {limit} levels deep; raise max_depth to read it")
            }
            Self::Syntax { at } => write!(f, "not JSON at byte {at}"),
            Self::LoneSurrogate => {
                f.write_str("a string contains half of a surrogate pair; send whole characters")
            }
            Self::DuplicateName => f.write_str("an object contains the same name twice; send it once"),
        }
    }
}

impl std::error::Error for Fault {}
