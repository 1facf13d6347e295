//! The body of an answer, and what is done when all of it was sent, or the client has gone.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError};

/// A body that calls a function in the end, with the number of its bytes that were taken.
pub(crate) struct Sent<F: FnOnce(u64) + Unpin> {
    body: Option<Body>,
    bytes: u64,
    then: Option<F>,
}

impl<F: FnOnce(u64) + Unpin> Sent<F> {
    pub(crate) fn new(body: Body, then: F) -> Self {
        Self { body: Some(body), bytes: 0, then: Some(then) }
    }
}

impl<F: FnOnce(u64) + Unpin> http_body::Body for Sent<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

impl<F: FnOnce(u64) + Unpin> Drop for Sent<F> {
    fn drop(&mut self) {
        // It may note something when it is dropped, such as how long the upstream took.
        self.body = None;
        if let Some(then) = self.then.take() {
            then(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::body::{empty, full};

    #[tokio::test]
    async fn the_end_is_told_once() {
        for (body, expected, read) in [(full("abc"), 3, true), (empty(), 0, true), (full("abc"), 0, false)] {
            let (told, times) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
            let body = Sent::new(body, |bytes| {
                told.store(bytes, Ordering::Relaxed);
                times.fetch_add(1, Ordering::Relaxed);
            });
            if read {
                body.collect().await.unwrap();
            } else {
                drop(body);
            }
            assert_eq!((told.into_inner(), times.into_inner()), (expected, 1));
        }
    }
}
