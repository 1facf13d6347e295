//! Why a connection, or a request on it, failed; and what becomes of it towards the caller.

use std::{fmt, sync::Arc};

use larder_core::{Error, ErrorKind, error::Operation};

/// Why something failed, for as many callers as are concerned. It holds neither credentials nor values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: Arc<str>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn unavailable(message: impl Into<Arc<str>>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same with the server that it happened at.
    pub(crate) fn at(&self, server: &impl fmt::Display) -> Self {
        Self::new(self.kind, format!("{server}: {}", self.message))
    }

    /// As the error of an operation.
    pub(crate) fn during(&self, operation: Operation) -> Error {
        Error::new(self.kind, operation, &*self.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}: {})", self.kind, self.message)
    }
}
