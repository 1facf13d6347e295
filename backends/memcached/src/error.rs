//! Why a connection, or a request on it, failed; and what becomes of it towards the caller.

use std::{fmt, sync::Arc};

use larder_core::{
    Error, ErrorKind,
    error::{Operation, Origin},
};

/// Why something failed, for as many callers as are concerned. It holds neither credentials nor values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: ErrorKind,
    origin: Origin,
    message: Arc<str>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, origin: kind.origin(), message: message.into() }
    }

    pub(crate) fn unavailable(message: impl Into<Arc<str>>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The same as a failure of the server's, where its kind does not say so.
    pub(crate) fn of_the_server(self) -> Self {
        Self { origin: Origin::Store, ..self }
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
        Self { message: format!("{server}: {}", self.message).into(), ..*self }
    }

    /// As the error of an operation.
    pub(crate) fn during(&self, operation: Operation) -> Error {
        Error::new(self.kind, operation, &*self.message).with_origin(self.origin)
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
