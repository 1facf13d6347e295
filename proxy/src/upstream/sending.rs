//! The body of a request on its way to an upstream, and when a part of it was taken last: how long an answer may take counts from
//! there, since an upload is as slow as its client.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::{Body, BodyError, streaming};

/// So many bytes are a part, or the end: one now and then would keep a request for ever.
const PART: usize = 4096;

/// When a part was taken last; at first, when it began.
#[derive(Debug, Clone)]
pub(super) struct Taken(Arc<Mutex<Instant>>);

impl Taken {
    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

struct Sending {
    body: Body,
    taken: Taken,
    /// Bytes since then.
    bytes: usize,
}

/// The same body, and where it says when a part of it was taken.
pub(super) fn sending(body: Body) -> (Body, Taken) {
    let taken = Taken(Arc::new(Mutex::new(Instant::now())));
    if body.is_end_stream() {
        return (body, taken);
    }
    (streaming(Sending { body, taken: taken.clone(), bytes: 0 }), taken)
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if let Poll::Ready(frame) = &polled {
            if let Some(Ok(frame)) = frame {
                this.bytes += frame.data_ref().map_or(0, Bytes::len);
            }
            if this.bytes >= PART || frame.is_none() || this.body.is_end_stream() {
                this.bytes = 0;
                this.taken.now();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
