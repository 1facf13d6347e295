//! The proxy as a service: a request comes, its route is found, and the route's mode answers.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use larder::Larder;

use crate::{
    body::{Body, BodyError, Watched, streaming},
    configuration::{Checked as _, Configuration, ModeName, RouteSection, Wrong},
    counters::{Counters, Outcome},
    failure::Failure,
    mode::{
        Answered, Asked, Mode,
        http::{Entry, Http, Settings},
        pass::Pass,
        search::{self, Search},
    },
    request::Target,
    routing::{Match, Routes},
    upstream::Upstream,
};

/// What can go wrong when a proxy is made.
pub type MakeError = Box<dyn std::error::Error + Send + Sync>;

/// The proxy: a `tower` service that never fails, cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routes: Routes<Mode>,
    counters: Arc<Counters>,
    scheme: Scheme,
    body_timeout: Duration,
}

impl Proxy {
    /// Makes the upstreams, caches and routes that are configured. Nothing is connected to.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(larder: &Larder, configuration: &Configuration) -> Result<Self, MakeError> {
        configuration.check()?;
        let counters = Arc::new(Counters::default());
        let mut upstreams = BTreeMap::new();
        for (name, section) in &configuration.upstreams {
            let upstream = Upstream::new(name, section, Arc::clone(&counters))?;
            upstreams.insert(name.as_str(), Arc::new(upstream));
        }
        let mut routes = Vec::new();
        for (name, section) in &configuration.routes {
            let Some(upstream) = upstreams.get(section.upstream.as_str()) else { continue };
            let mode = mode(larder, configuration, (name, section), upstream, &counters)?;
            routes.push((Match::new(section.host.as_deref(), &section.path), mode));
        }
        Ok(Self(Arc::new(Inner {
            routes: Routes::new(routes),
            counters,
            scheme: Scheme::HTTP,
            body_timeout: configuration.proxy.body_timeout.get(),
        })))
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    /// Answers a request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        match self.try_answer(request).await {
            Ok((answer, outcome)) => {
                self.0.counters.count(outcome);
                answer
            }
            Err(failure) => {
                self.0.counters.count(Outcome::Failed);
                failure.response()
            }
        }
    }

    async fn try_answer<B>(&self, request: Request<B>) -> Answered
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let (parts, body) = request.into_parts();
        let target = Target::of(&parts, &self.0.scheme)?;
        let mode = self.0.routes.find(&target.authority, target.path.path()).ok_or(Failure::NoRoute)?;
        let body = if body.is_end_stream() {
            crate::body::empty()
        } else {
            streaming(Watched::new(body, self.0.body_timeout, ()))
        };
        mode.answer(Asked { parts, target, body }).await
    }
}

fn mode(
    larder: &Larder,
    configuration: &Configuration,
    (name, section): (&str, &RouteSection),
    upstream: &Arc<Upstream>,
    counters: &Arc<Counters>,
) -> Result<Mode, MakeError> {
    let proxy = &configuration.proxy.name;
    let too_large = |_| Wrong {
        key: format!("routes.{name}.max_body"),
        why: "is more than this machine can address".to_owned(),
    };
    Ok(match section.mode {
        ModeName::SearchElasticsearch | ModeName::SearchSolr | ModeName::Verify => {
            let engine = match section.mode {
                ModeName::SearchSolr => search::Engine::Solr,
                ModeName::Verify => search::Engine::Verified,
                _ => search::Engine::Elasticsearch,
            };
            let cache = larder.cache_with::<search::Entry>(section.cache_name(), |cache| {
                cache.weigher(search::Entry::weight)
            })?;
            let max_body = usize::try_from(section.max_body.get()).map_err(too_large)?;
            let settings = search::Settings::new(proxy, engine, upstream, &section.search, max_body);
            Mode::Search(Search::new(Arc::clone(upstream), cache, settings, Arc::clone(counters)))
        }
        ModeName::Pass => Mode::Pass(Pass::new(Arc::clone(upstream), proxy)),
        ModeName::Http => {
            let rules = section.checked(&format!("routes.{name}"))?;
            let settings = Settings {
                name: proxy.clone(),
                rules,
                max_body: usize::try_from(section.max_body.get()).map_err(too_large)?,
                keep_stale: section.keep_stale.get().as_secs(),
            };
            let cache =
                larder.cache_with::<Entry>(section.cache_name(), |cache| cache.weigher(Entry::weight))?;
            Mode::Http(Http::new(Arc::clone(upstream), cache, settings, Arc::clone(counters)))
        }
    })
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
