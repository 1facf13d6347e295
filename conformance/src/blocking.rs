//! Work that keeps its thread: servers that are started, files that are opened and removed, texts of many megabytes. On the
//! threads that run the cases it would hold up all of them.

/// Does this on a thread of its own. What panics there panics here.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Such work is cancelled only when its runtime ends, and then nobody waits for it.
            Err(_) => std::future::pending().await,
        },
    }
}
