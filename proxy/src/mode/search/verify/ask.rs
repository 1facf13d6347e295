//! What mode `verify` asks the upstream: the search in two forms, and which indices there are.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_MODIFIED_SINCE,
        IF_NONE_MATCH,
    },
    response,
};
use larder_http::{caching::fields, search::Identities};

use super::{super::load::is_complete, Verified};
use crate::{
    body::{Body, Read, full, read},
    failure::Failure,
    forward,
    upstream::Again,
};

/// The status of an answer that was not read, since it is larger than what is kept.
const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;

/// An answer that was read to its end.
pub(super) struct Whole {
    parts: response::Parts,
    pub(super) body: Bytes,
}

impl Whole {
    pub(super) fn status(&self) -> u16 {
        // In another coding it is no JSON.
        if self.parts.headers.contains_key(CONTENT_ENCODING) { 0 } else { self.parts.status.as_u16() }
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.parts.status == TOO_LARGE
    }

    /// The answer with another body.
    pub(super) fn with(&self, body: Bytes) -> Response<Body> {
        let mut answer = Response::new(full(body));
        *answer.status_mut() = self.parts.status;
        *answer.headers_mut() = self.parts.headers.clone();
        answer.headers_mut().remove(CONTENT_LENGTH);
        answer
    }
}

impl Verified {
    /// The answer to the search in this form.
    pub(super) async fn search_for(&self, body: &[u8]) -> Result<Whole, Failure> {
        let mut parts = self.parts.clone();
        for name in [ACCEPT_ENCODING, CONTENT_LENGTH, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            parts.headers.remove(name);
        }
        if !parts.headers.contains_key(CONTENT_TYPE) {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.whole(&parts, &self.target, Bytes::copy_from_slice(body)).await
    }

    /// Which indices the path is about; nothing where the upstream does not say.
    pub(super) async fn identities(&self) -> Result<Option<Identities>, Failure> {
        let mut parts = self.parts.clone();
        parts.method = Method::GET;
        for name in [ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            parts.headers.remove(name);
        }
        parts.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut target = self.target.clone();
        let path = target.path.path();
        let expression = path.strip_suffix("/_search").unwrap_or_default();
        let settings = format!("{expression}/_settings/index.uuid?flat_settings=true");
        target.path = settings.parse().map_err(|_| Failure::BadRequest("its path is not valid"))?;
        let answer = self.whole(&parts, &target, Bytes::new()).await?;
        Ok(if answer.status() == 200 { Identities::read(&answer.body) } else { None })
    }

    async fn whole(
        &self,
        parts: &http::request::Parts,
        target: &crate::request::Target,
        body: Bytes,
    ) -> Result<Whole, Failure> {
        let settings = &self.search.settings;
        let mut request = forward::request(parts, target, full(body.clone()), &settings.name)?;
        request.extensions_mut().insert(Again::Safe(body));
        let (mut parts, body) = self.search.upstream.ask(request).await?.into_parts();
        fields::remove_hop_by_hop(&mut parts.headers);
        match read(body, settings.max_body).await {
            Ok(Read::Whole(body)) if is_complete(&parts, &body) => Ok(Whole { parts, body }),
            // Of a larger one nothing is read, and nothing is kept.
            Ok(Read::TooLarge(_)) => {
                parts.status = TOO_LARGE;
                Ok(Whole { parts, body: Bytes::new() })
            }
            _ => Err(Failure::BadAnswer),
        }
    }
}
