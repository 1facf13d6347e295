//! Why a request has no reply, for as many callers as are concerned.

use std::{fmt, sync::Arc};

use larder_core::{
    Error, ErrorKind,
    error::{Operation, Origin},
};

/// Why something failed. Cloning shares it. It holds neither credentials nor values.
#[derive(Clone)]
pub struct Failure(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    origin: Origin,
    message: String,
    source: Option<Arc<Error>>,
    fate: Fate,
}

/// What became of the request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was not sent, and will not be: it can be made again whatever it is.
    Unsent,
    /// It may have been sent, and its connection has ended: the server may have done it. What changes nothing can be
    /// asked again over another connection.
    Lost,
    /// The same, because the runtime that served the connection has ended. Another one can serve it at once.
    Abandoned,
    /// It was answered, or there is no use in another attempt.
    Final,
}

impl Failure {
    /// A failure that another attempt does not help.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (origin, message) = (kind.origin(), message.into());
        Self(Arc::new(Inner { kind, origin, message, source: None, fate: Fate::Final }))
    }

    /// The server cannot be reached.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The server sent what its protocol does not allow, or what was not asked for.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// The failure that an error says.
    pub fn from_error(error: &Error) -> Self {
        Self::new(error.kind(), error.message()).with_origin(error.origin())
    }

    /// The same, arisen on this side or the other, where its kind does not say so.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        Arc::make_mut(&mut self.0).origin = origin;
        self
    }

    /// The same with what became of the request.
    pub fn with_fate(mut self, fate: Fate) -> Self {
        if self.0.fate != fate {
            Arc::make_mut(&mut self.0).fate = fate;
        }
        self
    }

    /// The same with the server at which it happened.
    pub fn at(mut self, server: &impl fmt::Display) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.message = format!("{server}: {}", inner.message);
        self
    }

    /// What happened because of this failure: another message, with this one as its source.
    pub fn caused(&self, message: impl Into<String>) -> Self {
        let source = Arc::new(self.during(Operation::Connect));
        let inner = Inner {
            kind: self.0.kind,
            origin: self.0.origin,
            message: message.into(),
            source: Some(source),
            fate: self.0.fate,
        };
        Self(Arc::new(inner))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// On which side.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What became of the request.
    pub fn fate(&self) -> Fate {
        self.0.fate
    }

    /// As the error of an operation.
    pub fn during(&self, operation: Operation) -> Error {
        let error = Error::new(self.0.kind, operation, &*self.0.message).with_origin(self.0.origin);
        match &self.0.source {
            Some(source) => error.with_source(Error::clone(source)),
            None => error,
        }
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.0.kind, it.0.origin, it.0.fate);
        key(self) == key(other) && self.0.message == other.0.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, ": {}", source.message()),
            None => Ok(()),
        }
    }
}

// What caused it is part of its own text.
impl std::error::Error for Failure {}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}, {:?}: {self})", self.0.kind, self.0.fate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_becomes_an_error_with_its_cause() {
        let cause = Failure::new(ErrorKind::Auth, "the password is wrong").at(&"cache:6379");
        let error = cause.caused("there is no connection").during(Operation::Get);
        assert_eq!((error.kind(), error.origin()), (ErrorKind::Auth, Origin::Store));
        assert!(error.chain().to_string().ends_with("the password is wrong"), "{}", error.chain());
        let busy = Failure::new(ErrorKind::Busy, "too many clients").with_origin(Origin::Store);
        assert_eq!(busy.during(Operation::Set).origin(), Origin::Store);
    }
}
