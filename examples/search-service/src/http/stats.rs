//! `GET /stats`: what the caches were worth so far.

use axum::{Json, extract::State};
use larder::cache::Value as CacheValue;
use serde_json::{Value, json};

use super::Shared;
use crate::{configuration::StoreInUse, service::Cached};

pub(crate) async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let Shared { service, setup } = &shared;
    let engine = service.engine();
    Json(json!({
        "uptime_seconds": setup.started.elapsed().as_secs(),
        "documents": engine.len(),
        "caches": {
            "search": cache(&service.search, &setup.search),
            "popular": cache(&service.popular, &setup.popular),
        },
    }))
}

/// What one cache did. Times are in milliseconds, rates from 0 to 1.
fn cache<T: CacheValue>(cached: &Cached<T>, store: &StoreInUse) -> Value {
    let (stats, answers) = (cached.cache.stats(), cached.tally.answers());
    json!({
        "store": store.store,
        "backend": store.backend,
        "ttl_seconds": match cached.cache.default_ttl() {
            larder::Ttl::After(ttl) => Some(ttl.as_secs_f64()),
            larder::Ttl::Never => None,
        },
        "hit_rate": answers.hit_rate(),
        "saved_ms": millis(stats.saved_micros),
        "loading_ms": millis(stats.load_micros),
        "answers": answers,
        "operations": stats,
        "last_seconds": cached.tally.history(),
    })
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
