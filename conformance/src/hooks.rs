//! The author's own code that the suite calls: the factory of stores, peer, vandal, spy and guard. Whatever goes wrong in it
//! is the failure of the case that called it, in its own words, and not of the promise that the case is about.

use std::{
    any::Any,
    fmt,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::Poll,
};

use tokio::sync::Notify;

use crate::patience;

/// What a hook may return: what is asked of it, or a `Result` with it whose error is printed.
pub trait Answer<T>: Send + 'static {
    /// The answer, or what went wrong as text.
    ///
    /// # Errors
    /// The error of the hook, as it displays itself.
    fn into_answer(self) -> Result<T, String>;
}

impl<T: Send + 'static> Answer<T> for T {
    fn into_answer(self) -> Result<T, String> {
        Ok(self)
    }
}

impl<T: Send + 'static, E: fmt::Display + Send + 'static> Answer<T> for Result<T, E> {
    fn into_answer(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// What went wrong first in the hooks that a case has called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    what: Mutex<Option<String>>,
    came: Notify,
}

impl Trouble {
    fn tell(&self, what: String) {
        // Nothing in here can panic half-way through a change.
        self.0.what.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
        self.0.came.notify_one();
    }

    /// What went wrong, if anything did.
    pub(crate) fn told(&self) -> Option<String> {
        self.0.what.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends when something goes wrong.
    pub(crate) async fn comes(&self) {
        while self.told().is_none() {
            self.0.came.notified().await;
        }
    }

    /// Calls a hook on a thread of its own. If it fails, the case does not go on: the run of it sees the trouble.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        name: &str,
        ticks: u32,
        hook: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> T {
        match apart(name, ticks, hook).await {
            Ok(answer) => answer,
            Err(what) => {
                self.tell(what);
                pending().await
            }
        }
    }

    /// Calls a hook on a thread of its own and waits for it here, for what is needed before the next `await`.
    pub(crate) fn call_here<T: Send + 'static>(
        &self,
        name: &str,
        ticks: u32,
        hook: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> T {
        let (answer, answered) = mpsc::channel();
        // What nobody waits for any more is dropped there.
        tokio::task::spawn_blocking(move || drop(answer.send(catch_unwind(AssertUnwindSafe(hook)))));
        let what = match patience::receive(&answered, ticks) {
            Some(Ok(Ok(answer))) => return answer,
            Some(Ok(Err(error))) => format!("{name} failed: {error}"),
            Some(Err(panic)) => format!("{name} panicked: {}", text_of(&*panic)),
            None => hangs(name, ticks),
        };
        self.tell(what.clone());
        // The case cannot go on; its run catches this and tells what was told above.
        resume_unwind(Box::new(what))
    }
}

fn hangs(name: &str, ticks: u32) -> String {
    format!("{name} hangs: it has not returned after {ticks} ticks of 10 ms")
}

/// Calls a hook on a thread of its own, and says in words what went wrong. What hangs keeps its thread.
pub(crate) async fn apart<T: Send + 'static>(
    name: &str,
    ticks: u32,
    hook: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::select! {
        biased;
        done = tokio::task::spawn_blocking(hook) => match done {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{name} failed: {error}")),
            Err(ended) => Err(match ended.try_into_panic() {
                Ok(panic) => format!("{name} panicked: {}", text_of(&*panic)),
                Err(ended) => format!("{name} did not run: {ended}"),
            }),
        },
        () = patience::ticks(ticks) => Err(hangs(name, ticks)),
    }
}

/// The result of this work, or the text of its panic.
pub(crate) async fn caught<W: Future>(work: W) -> Result<W::Output, String> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panic) => Poll::Ready(Err(text_of(&*panic))),
    })
    .await
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without a message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_wrong_is_told_in_its_own_words() {
        let gone = || -> Result<(), String> { panic!("no server at {}", 7) };
        assert_eq!(apart("the spy", 100, gone).await.unwrap_err(), "the spy panicked: no server at 7");
        let failed = || Err::<(), _>("it is locked".to_owned());
        assert_eq!(apart("the spy", 100, failed).await.unwrap_err(), "the spy failed: it is locked");
        let slow = || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            Ok(())
        };
        assert!(apart("the spy", 2, slow).await.unwrap_err().starts_with("the spy hangs"));
    }

    #[tokio::test]
    async fn a_case_does_not_go_on_after_a_hook_that_failed() {
        let trouble = Trouble::default();
        tokio::select! {
            biased;
            () = trouble.call("the vandal", 100, || Err("read-only".to_owned())) => panic!("it went on"),
            () = trouble.comes() => {}
        }
        assert_eq!(trouble.told().as_deref(), Some("the vandal failed: read-only"));
    }

    #[tokio::test]
    async fn a_panic_is_caught_at_any_await() {
        async fn ends_badly() -> u8 {
            tokio::task::yield_now().await;
            panic!("in the middle")
        }
        assert_eq!(caught(ends_badly()).await, Err("in the middle".into()));
    }
}
