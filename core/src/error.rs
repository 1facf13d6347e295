//! The one error type. It says what happened ([`ErrorKind`]), during which operation, in which store, and
//! whether trying again can help. It is `Clone`, since one load hands the same error to everybody who waited.

mod kind;

use std::{error::Error as StdError, fmt, sync::Arc};

pub use self::kind::{ErrorKind, ErrorStatus, Operation, Origin};

/// The result of a fallible operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened, where, and whether trying again can help.
///
/// `Display` is one line without secrets and without the cause, which [`source`](StdError::source) has;
/// [`chain`](Self::chain) prints both. Backends must not put
/// URLs with passwords, values or credentials into messages or sources.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Operation,
    origin: Origin,
    store: Option<Arc<str>>,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind during this operation. The message says what happened and, where that is not
    /// obvious, what to do; it starts in lower case and has no full stop.
    pub fn new(kind: ErrorKind, operation: Operation, message: impl Into<String>) -> Self {
        let (origin, message) = (kind.origin(), message.into());
        Self(Arc::new(Inner { kind, operation, origin, store: None, message, source: None }))
    }

    /// Says on which side it arose, where that is not the kind's usual one: a server that has too many clients is
    /// [`Busy`](ErrorKind::Busy) as well.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        Arc::make_mut(&mut self.0).origin = origin;
        self
    }

    /// Adds the cause. It is printed as part of the chain by error reporters, so it must hold no secrets.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::from(source.into()));
        self
    }

    /// Names the store, unless the error already names one.
    pub fn in_store(mut self, store: &Arc<str>) -> Self {
        if self.0.store.is_none() {
            Arc::make_mut(&mut self.0).store = Some(Arc::clone(store));
        }
        self
    }

    /// The same error, seen as part of another operation.
    pub(crate) fn during(mut self, operation: Operation) -> Self {
        Arc::make_mut(&mut self.0).operation = operation;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Whether trying again can help.
    pub fn status(&self) -> ErrorStatus {
        self.0.kind.status()
    }

    /// On which side it arose: an error of the store's side counts against the store.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// The name of the store in the configuration, where one was involved.
    pub fn store(&self) -> Option<&str> {
        self.0.store.as_deref()
    }

    /// The message alone, without kind, operation and store.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The loader's own error, when [`kind`](Self::kind) is [`ErrorKind::Load`] and it was of type `E`, or the first of its
    /// sources that is: so the error of a loader that itself asks a cache is found, too.
    ///
    /// A loader that fails with `anyhow::Error` or `eyre::Report` hides the outermost error behind a type of that crate's
    /// own; what it was made from is found only where it is a source.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # #[derive(Debug)] struct NotInDatabase;
    /// # impl std::fmt::Display for NotInDatabase {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("not there") }
    /// # }
    /// # impl std::error::Error for NotInDatabase {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<String> = Cache::builder(NullBackend::new()).namespace("users").build()?;
    /// let result = cache.get_or_load(&Key::new("user").part(7), || async { Err(NotInDatabase) }).await;
    /// assert!(result.unwrap_err().load_error::<NotInDatabase>().is_some());
    /// # Ok(()) }
    /// ```
    pub fn load_error<E: StdError + 'static>(&self) -> Option<&E> {
        self.sources().find_map(|source| source.downcast_ref::<E>())
    }

    /// The causes, outermost first.
    pub fn sources(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let mut next = StdError::source(self);
        std::iter::from_fn(move || {
            let error = next?;
            next = error.source();
            Some(error)
        })
    }

    /// The error and its causes in one line, for logs that print no chain of their own.
    pub fn chain(&self) -> impl fmt::Display + '_ {
        Chain(self)
    }
}

struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        self.0.sources().try_for_each(|source| write!(f, ": {source}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, store, message, .. } = &*self.0;
        write!(f, "{operation} failed")?;
        if let Some(store) = store {
            write!(f, " in store \"{store}\"")?;
        }
        write!(f, " ({kind}): {message}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, origin, store, message, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("store", store)
            .field("status", &kind.status())
            .field("origin", origin)
            .field("message", message)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_the_chain_adds_the_causes() {
        let error = Error::new(ErrorKind::Unavailable, Operation::Get, "connection refused")
            .with_source("os error 111")
            .in_store(&Arc::from("shared"))
            .in_store(&Arc::from("second name is ignored"));
        assert_eq!(error.to_string(), "get failed in store \"shared\" (unavailable): connection refused");
        assert_eq!(
            error.chain().to_string(),
            "get failed in store \"shared\" (unavailable): connection refused: os error 111"
        );
        assert_eq!(error.status(), ErrorStatus::Temporary);
        assert_eq!(error.clone().store(), Some("shared"));
    }

    #[test]
    fn an_error_is_one_word_wide() {
        // A `Result<Arc<T>, Error>` on the hot path stays as small as the pointer it carries.
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
