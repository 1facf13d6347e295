//! When the program has to end: signals.

use tokio::signal;

/// Until Ctrl-C or `SIGTERM`.
#[cfg(unix)]
pub(crate) async fn asked_for() {
    let Ok(mut terminated) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
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
pub(crate) async fn asked_for() {
    interrupted().await;
}

async fn interrupted() {
    if signal::ctrl_c().await.is_err() {
        // It cannot be heard: the program ends as programs do that do not listen for it.
        std::future::pending::<()>().await;
    }
}
