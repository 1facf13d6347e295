//! What is answered when there is no answer: a status, and a sentence in JSON.

use std::fmt;

use axum::{
    Json,
    extract::rejection::{JsonRejection, QueryRejection},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::service::Failure;

/// A request that got no answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
}

impl Problem {
    /// The request is not one that can be answered.
    pub(crate) fn bad_request(message: impl fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.to_string() }
    }

    /// There is no such place.
    pub(crate) fn not_found(path: &str) -> Self {
        let path: String = path.chars().take(100).collect();
        let message =
            format!("there is no {path}; there are /, /search, /popular, /documents, /stats and /healthz");
        Self { status: StatusCode::NOT_FOUND, message }
    }

    /// The place does not take this method.
    pub(crate) fn method(method: &Method) -> Self {
        Self { status: StatusCode::METHOD_NOT_ALLOWED, message: format!("{method} is not possible here") }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) => Self::bad_request(why),
            Failure::Engine(why) => {
                // What is wrong inside is for the log, not for whoever asked.
                tracing::error!(why, "the search engine failed");
                let message = "the search engine failed".to_owned();
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, message }
            }
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "status": self.status.as_u16(), "error": self.message });
        (self.status, Json(body)).into_response()
    }
}
