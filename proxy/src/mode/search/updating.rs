//! Updates of Solr on their way: what they say about when they are committed is read as it goes by.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use larder_http::solr::WithinScanner;

use crate::body::{Body, BodyError, streaming};

/// What an update has said so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<WithinScanner>>);

impl Said {
    /// Within which time it is committed, if it says so.
    pub(super) fn within(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).longest()
    }

    fn feed(&self, piece: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).feed(piece);
    }
}

struct Updating {
    body: Body,
    said: Said,
}

/// The same body, read as it goes by.
pub(super) fn updating(body: Body) -> (Body, Said) {
    let said = Said::default();
    if body.is_end_stream() {
        return (body, said);
    }
    (streaming(Updating { body, said: said.clone() }), said)
}

impl http_body::Body for Updating {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            frame.data_ref().into_iter().for_each(|data| this.said.feed(data));
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
