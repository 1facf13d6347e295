//! Serving until somebody says that it is enough, and then ending in good order.

use std::{io, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, signal, sync::oneshot, time};

/// How long requests that are under way may still take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until Ctrl-C or `SIGTERM`. Requests that are under way are answered; nobody waits for longer than five
/// seconds for a client that does not go.
pub(crate) async fn serve(listener: TcpListener, routes: Router) -> io::Result<()> {
    let (told, asked) = oneshot::channel();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async {
        asked_to_end().await;
        // The other end is only gone when the program is.
        let _ = told.send(());
    });
    let serving = async { serving.await };
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        _ = asked => {}
    }
    eprintln!("ending");
    time::timeout(PATIENCE, serving).await.unwrap_or(Ok(()))
}

#[cfg(unix)]
async fn asked_to_end() {
    let Ok(mut terminated) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
        // Ctrl-C alone, then.
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminated.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    interrupted().await;
}

async fn interrupted() {
    if signal::ctrl_c().await.is_err() {
        // It cannot be heard: the program ends as programs do that do not listen for it.
        std::future::pending::<()>().await;
    }
}
