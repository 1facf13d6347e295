//! What loads in progress are synchronized with: the standard library's and tokio's, or, when the crate is built with
//! `--cfg larder_loom`, loom's, which tries every order in which threads can meet (`cargo xtask loom`).

#[cfg(not(larder_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU8};

#[cfg(larder_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU8};
#[cfg(not(larder_loom))]
pub(crate) use tokio::sync::watch;

/// As much of tokio's `watch` as is used, on loom's mutex.
#[cfg(larder_loom)]
pub(crate) mod watch {
    use std::{
        convert::Infallible,
        ops::Deref,
        sync::{Arc, PoisonError},
        task::{Poll, Waker},
    };

    use loom::sync::{Mutex, MutexGuard};

    struct Shared<T> {
        state: Mutex<(T, Vec<Waker>)>,
    }

    pub(crate) struct Sender<T>(Arc<Shared<T>>);

    pub(crate) struct Receiver<T>(Arc<Shared<T>>);

    pub(crate) struct Ref<'a, T>(MutexGuard<'a, (T, Vec<Waker>)>);

    impl<T> Deref for Ref<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0.0
        }
    }

    impl<T> Shared<T> {
        fn lock(&self) -> MutexGuard<'_, (T, Vec<Waker>)> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T> Sender<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Arc::new(Shared { state: Mutex::new((value, Vec::new())) }))
        }

        pub(crate) fn subscribe(&self) -> Receiver<T> {
            Receiver(Arc::clone(&self.0))
        }

        pub(crate) fn send_replace(&self, value: T) -> T {
            let mut state = self.0.lock();
            let old = std::mem::replace(&mut state.0, value);
            let waiting = std::mem::take(&mut state.1);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
            old
        }

        /// No model has a load that everybody leaves.
        pub(crate) async fn closed(&self) {
            std::future::pending().await
        }
    }

    impl<T> Receiver<T> {
        pub(crate) async fn wait_for(
            &mut self,
            mut is_so: impl FnMut(&T) -> bool,
        ) -> Result<Ref<'_, T>, Infallible> {
            let shared = &*self.0;
            std::future::poll_fn(|context| {
                let mut state = shared.lock();
                if is_so(&state.0) {
                    return Poll::Ready(());
                }
                state.1.push(context.waker().clone());
                Poll::Pending
            })
            .await;
            Ok(Ref(shared.lock()))
        }
    }
}
