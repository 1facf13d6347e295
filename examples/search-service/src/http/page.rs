//! `GET /`: a page for people. It asks the same interface that everybody else does.

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};

const PAGE: &str = include_str!("../page/index.html");

/// The page needs nothing from elsewhere, so nothing from elsewhere gets in.
const POLICY: &str = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) async fn page() -> impl IntoResponse {
    let policy = HeaderName::from_static("content-security-policy");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (policy, POLICY)], PAGE)
}
