//! Signals: when the program has to end, and when it has to read its configuration again.

use std::sync::Arc;

use tokio::signal;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// What a signal does.
type Reload<E> = dyn Fn() -> Result<(), E> + Send + Sync;

/// Until Ctrl-C or `SIGTERM`.
#[cfg(unix)]
pub(crate) async fn end() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        // Ctrl-C alone, then.
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminated.recv() => {}
    }
}

/// Until Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn end() {
    interrupted().await;
}

/// Reloads with each `SIGHUP`, from now on and for ever.
#[cfg(unix)]
pub(crate) fn reload_on_hangup(reload: Arc<Reload<String>>) {
    let Ok(mut hung_up) = signal(SignalKind::hangup()) else { return };
    tokio::spawn(async move {
        while hung_up.recv().await.is_some() {
            let reload = Arc::clone(&reload);
            // It reads files. What it finds wrong it has logged.
            let _ = tokio::task::spawn_blocking(move || reload()).await;
        }
    });
}

/// There is no such signal.
#[cfg(not(unix))]
pub(crate) fn reload_on_hangup(_: Arc<Reload<String>>) {}

async fn interrupted() {
    if signal::ctrl_c().await.is_err() {
        // It cannot be heard: the program ends as programs do that do not listen for it.
        std::future::pending::<()>().await;
    }
}
