//! The HTTP interface: one file for each route, and what they share.

mod documents;
mod encoding;
mod error;
mod health;
mod page;
mod popular;
mod reply;
mod search;
mod stats;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, Uri},
    middleware,
    response::Response,
    routing::{get, post},
};

use self::error::Problem;
use crate::service::Service;

/// What every route can reach.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) service: Service,
    /// The stores and caches that are configured, for `/stats`.
    pub(crate) setup: std::sync::Arc<crate::configuration::Setup>,
}

/// The routes.
pub(crate) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/search", get(search::search))
        .route("/popular", get(popular::popular))
        .route("/documents", post(documents::put))
        .route("/stats", get(stats::stats))
        .route("/healthz", get(health::health))
        .fallback(async |uri: Uri| Problem::not_found(uri.path()))
        .method_not_allowed_fallback(async |method: Method| Problem::method(&method))
        .layer(DefaultBodyLimit::max(documents::MAX_BODY))
        .layer(middleware::map_response(harden))
        .with_state(shared)
}

/// What every answer carries: browsers must not guess its type, and must not keep it. That is what the cache behind
/// this service is for, which hears of new documents.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(axum::http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
