//! `GET /search?q=…&org=…&start=…&size=…`: a page of results.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    Shared,
    error::Problem,
    reply::{millis, reader, reply},
};
use crate::service::{Outcome, SearchRequest};

/// What can be said in the query. Other parameters say nothing, and make no difference.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    q: Option<String>,
    org: Option<String>,
    start: Option<usize>,
    size: Option<usize>,
}

pub(crate) async fn search(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Parameters { q, org, start, size }) = parameters?;
    let q = q.ok_or_else(|| Problem::bad_request("q is needed: /search?q=mutex"))?;
    let request = SearchRequest::new(shared.service.engine(), q, org, start, size)?;
    let logged = request.clone();
    let outcome = shared.service.search(request, &reader(&headers)).await?;
    log(&logged, &outcome);
    Ok(reply(outcome))
}

/// One line for each search. What it says of the answer was read beside it: nothing was decompressed for the log.
fn log(request: &SearchRequest, outcome: &Outcome) {
    let Outcome { served, ids_took, answer_took } = outcome;
    tracing::info!(
        q = ?request.q,
        org = request.org,
        start = request.start,
        found = served.found,
        bytes = served.stored,
        age = ?served.age,
        status = served.status.map_or("bypassed", |status| status.as_str()),
        ids_ms = %millis(*ids_took),
        answer_ms = %millis(*answer_took),
        "search",
    );
}
