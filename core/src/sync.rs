//! What loads in progress are synchronized with: the standard library's and tokio's, or, when the crate is built with
//! `--cfg larder_loom`, loom's, which tries every order in which threads can meet (`cargo xtask loom`).

#[cfg(not(larder_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU64, fence},
};

#[cfg(larder_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU64, fence},
};
#[cfg(not(larder_loom))]
pub(crate) use tokio::sync::Notify;

#[cfg(larder_loom)]
pub(crate) use self::notify::Notify;

/// As much of tokio's `Notify` as is used, on loom's mutex.
#[cfg(larder_loom)]
mod notify {
    use std::{
        sync::PoisonError,
        task::{Poll, Waker},
    };

    use loom::sync::{Mutex, MutexGuard};

    pub(crate) struct Notify(Mutex<(usize, Vec<Waker>)>);

    impl Notify {
        pub(crate) fn new() -> Self {
            Self(Mutex::new((0, Vec::new())))
        }

        fn lock(&self) -> MutexGuard<'_, (usize, Vec<Waker>)> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn notify_waiters(&self) {
            let mut state = self.lock();
            state.0 += 1;
            let waiting = std::mem::take(&mut state.1);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }

        /// Hears of every notification from this call on, whether it is polled already or not.
        pub(crate) fn notified(&self) -> impl Future<Output = ()> + '_ {
            let heard = self.lock().0;
            std::future::poll_fn(move |context| {
                let mut state = self.lock();
                if state.0 != heard {
                    return Poll::Ready(());
                }
                state.1.push(context.waker().clone());
                Poll::Pending
            })
        }
    }
}
