//! A server that is asked: connections that are kept, deadlines, and as many requests at once as it may have.

mod connector;
mod health;
mod places;
mod sending;
mod tls;

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, Uri, Version, header::HOST, uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    body::{Body, Watched, empty, streaming},
    configuration::{Checked as _, HealthSection, Scheme, UpstreamSection, Wrong},
    counters::Counters,
    failure::Failure,
    notes::Notes,
};
use connector::Connector;
pub(crate) use places::Health;
use places::Places;
use sending::sending;
use tls::Tls;

/// A server that is asked.
#[derive(Debug)]
pub(crate) struct Upstream {
    name: String,
    client: Client<Connector, Body>,
    connector: Connector,
    places: Arc<Places>,
    health: Option<HealthSection>,
    is_watched: AtomicBool,
    host: Option<http::HeaderValue>,
    permits: Arc<Semaphore>,
    wait: Duration,
    answer: Duration,
    idle: Duration,
    counters: Arc<Counters>,
}

impl Upstream {
    /// What is configured under this name. Nothing is connected to.
    ///
    /// # Errors
    /// What is wrong with the section.
    pub(crate) fn new(name: &str, section: &UpstreamSection, counters: Arc<Counters>) -> Result<Self, Wrong> {
        let key = format!("upstreams.{name}");
        let (scheme, addresses) = section.checked(&key)?;
        let tls = match scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let authorities = section.ca_file.as_ref().map(Path::new);
                let wrong = |why| Wrong { key: format!("{key}.ca_file"), why };
                Some(Tls::new(authorities).map_err(wrong)?)
            }
        };
        let places = Arc::new(Places::new(addresses));
        let connector = Connector::new(Arc::clone(&places), tls, section.connect.get());
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(section.max_idle)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // What was not sent yet may be sent again on another connection; what was is not.
            .retry_canceled_requests(true)
            .build(connector.clone());
        Ok(Self {
            name: name.to_owned(),
            client,
            connector,
            places,
            health: section.health.clone(),
            is_watched: AtomicBool::new(false),
            host: section.host.as_ref().and_then(|host| host.parse().ok()),
            permits: Arc::new(Semaphore::new(section.max_requests.clamp(1, Semaphore::MAX_PERMITS))),
            wait: section.wait.get(),
            answer: section.answer.get(),
            idle: section.idle.get(),
            counters,
        })
    }

    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Begins to ask its addresses whether they are well, if that is configured and was not begun. It ends with the upstream.
    pub(crate) fn watch_health(&self) {
        if let Some(section) = &self.health
            && !self.is_watched.swap(true, Ordering::Relaxed)
        {
            let host = self.host.as_ref();
            health::watch(&self.name, &self.places, &self.connector, host, section);
        }
    }

    /// Its addresses, and whether they are well as far as is known.
    pub(crate) fn healths(&self) -> Vec<Health> {
        self.places.healths()
    }

    /// How long a request may be here: until its turn, and until the head of an answer, which is perhaps asked for twice.
    pub(crate) fn patience(&self) -> Duration {
        self.wait.saturating_add(self.answer.saturating_mul(2))
    }

    /// Sends a request, whose URI is a path, and gives back the answer with a body that streams.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn ask(&self, mut request: Request<Body>) -> Result<Response<Body>, Failure> {
        let permit = self.permit().await?;
        self.counters.upstream.up();
        let timed = Timed { begun: Instant::now(), notes: request.extensions_mut().remove() };
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = uri(self.places.name(), path)?;
        *request.version_mut() = Version::HTTP_11;
        let again = repeatable(&request);
        let mut answered = self.once(request).await;
        // A connection that was kept may be closed by the upstream just when it is used (RFC 9112, 9.3.1).
        if let (Err(Failure::BadAnswer), Some(again)) = (&answered, again) {
            answered = self.once(again).await;
        }
        let answered = answered.inspect_err(|_| self.counters.upstream_failures.up())?;
        Ok(answered.map(|body| streaming(Watched::new(body, self.idle, (permit, timed)))))
    }

    async fn once(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let (parts, body) = request.into_parts();
        let (body, taken) = sending(body);
        let mut asking = pin!(self.client.request(Request::from_parts(parts, body)));
        let asked = loop {
            let answered = timeout_at(after(taken.last(), self.answer), &mut asking).await;
            if answered.is_ok() || after(taken.last(), self.answer) <= Instant::now() {
                break answered;
            }
        };
        match asked {
            // Nobody has asked for another protocol.
            Ok(Ok(answer)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => Err(Failure::BadAnswer),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error);
                tracing::debug!(upstream = self.name, %error, ?source, "no answer");
                Err(why(&error))
            }
            Err(_) => Err(Failure::Late),
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        match timeout(self.wait, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Failure::Busy),
        }
    }
}

/// The time of a request at the upstream, which ends when its answer was read or given up.
#[derive(Debug)]
struct Timed {
    begun: Instant,
    notes: Option<Notes>,
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(notes) = &self.notes {
            notes.took(self.begun.elapsed());
        }
    }
}

/// Or in thirty years, if that is sooner.
fn after(moment: Instant, by: Duration) -> Instant {
    moment + by.min(Duration::from_hours(24 * 365 * 30))
}

/// The connector knows where to; for the pool, all requests are for one place.
fn uri(name: uri::Authority, path: Option<uri::PathAndQuery>) -> Result<Uri, Failure> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(name);
    parts.path_and_query = path;
    Uri::from_parts(parts).map_err(|_| Failure::BadRequest("its target is not valid"))
}

/// The same request again, if it does the same twice and has no body.
fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) || !request.body().is_end_stream() {
        return None;
    }
    let mut again = Request::new(empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// Whose fault it is: a client's whose body breaks off, or the upstream's.
fn why(error: &Error) -> Failure {
    if error.is_connect() {
        return Failure::Unreachable;
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<hyper::Error>());
    if source.is_some_and(hyper::Error::is_user) {
        return Failure::BadRequest("its body broke off");
    }
    Failure::BadAnswer
}
