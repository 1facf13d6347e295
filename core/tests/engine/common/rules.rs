//! Which operations of a store are held up, and how.

use std::time::Duration;

use larder_core::{Error, ErrorKind, error::Operation};

use super::Gate;

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Get,
    GetMany,
    Set,
    SetMany,
    Touch,
    TouchMany,
    Delete,
    DeleteMany,
}

pub const READS: &[Op] = &[Op::Get, Op::GetMany];
pub const WRITES: &[Op] = &[Op::Set, Op::SetMany, Op::Touch, Op::TouchMany, Op::Delete, Op::DeleteMany];

impl Op {
    pub fn operation(self) -> Operation {
        match self {
            Self::Get | Self::GetMany => Operation::Get,
            Self::Set | Self::SetMany => Operation::Set,
            Self::Touch | Self::TouchMany => Operation::Touch,
            Self::Delete | Self::DeleteMany => Operation::Delete,
        }
    }
}

/// Which keys are meant. An operation on several is meant if one of its keys is.
#[derive(Debug, Clone, Copy)]
pub enum Keys {
    Any,
    /// The versions of tags and namespaces.
    Versions,
    /// Everything else.
    Values,
    /// Those whose text contains this.
    With(&'static str),
}

impl Keys {
    pub fn are_meant(self, keys: &[String]) -> bool {
        keys.iter().any(|key| match self {
            Self::Any => true,
            Self::Versions => key.contains("!v"),
            Self::Values => !key.contains("!v"),
            Self::With(text) => key.contains(text),
        })
    }
}

/// What happens to an operation.
#[derive(Clone)]
pub enum Act {
    /// It is done so much later.
    Delay(Duration),
    /// It is never done.
    Hang,
    /// It is not done, and fails.
    Fail(ErrorKind),
    /// It is done when the gate opens.
    Hold(Gate),
    /// It is done, and answered when the gate opens.
    HoldAnswer(Gate),
    /// It is done, and the answer is lost.
    LoseAnswer,
}

/// One rule.
pub struct Rule {
    pub ops: &'static [Op],
    pub keys: Keys,
    pub act: Act,
}

/// What a store that fails says.
pub fn failure(op: Op, kind: ErrorKind) -> Error {
    Error::new(kind, op.operation(), "the test says so")
}
