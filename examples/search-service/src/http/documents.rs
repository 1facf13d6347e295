//! `POST /documents`: adds a document or replaces one, and invalidates what shows it.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{Shared, error::Problem};
use crate::engine::{Document, MAX_TEXT};

/// The largest body, in bytes: room for the longest text in JSON, where a line end is two bytes.
pub(crate) const MAX_BODY: usize = 2 * MAX_TEXT + 4096;

/// A document as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    org: String,
    path: Option<String>,
    /// In place of the path: what a search calls the document, or a name of one's own.
    id: Option<String>,
    text: String,
}

pub(crate) async fn put(
    State(shared): State<Shared>,
    sent: Result<Json<Sent>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Sent { org, path, id, text }) = sent?;
    let path = match (path, id) {
        (Some(path), None) => path,
        (None, Some(id)) => match id.strip_prefix(&org).and_then(|rest| rest.strip_prefix('/')) {
            Some(path) => path.to_owned(),
            None => id,
        },
        _ => return Err(Problem::bad_request("a document has either a path or an id")),
    };
    let document = Document::new(org, path, text).map_err(Problem::bad_request)?;
    let put = shared.service.put(document).await?;

    let status = if put.replaced { StatusCode::OK } else { StatusCode::CREATED };
    let invalidated = match &put.invalidated {
        Ok(()) => json!({ "done": true, "tags": put.tags }),
        Err(error) => {
            tracing::warn!(%error, id = put.id, "answers that show a changed document may still be cached");
            // Never reported as done: until their lives are over, somebody may see the old text.
            json!({ "done": false, "tags": put.tags, "error": error.kind().as_str() })
        }
    };
    tracing::info!(id = put.id, replaced = put.replaced, "document");
    let body = json!({ "id": put.id, "replaced": put.replaced, "invalidated": invalidated });
    Ok((status, Json(body)).into_response())
}
