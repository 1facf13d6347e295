//! Work that is dropped after a number of polls.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Polls the work this often, and drops it if it is not ready by then: `None`.
pub(super) struct Polls<F> {
    work: Pin<Box<F>>,
    left: u64,
}

impl<F: Future> Polls<F> {
    pub(super) fn new(work: F, polls: u64) -> Self {
        Self { work: Box::pin(work), left: polls }
    }
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_polled_so_often_and_no_more() {
        for (polls, expected) in [(0, None), (2, None), (3, Some(7)), (9, Some(7))] {
            let work = async {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                7
            };
            assert_eq!(Polls::new(work, polls).await, expected, "{polls}");
        }
    }
}
