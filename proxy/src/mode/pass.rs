//! Mode `pass`: everything goes to the upstream, and nothing is stored.

use std::sync::Arc;

use http::Response;
use larder_http::caching::{
    cache_status::{CacheStatus, Forward},
    fields,
};

use super::{Answered, Asked};
use crate::{
    body::Body,
    counters::Outcome,
    failure::Failure,
    forward,
    upstream::{Again, Upstream},
};

/// A route that passes everything.
#[derive(Debug)]
pub struct Pass {
    upstream: Arc<Upstream>,
    name: String,
}

impl Pass {
    /// To this upstream. `name` is the proxy's, for `Via` and `Cache-Status`.
    pub fn new(upstream: Arc<Upstream>, name: &str) -> Self {
        Self { upstream, name: name.to_owned() }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, asked: Asked) -> Answered {
        let mut answer = pass(&self.upstream, asked, &self.name).await?;
        let mut status = CacheStatus::default();
        status.forward = Some(Forward::Bypass);
        status.append(&self.name, answer.headers_mut());
        Ok((answer, Outcome::Pass))
    }
}

/// The upstream's answer, without what was meant for its connection.
pub(super) async fn pass(upstream: &Upstream, asked: Asked, name: &str) -> Result<Response<Body>, Failure> {
    let Asked { parts, target, body } = asked;
    let mut request = forward::request(&parts, &target, body, name)?;
    if let Some(again) = parts.extensions.get::<Again>() {
        request.extensions_mut().insert(again.clone());
    }
    let mut answer = upstream.ask(request).await?;
    fields::remove_hop_by_hop(answer.headers_mut());
    Ok(answer)
}
