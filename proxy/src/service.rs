//! The proxy as a service: a request comes, its route is found, the route's mode answers, and what became of it is counted and logged.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use larder::Larder;

use crate::{
    access::{self, Seen},
    body::{Body, BodyError, streaming},
    client::Client,
    configuration::{Configuration, Wrong},
    counters::{Counters, Outcome},
    mode::search::Debts,
    notes::Notes,
    running::{MakeError, Route, Running},
    sent::Sent,
    statistics::{Finished, Statistics},
    told::Told,
};

/// The field by which a client asks why, and in which it gets the reason.
const EXPLAIN: HeaderName = HeaderName::from_static("x-larder-explain");
/// How long lines of the log may still take in the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The proxy: a `tower` service that never fails, cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    running: RwLock<Arc<Running>>,
    /// Held while a new configuration is put in place of the old one.
    reloading: Mutex<()>,
    counters: Arc<Counters>,
    debts: Debts,
    statistics: Statistics,
}

impl Proxy {
    /// Makes the upstreams, caches and routes that are configured. Nothing is connected to.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(larder: &Larder, configuration: &Configuration) -> Result<Self, MakeError> {
        let counters = Arc::new(Counters::default());
        let debts = Debts::default();
        let running = Running::make(larder, configuration, &counters, &debts, None)?;
        let running = RwLock::new(Arc::new(running));
        let (reloading, statistics) = (Mutex::default(), Statistics::default());
        Ok(Self(Arc::new(Shared { running, reloading, counters, debts, statistics })))
    }

    /// Puts another configuration in place of the one that holds, as a whole or not at all. Requests that are under way end by the old
    /// one. What is stored in memory stays if no store and no cache has changed. Has to be called within a runtime of tokio.
    ///
    /// # Errors
    /// What is wrong with the new configuration, or cannot be changed while the proxy runs. Then the old one holds.
    pub fn reload(&self, larder: &Larder, configuration: &Configuration) -> Result<(), MakeError> {
        let _one_at_a_time = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.running();
        let (before, after) = (&old.configuration.proxy, &configuration.proxy);
        for (key, same) in [
            ("listen", before.listen == after.listen),
            ("admin", before.admin == after.admin),
            ("max_connections", before.max_connections == after.max_connections),
        ] {
            if !same {
                let why = "cannot be changed while the proxy runs; restart it".to_owned();
                return Err(Wrong { key: format!("proxy.{key}"), why }.into());
            }
        }
        let new =
            Arc::new(Running::make(larder, configuration, &self.0.counters, &self.0.debts, Some(&old))?);
        watch(&new);
        *self.0.running.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Begins to ask upstreams whether they are well and what was written past the proxy, where that is configured. Has to be called within a runtime of tokio;
    /// [`serve`](crate::listener::serve) does it.
    pub fn watch_health(&self) {
        watch(&self.running());
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.0.statistics
    }

    /// What holds now.
    pub(crate) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.0.running.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the use of the stores and of the log.
    pub async fn close(&self) {
        let running = self.running();
        if let Err(why) = running.close().await {
            // A store that is gone cannot be left in good order, and there is nothing more to lose.
            tracing::warn!(%why, "a store was not closed");
        }
        let flushed = tokio::task::spawn_blocking(move || {
            running.log.iter().for_each(|log| log.flush(LAST_LINES));
            running.routes.iter().for_each(|route| route.mode.flush(LAST_LINES));
        });
        let _ = flushed.await;
    }

    /// Answers a request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        self.answer_to(&Client::default(), request).await
    }

    /// Answers a request of this client.
    pub(crate) async fn answer_to<B>(&self, client: &Client, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let started = Instant::now();
        let running = self.running();
        let (mut parts, body) = request.into_parts();
        // It is this proxy's own, and nobody else's business.
        let asks_why = parts.headers.remove(EXPLAIN).is_some_and(|value| value.as_bytes() == b"1");
        let notes = Notes::default();
        parts.extensions.insert(notes.clone());
        let seen = Seen::new(&parts, client.address);
        let (route, answered) = match running.route(&parts, &client.scheme) {
            Ok((route, target)) => {
                (Some(route), route.answer(parts, target, body, running.body_timeout()).await)
            }
            Err(failure) => (None, Err(failure)),
        };
        let (mut answer, outcome, detail) = match answered {
            Ok((answer, outcome)) => (answer, outcome, None),
            Err(failure) => (failure.response(), Outcome::Failed, Some(failure.word())),
        };
        self.0.counters.count(outcome);
        let told = match detail {
            Some(word) => Told { detail: Some(word.to_owned()), ..Told::default() },
            None => Told::of(answer.headers()),
        };
        if asks_why && let Some(route) = route.filter(|route| route.explains) {
            explain(&mut answer, &told, outcome, route, &notes);
        }
        let end = End {
            proxy: Arc::clone(&self.0),
            route: route.cloned(),
            running: Arc::clone(&running),
            notes,
            seen,
            told,
            outcome,
            status: answer.status().as_u16(),
            started,
        };
        answer.map(|body| streaming(Sent::new(body, move |bytes| end.told(bytes))))
    }
}

fn watch(running: &Running) {
    running.upstreams.values().for_each(|upstream| upstream.watch_health());
    running.routes.iter().for_each(|route| route.mode.watch());
}

/// Says why. Who asked is not in it: the hash of the key is a random one.
fn explain(answer: &mut Response<Body>, told: &Told, outcome: Outcome, route: &Route, notes: &Notes) {
    let key = notes.hash().map(|key| format!("{key:016x}"));
    let upstream = format!("{:.1}", notes.upstream().as_secs_f64() * 1e3);
    let mut parts = vec![("route", route.name.as_str()), ("mode", route.section.mode.name())];
    parts.extend(key.as_deref().map(|key| ("key", key)));
    parts.push(("upstream-ms", &upstream));
    if let Some(value) = told.explanation(outcome, &parts) {
        answer.headers_mut().insert(EXPLAIN, value);
    }
}

/// What is known of a request when its answer begins, until it ends.
struct End {
    proxy: Arc<Shared>,
    running: Arc<Running>,
    route: Option<Arc<Route>>,
    notes: Notes,
    seen: Seen,
    told: Told,
    outcome: Outcome,
    status: u16,
    started: Instant,
}

impl End {
    fn told(self, bytes: u64) {
        let upstream = self.notes.upstream();
        self.proxy.statistics.count(&Finished {
            outcome: self.outcome,
            unstored: self.told.unstored(self.outcome),
            key: self.notes.hash(),
            label: &|| self.seen.label(),
            upstream,
            saved: self.notes.saving(),
        });
        if let Some(log) = &self.running.log {
            let answered = access::Answered {
                route: self.route.as_ref().map(|route| &*route.name),
                status: self.status,
                bytes,
                cache: self.outcome.name(),
                detail: self.told.detail.as_deref(),
                key: self.notes.hash(),
                took: self.started.elapsed(),
                upstream,
            };
            log.write(&self.seen, &answered);
        }
    }
}

impl<B> tower_service::Service<Request<B>> for Proxy
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.answer(request).await) })
    }
}
