//! A server that is asked: connections that are kept, deadlines, and as many requests at once as it may have.

mod again;
mod connector;
mod health;
mod places;
mod sending;
mod tls;
mod traffic;

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode, Uri, Version, header::HOST, uri};
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
    body::{Body, Watched, streaming},
    configuration::{Checked as _, HealthSection, Scheme, UpstreamSection, Wrong},
    counters::Counters,
    failure::Failure,
    notes::Notes,
};
pub(crate) use again::Again;
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
        *request.uri_mut() = uri(self.places.name(), path.clone())?;
        *request.version_mut() = Version::HTTP_11;
        let again = again::again(&mut request);
        let begun = Instant::now();
        let mut answered = self.once(request, self.answer).await;
        if let (Err(Unanswered { died_while_kept: true, .. }), Some(mut again)) = (&answered, again) {
            // Connections under this name are never kept, so that it is a new one.
            *again.uri_mut() = uri(uri::Authority::from_static("again"), path)?;
            answered = self.once(again, self.answer.saturating_sub(begun.elapsed())).await;
        }
        let answered = answered.map_err(|unanswered| unanswered.why);
        let answered = answered.inspect_err(|_| self.counters.upstream_failures.up())?;
        Ok(answered.map(|body| streaming(Watched::new(body, self.idle, (permit, timed)))))
    }

    async fn once(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Unanswered> {
        let (parts, body) = request.into_parts();
        let (body, taken) = sending(body);
        let mut asking = pin!(self.client.request(Request::from_parts(parts, body)));
        let asked = loop {
            let answered = timeout_at(after(taken.last(), patience), &mut asking).await;
            if answered.is_ok() || after(taken.last(), patience) <= Instant::now() {
                break answered;
            }
        };
        let failed = |why| Err(Unanswered { why, died_while_kept: false });
        match asked {
            // Nobody has asked for another protocol.
            Ok(Ok(answer)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                failed(Failure::BadAnswer)
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error);
                tracing::debug!(upstream = self.name, %error, ?source, "no answer");
                let why = why(&error);
                let died_while_kept = why == Failure::BadAnswer && traffic::died_while_kept(&error);
                Err(Unanswered { why, died_while_kept })
            }
            Err(_) => failed(Failure::Late),
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        match timeout(self.wait, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Failure::Busy),
        }
    }
}

/// Why a request has no answer, and whether that may be the connection's fault alone.
#[derive(Debug)]
struct Unanswered {
    why: Failure,
    died_while_kept: bool,
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
