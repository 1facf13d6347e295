//! What is made of a configuration: upstreams, routes, the log, the certificate. It is made as a whole, takes over from the one before
//! it what has not changed, and never changes itself.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{request::Parts, uri::Scheme};
use larder::Larder;

use crate::{
    access::AccessLog,
    body::{Body, BodyError, Watched, empty, streaming},
    certificate::{self, Certificate},
    configuration::{Checked as _, Configuration, ModeName, ObserveAs, RouteSection, Wrong},
    counters::Counters,
    failure::Failure,
    lines::Lines,
    mode::{
        Answered, Asked, Mode,
        http::{self as cache, Http},
        observe::{As, Observe},
        pass::Pass,
        search::{self, Debts, Search},
    },
    request::Target,
    routing::{Match, Routes},
    upstream::Upstream,
};

/// What can go wrong when a proxy is made.
pub type MakeError = Box<dyn std::error::Error + Send + Sync>;

/// What is made of a configuration.
#[derive(Debug)]
pub(crate) struct Running {
    larder: Larder,
    /// Of the stores.
    era: u64,
    pub(crate) configuration: Configuration,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    pub(crate) routes: Routes<Arc<Route>>,
    pub(crate) log: Option<AccessLog>,
    pub(crate) tls: Option<Certificate>,
}

/// A route, and what it was made of.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) explains: bool,
    pub(crate) section: RouteSection,
    upstream: Arc<Upstream>,
}

impl Running {
    /// Makes it. Nothing is connected to.
    pub(crate) fn make(
        larder: &Larder,
        configuration: &Configuration,
        counters: &Arc<Counters>,
        debts: &Debts,
        old: Option<&Self>,
    ) -> Result<Self, MakeError> {
        configuration.check()?;
        let section = &configuration.proxy;
        let log = section.access_log.as_ref().map(|log| {
            AccessLog::open(log, counters).map_err(|why| Wrong {
                key: "proxy.access_log.file".to_owned(),
                why: format!("{:?} cannot be opened: {why}", log.file.as_deref().unwrap_or_default()),
            })
        });
        let log = log.transpose()?;
        let tls = section.tls.as_ref().map(|section| certificate::read(section, "proxy.tls")).transpose()?;
        let mut upstreams = BTreeMap::new();
        for (name, section) in &configuration.upstreams {
            // What is in a file may have changed.
            let same = old.filter(|old| {
                section.ca_file.is_none() && old.configuration.upstreams.get(name) == Some(section)
            });
            let upstream = match same.and_then(|old| old.upstreams.get(name)) {
                Some(upstream) => Arc::clone(upstream),
                None => Arc::new(Upstream::new(name, section, Arc::clone(counters))?),
            };
            upstreams.insert(name.clone(), upstream);
        }
        let make = Make { configuration, upstreams: &upstreams, counters, debts };
        // What is stored in memory stays, if nothing of the stores has changed.
        let kept = old.filter(|old| same_stores(&old.larder, larder));
        let old_stores = kept.map(|old| (old, make.routes(&old.larder, old.era, kept)));
        let (larder, era, routes) = if let Some((old, Ok(routes))) = old_stores {
            (old.larder.clone(), old.era, routes)
        } else {
            // Such as a cache that holds values of another mode.
            let era = debts.new_era();
            (larder.clone(), era, make.routes(larder, era, None)?)
        };
        let owed: Vec<_> = routes.iter().filter_map(|route| route.mode.owed()).cloned().collect();
        debts.hand_over(&owed, era);
        let routes = routes
            .into_iter()
            .map(|route| (Match::new(route.section.host.as_deref(), &route.section.path), route));
        let routes = Routes::new(routes);
        Ok(Self { larder, era, configuration: configuration.clone(), upstreams, routes, log, tls })
    }

    /// The route of a request, and what it is for.
    pub(crate) fn route(&self, parts: &Parts, scheme: &Scheme) -> Result<(&Arc<Route>, Target), Failure> {
        let target = Target::of(parts, scheme)?;
        let route = self.routes.find(&target.authority, target.path.path()).ok_or(Failure::NoRoute)?;
        Ok((route, target))
    }

    /// How long nothing may come of a request's body.
    pub(crate) fn body_timeout(&self) -> Duration {
        self.configuration.proxy.body_timeout.get()
    }

    /// Ends the use of the stores.
    pub(crate) async fn close(&self) -> larder::Result<()> {
        self.larder.close().await
    }
}

impl Route {
    /// Answers a request.
    pub(crate) async fn answer<B>(&self, parts: Parts, target: Target, body: B, idle: Duration) -> Answered
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let body: Body = if body.is_end_stream() { empty() } else { streaming(Watched::new(body, idle, ())) };
        self.mode.answer(Asked { parts, target, body }).await
    }
}

/// Whether caches of the one can be caches of the other: all is the same but the proxy's own sections, and nothing is hidden, since
/// nobody sees whether that is the same.
fn same_stores(old: &Larder, new: &Larder) -> bool {
    let of = |larder: &Larder| -> Option<Vec<(String, String)>> {
        let own =
            |key: &str| ["proxy", "upstreams", "routes"].contains(&key.split('.').next().unwrap_or(key));
        let settings = larder.explain().settings().iter().filter(|setting| !own(&setting.key));
        settings
            .map(|setting| {
                (!setting.value.contains("***")).then(|| (setting.key.clone(), setting.value.clone()))
            })
            .collect()
    };
    let (old, new) = (of(old), of(new));
    old.is_some() && old == new
}

/// What routes are made of.
struct Make<'a> {
    configuration: &'a Configuration,
    upstreams: &'a BTreeMap<String, Arc<Upstream>>,
    counters: &'a Arc<Counters>,
    debts: &'a Debts,
}

impl Make<'_> {
    fn routes(&self, larder: &Larder, era: u64, old: Option<&Running>) -> Result<Vec<Arc<Route>>, MakeError> {
        let mut routes = Vec::new();
        for (name, section) in &self.configuration.routes {
            let Some(upstream) = self.upstreams.get(section.upstream.as_str()) else { continue };
            let explains = section.explain.unwrap_or(self.configuration.proxy.explain);
            let is_same = |route: &&Arc<Route>| {
                route.name == *name
                    && route.section == *section
                    && route.explains == explains
                    && Arc::ptr_eq(&route.upstream, upstream)
                    // Its file is opened again: it may have been moved away.
                    && section.mode != ModeName::Observe
            };
            let same = old
                .filter(|old| old.configuration.proxy.name == self.configuration.proxy.name)
                .and_then(|old| old.routes.iter().find(is_same));
            if let Some(route) = same {
                routes.push(Arc::clone(route));
                continue;
            }
            let mode = self.mode((larder, era), name, section, upstream)?;
            let (name, upstream) = (name.clone(), Arc::clone(upstream));
            routes.push(Arc::new(Route { name, mode, explains, section: section.clone(), upstream }));
        }
        Ok(routes)
    }

    fn mode(
        &self,
        (larder, era): (&Larder, u64),
        name: &str,
        section: &RouteSection,
        upstream: &Arc<Upstream>,
    ) -> Result<Mode, MakeError> {
        let proxy = &self.configuration.proxy.name;
        let (upstream, counters) = (Arc::clone(upstream), Arc::clone(self.counters));
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
                let settings = search::Settings::new(proxy, engine, &upstream, &section.search, max_body);
                let account = self.debts.of(&cache, era, &counters);
                Mode::Search(Search::new(upstream, cache, settings, counters, account))
            }
            ModeName::Pass => Mode::Pass(Pass::new(upstream, proxy)),
            ModeName::Observe => {
                // It is there: that was checked.
                let observe = section.observe.as_ref().ok_or_else(|| Wrong {
                    key: format!("routes.{name}.observe"),
                    why: "is needed in mode observe".to_owned(),
                })?;
                let wrong = |why| Wrong {
                    key: format!("routes.{name}.observe.file"),
                    why: format!("{:?} cannot be opened: {why}", observe.file),
                };
                let lines = Lines::open(Some(Path::new(&observe.file)), observe.queue, self.counters);
                let observed = match observe.mode {
                    ObserveAs::Http => As::Http(Box::new(section.checked(&format!("routes.{name}"))?)),
                    ObserveAs::SearchElasticsearch => {
                        As::Search(Box::new(section.search.rules(upstream.name())))
                    }
                };
                Mode::Observe(Observe::new(upstream, proxy, observed, lines.map_err(wrong)?))
            }
            ModeName::Http => {
                let settings = cache::Settings {
                    name: proxy.clone(),
                    rules: section.checked(&format!("routes.{name}"))?,
                    max_body: usize::try_from(section.max_body.get()).map_err(too_large)?,
                    keep_stale: section.keep_stale.get().as_secs(),
                };
                let weigh =
                    |cache: larder::cache::CacheBuilder<cache::Entry>| cache.weigher(cache::Entry::weight);
                let cache = larder.cache_with::<cache::Entry>(section.cache_name(), weigh)?;
                Mode::Http(Http::new(upstream, cache, settings, counters))
            }
        })
    }
}
