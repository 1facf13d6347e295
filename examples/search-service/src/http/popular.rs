//! `GET /popular?region=…&gaia=…`: what is popular, by criteria.

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
use crate::service::PopularRequest;

/// What can be said in the query.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    region: Option<String>,
    gaia: Option<String>,
}

pub(crate) async fn popular(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Parameters { region, gaia }) = parameters?;
    let request = PopularRequest::new(region, gaia.as_deref())?;
    let logged = request.clone();
    let outcome = shared.service.popular(request, &reader(&headers)).await?;
    tracing::info!(
        region = logged.region,
        gaia = logged.gaia,
        bytes = outcome.served.stored,
        age = ?outcome.served.age,
        status = outcome.served.status.map_or("bypassed", |status| status.as_str()),
        answer_ms = %millis(outcome.answer_took),
        "popular",
    );
    Ok(reply(outcome))
}
