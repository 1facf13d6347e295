//! Tasks of the runtime, all of one type: a hundred and fifty different ones would have a hundred and fifty copies of the
//! runtime's machinery for tasks, a quarter of all that was compiled for the suite.

use std::pin::Pin;

use tokio::task::JoinHandle;

/// Begins a task.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
    tokio::spawn(work)
}
