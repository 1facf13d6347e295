//! Bodies: one type for those that stream and those that are kept, and reading one up to a limit.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

/// What can go wrong with a body while it is read.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A body, streaming or kept.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is kept.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that streams.
pub(crate) fn streaming<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// What came of reading a body up to a limit.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// It is larger. This is a body that begins with what was read and goes on with the rest.
    TooLarge(Body),
}

/// Reads a body of up to `limit` bytes. Never more than that and one frame is held. Trailers are left out.
///
/// # Errors
/// What the body says when it fails.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Read, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Ok(Read::TooLarge(body));
    }
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let held = first.as_ref().map_or(0, Bytes::len) + all.len();
        if held + data.len() > limit {
            let before = [first.unwrap_or_default(), all.freeze(), data];
            return Ok(Read::TooLarge(streaming(Resumed { before: before.into_iter(), body })));
        }
        // One frame is the usual case, and is not copied.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            before => {
                all.extend_from_slice(&before.unwrap_or_default());
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(Read::Whole(first.unwrap_or_else(|| all.freeze())))
}

/// A body whose beginning was read already.
struct Resumed {
    before: std::array::IntoIter<Bytes, 3>,
    body: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        for bytes in self.before.by_ref() {
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        let before: u64 = self.before.as_slice().iter().map(|bytes| bytes.len() as u64).sum();
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(before));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(before));
        }
        hint
    }
}

pin_project! {
    /// A body that fails when nothing of it comes for a while, and that keeps something alive until it is read or dropped.
    pub(crate) struct Watched<B, K> {
        #[pin]
        body: B,
        #[pin]
        sleep: Sleep,
        idle: Duration,
        waits: bool,
        kept: K,
    }
}

impl<B, K> Watched<B, K> {
    /// `idle` is how long the next frame may take.
    pub(crate) fn new(body: B, idle: Duration, kept: K) -> Self {
        Self { body, sleep: sleep(idle), idle, waits: false, kept }
    }
}

impl<B, K> http_body::Body for Watched<B, K>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(context) {
            *this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // Nobody is late while nobody asks: a client may be slow in reading.
        if !std::mem::replace(this.waits, true) {
            this.sleep.as_mut().reset(Instant::now() + *this.idle);
        }
        std::task::ready!(this.sleep.poll(context));
        let why = format!("nothing came for {:?}; the body is cut off", this.idle);
        Poll::Ready(Some(Err(why.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of these frames, whose length is not known.
    struct Frames(Vec<&'static [u8]>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            let frame = Bytes::from_static(self.0.remove(0));
            Poll::Ready(Some(Ok(Frame::data(frame))))
        }
    }

    async fn all(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn up_to_the_limit() {
        for frames in [vec![], vec![&b"abc"[..]], vec![b"a", b"", b"bc"], vec![b"a", b"b", b"c"]] {
            let expected = frames.concat();
            let Read::Whole(bytes) = read(streaming(Frames(frames)), 3).await.unwrap() else {
                panic!("it fits")
            };
            assert_eq!(bytes, expected);
        }
    }

    #[tokio::test]
    async fn what_is_larger_goes_on_where_it_was() {
        for frames in [vec![&b"abcd"[..]], vec![b"ab", b"cd", b"ef"], vec![b"a", b"b", b"cde", b"f"]] {
            let expected = frames.concat();
            let Read::TooLarge(body) = read(streaming(Frames(frames)), 3).await.unwrap() else {
                panic!("it does not fit")
            };
            assert_eq!(all(body).await, expected);
        }
        // What says so beforehand is not even begun.
        let Read::TooLarge(body) = read(full("abcd"), 3).await.unwrap() else { panic!("it does not fit") };
        assert_eq!(all(body).await, "abcd");
    }

    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_cut_off() {
        let body = streaming(Watched::new(Never, Duration::from_secs(5), ()));
        let begun = Instant::now();
        assert!(body.collect().await.is_err());
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }
}
