//! What the service does, whoever asks: the routes of the HTTP interface and `--compare` both come here.

mod answers;
mod failure;
mod requests;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use larder::{
    Cache, ErrorKind, Key, Larder,
    cache::{Encoded, Value},
};
use serde::Serialize;
use tokio::{sync::Semaphore, task};

use self::answers::SearchResult;
pub(crate) use self::{
    answers::{Accepts, JSON, PopularAnswer, SearchAnswer, Served},
    failure::Failure,
    requests::{PopularRequest, SearchRequest},
};
use crate::{
    caching::{self, FOUND, POPULAR_TAG},
    engine::{Document, Engine, Ids},
    tally::Tally,
};

/// How many crates a popular page has.
const POPULAR_SIZE: usize = 20;

/// The engine, and the caches in front of it. Cloning shares both.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    desk: Desk,
    pub(crate) search: Cached<SearchAnswer>,
    pub(crate) popular: Cached<PopularAnswer>,
}

/// A cache, and what came out of it.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    pub(crate) cache: Cache<T>,
    pub(crate) tally: Arc<Tally>,
}

/// What came of a request, and how long its halves took.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) served: Served,
    /// The half that always runs: which documents it is about. Nothing, where all is cached.
    pub(crate) ids_took: Duration,
    /// The half that is cached: what they are made into.
    pub(crate) answer_took: Duration,
}

/// What came of a new document.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) id: String,
    pub(crate) replaced: bool,
    /// The tags under which answers are out of date now.
    pub(crate) tags: Vec<String>,
    /// Whether those answers are gone. If not, they may be seen until their lives are over.
    pub(crate) invalidated: larder::Result<()>,
}

impl Service {
    /// A service on this engine, with the caches of this configuration.
    pub(crate) fn new(engine: Engine, larder: &Larder) -> larder::Result<Self> {
        Ok(Self {
            desk: Desk::new(engine),
            search: Cached::new(larder.cache(caching::SEARCH)?),
            popular: Cached::new(larder.cache(caching::POPULAR)?),
        })
    }

    /// The engine, for what is not cached.
    pub(crate) fn engine(&self) -> &Engine {
        &self.desk.engine
    }

    /// Answers a search: always asks for the ids, and makes an answer of them if the cache has none.
    pub(crate) async fn search(
        &self,
        request: SearchRequest,
        accepts: Accepts<'_>,
    ) -> Result<Outcome, Failure> {
        let request = Arc::new(request);
        let begun = Instant::now();
        let ids = self.desk.find(&request).await?;
        let ids_took = begun.elapsed();

        let begun = Instant::now();
        let key = caching::answer_key(&request, &ids);
        // How long it lives is not said here: that is a matter of configuration.
        let encoded = (self.search.cache.at(&key))
            .tags(caching::answer_tags(&ids))
            .user_meta(FOUND, ids.found.to_string())
            .get_or_load_encoded(self.desk.render_later(&request, &ids))
            .await;
        let served = match usable(encoded, accepts)? {
            Some(served) => served,
            None => Served::without_cache(json(&self.desk.render_later(&request, &ids)().await?)?),
        };
        self.search.tally.count(served.status);
        Ok(Outcome { served, ids_took, answer_took: begun.elapsed() })
    }

    /// A popular page.
    pub(crate) async fn popular(
        &self,
        request: PopularRequest,
        accepts: Accepts<'_>,
    ) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let key = caching::popular_key(&request);
        let load = self.desk.rank_later(&request);
        let encoded = self.popular.cache.at(&key).tag(POPULAR_TAG).get_or_load_encoded(load).await;
        let served = match usable(encoded, accepts)? {
            Some(served) => served,
            None => Served::without_cache(json(&self.desk.rank_later(&request)().await?)?),
        };
        self.popular.tally.count(served.status);
        Ok(Outcome { served, ids_took: Duration::ZERO, answer_took: begun.elapsed() })
    }

    /// Answers a search as if there were no cache.
    pub(crate) async fn search_without_cache(&self, request: SearchRequest) -> Result<Bytes, Failure> {
        let request = Arc::new(request);
        let ids = self.desk.find(&request).await?;
        json(&self.desk.render_later(&request, &ids)().await?)
    }

    /// The key under which a search is cached at the moment, and how many documents it finds.
    pub(crate) async fn search_key(&self, request: SearchRequest) -> Result<(Key, usize), Failure> {
        let request = Arc::new(request);
        let ids = self.desk.find(&request).await?;
        Ok((caching::answer_key(&request, &ids), ids.found))
    }

    /// A popular page as if there were no cache.
    pub(crate) async fn popular_without_cache(&self, request: &PopularRequest) -> Result<Bytes, Failure> {
        json(&self.desk.rank_later(request)().await?)
    }

    /// Adds a document or replaces the one with its id, and invalidates what shows it.
    ///
    /// In this order: an answer that begins to be made after the invalidation sees the new document, and one that began
    /// before is not stored.
    pub(crate) async fn put(&self, document: Document) -> Result<Put, Failure> {
        let id = document.id();
        let replaced = self.desk.compute(move |engine| engine.put(&document)).await?;
        let tag = caching::document_tag(&id);
        let shown = self.search.cache.invalidate_tag(&tag).await;
        let popular = self.popular.cache.invalidate_tag(POPULAR_TAG).await;
        Ok(Put { id, replaced, tags: vec![tag, POPULAR_TAG.to_owned()], invalidated: shown.and(popular) })
    }
}

impl<T: Value> Cached<T> {
    fn new(cache: Cache<T>) -> Self {
        Self { cache, tally: Arc::new(Tally::new()) }
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), tally: Arc::clone(&self.tally) }
    }
}

/// The engine, and whose turn it is. A loader outlives the request that began it, so it has its own copy.
#[derive(Debug, Clone)]
struct Desk {
    engine: Arc<Engine>,
    /// How many may compute at once: more than there are processors would only wait for each other.
    turns: Arc<Semaphore>,
}

impl Desk {
    fn new(engine: Engine) -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        Self { engine: Arc::new(engine), turns: Arc::new(Semaphore::new(processors)) }
    }

    async fn find(&self, request: &Arc<SearchRequest>) -> Result<Arc<Ids>, Failure> {
        let request = Arc::clone(request);
        let find = move |engine: &Engine| {
            engine.find(&request.query, request.org.as_deref(), request.start, request.size)
        };
        Ok(Arc::new(self.compute(find).await?))
    }

    /// Makes the answer: fetches the documents and finds the lines that are worth showing.
    ///
    /// The documents are fetched by their ids as they are when this runs, not as they were when the ids were found:
    /// otherwise an answer that is made just after an invalidation could still hold the old text.
    fn render_later(
        &self,
        request: &Arc<SearchRequest>,
        ids: &Arc<Ids>,
    ) -> impl FnOnce() -> BoxFuture<SearchAnswer> + Send + use<> {
        let (desk, request, ids) = (self.clone(), Arc::clone(request), Arc::clone(ids));
        let render = move |engine: &Engine| {
            let documents = engine.documents(&ids.ids)?;
            let result = |document| SearchResult::new(document, engine.passages(document, &request.query));
            Ok(SearchAnswer {
                q: request.q.clone(),
                org: request.org.clone(),
                start: request.start,
                size: request.size,
                found: ids.found,
                results: documents.iter().map(result).collect(),
            })
        };
        move || Box::pin(async move { desk.compute(render).await })
    }

    fn rank_later(
        &self,
        request: &PopularRequest,
    ) -> impl FnOnce() -> BoxFuture<PopularAnswer> + Send + use<> {
        let (desk, request) = (self.clone(), request.clone());
        let rank = move |engine: &Engine| {
            let counted_in = match &request.region {
                Some(region) if engine.has_org(region)? => Some(region.clone()),
                _ => None,
            };
            let crates = engine.popular(counted_in.as_deref(), request.gaia, POPULAR_SIZE)?;
            Ok(PopularAnswer { region: request.region, gaia: request.gaia, counted_in, crates })
        };
        move || Box::pin(async move { desk.compute(rank).await })
    }

    /// Computes on a thread that may be kept busy, when there is one free to do so.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> tantivy::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Failure::engine)?;
        let engine = Arc::clone(&self.engine);
        let computed = task::spawn_blocking(move || {
            let _turn = turn;
            work(&engine)
        });
        computed.await.map_err(Failure::engine)?.map_err(Failure::engine)
    }
}

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// What a cache gave. `None` if it has to be done without, since the answer is too large for it, say. Only what the
/// engine says is an error.
fn usable<T: Value>(
    encoded: larder::Result<Encoded<T>>,
    accepts: Accepts<'_>,
) -> Result<Option<Served>, Failure> {
    match encoded {
        Ok(encoded) => Ok(Served::from_cache(&encoded, accepts)),
        Err(error) => match (error.kind(), error.load_error::<Failure>()) {
            (_, Some(failure)) => Err(failure.clone()),
            (ErrorKind::Load | ErrorKind::Panicked, None) => Err(Failure::engine(error)),
            _ => {
                tracing::warn!(%error, "an answer went past the cache");
                Ok(None)
            }
        },
    }
}

fn json(answer: &impl Serialize) -> Result<Bytes, Failure> {
    Ok(serde_json::to_vec(answer).map_err(Failure::engine)?.into())
}
