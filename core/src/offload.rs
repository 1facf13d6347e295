//! Work that takes long, off the threads that serve requests.

use crate::error::{Error, ErrorKind, Operation, Result};

/// Values from this size on, in bytes before compression, are encoded and decoded on a blocking thread.
/// Compressing 64 KiB takes about a millisecond (gzip 6), next to which handing over is cheap.
pub(crate) const HEAVY: usize = 64 * 1024;

/// Whether there is a tokio runtime here, to measure time with and to start tasks on.
#[inline]
pub(crate) fn is_in_runtime() -> bool {
    // In a task it is known without counting a reference to the runtime, which all its threads would write to.
    tokio::task::try_id().is_some() || tokio::runtime::Handle::try_current().is_ok()
}

/// Runs this on tokio's blocking threads. It is not interrupted when the caller goes away.
pub(crate) async fn run<T: Send + 'static>(
    operation: Operation,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => {
            let kind = if failed.is_panic() { ErrorKind::Panicked } else { ErrorKind::Closed };
            Err(Error::new(kind, operation, "the worker thread ended before the value was ready"))
        }
    }
}
