//! `GET /healthz`: whether the service answers. It does when it listens: a store that is down is not its illness.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Shared;

pub(crate) async fn health(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "status": "ok", "documents": shared.service.engine().len() }))
}
