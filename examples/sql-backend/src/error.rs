//! What SQLite says, in Larder's words: callers distinguish the kinds.

use larder_core::error::{Error, ErrorKind, Operation};
use rusqlite::ErrorCode;

/// The error that callers of this operation get.
pub(crate) fn during(operation: Operation, fault: rusqlite::Error) -> Error {
    let kind = match fault.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
        Some(ErrorCode::DiskFull) => ErrorKind::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ErrorKind::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Protocol,
        Some(ErrorCode::TooBig) => ErrorKind::TooLarge,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    };
    Error::new(kind, operation, "the database cannot be used").with_source(fault)
}

/// Every operation after `close`.
pub(crate) fn closed(operation: Operation) -> Error {
    Error::new(ErrorKind::Closed, operation, "the store was closed")
}
