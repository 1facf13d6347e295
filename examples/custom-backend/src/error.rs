//! What redb says, in Larder's words. Callers tell kinds apart, so a disk that is full must not look like a file
//! that somebody else has open.

use std::io;

use larder_core::error::{Error, ErrorKind, Operation};

/// Any of redb's errors. Boxed: with 160 bytes they would make every result as large.
#[derive(Debug)]
pub(crate) struct Fault(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

impl Fault {
    /// The error that callers of this operation get.
    pub(crate) fn during(self, operation: Operation) -> Error {
        Error::new(self.kind(), operation, "the file cannot be used").with_source(self.0)
    }

    fn kind(&self) -> ErrorKind {
        match &*self.0 {
            redb::Error::Io(error) => kind_of(error.kind()),
            redb::Error::DatabaseAlreadyOpen | redb::Error::PreviousIo => ErrorKind::Unavailable,
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. } => ErrorKind::Protocol,
            redb::Error::ValueTooLarge(_) => ErrorKind::TooLarge,
            _ => ErrorKind::Other,
        }
    }

    /// Whether redb wants the file to be closed and opened again.
    pub(crate) fn is_in_the_way(&self) -> bool {
        matches!(
            *self.0,
            redb::Error::Io(_)
                | redb::Error::PreviousIo
                | redb::Error::Corrupted(_)
                | redb::Error::LockPoisoned(_)
        )
    }
}

fn kind_of(error: io::ErrorKind) -> ErrorKind {
    match error {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        // What redb says of a file that is something else.
        io::ErrorKind::InvalidData => ErrorKind::Protocol,
        _ => ErrorKind::Unavailable,
    }
}
