//! A panic in a caller's code (loader, `Serialize`, `Deserialize`, weigher) is an error of that call and of nobody else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
};

/// It panicked. What it said went to the panic hook.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs a future to its end or its panic. One that is given up before is dropped, and its drop may panic as well.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let future = pin!(Some(future));
    let mut held = Held(future);
    std::future::poll_fn(|context| {
        let Some(future) = held.0.as_mut().as_pin_mut() else { return Poll::Ready(Err(Panicked)) };
        // A future that panicked is not polled again, so no broken state of its own is seen.
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// A caller's future, which is dropped before the rest of what surrounds it.
struct Held<'a, F>(Pin<&'a mut Option<F>>);

impl<F> Drop for Held<'_, F> {
    fn drop(&mut self) {
        if caught_now(|| self.0.set(None)).is_err() {
            tracing::error!("what a loader held panicked when it was dropped");
        }
    }
}

/// Calls a function, and says if it panicked.
pub(crate) fn caught_now<R>(function: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|_| Panicked)
}
