//! Removing what an operator wants removed. An index is treated as if it had just been written to, since that is why somebody asks:
//! what is found of it may not be up to date yet.

use std::sync::Arc;

use larder::Key;
use larder_http::{
    request::NotKeyed,
    search::{Endpoint, Targets, classify},
    solr,
};

use super::{Asked, Engine, Owed, Search, Shared, gap::Mark, generations::Generations, with_request};
use crate::{
    body::empty,
    mode::purge::{Like, Purged, What},
};

/// What a store that fails means here.
const OWED: &str = "what depends on it is not answered from the cache by this proxy until the store can be reached; \
                    other proxies on the store may serve it until its TTL is over";

impl Search {
    /// Removes it.
    pub async fn purge(&self, what: &What) -> Option<Purged> {
        let search = &self.0;
        Some(match what {
            What::Key(like) => search.purge_key(like).await,
            What::Tag(tag) => search.purge_generations(&Generations::from(vec![tag.clone()]), false).await,
            // Bodies depend on everything.
            What::Index(index) if search.settings.engine != Engine::Verified => {
                let known = search.names().await;
                let generations = Generations::of_write(&Targets::parse(index), known.names());
                search.purge_generations(&generations, true).await
            }
            // Not a clear of the cache: the marks of the refresh gap have to stay.
            What::All | What::Index(_) => {
                search.purge_generations(&Generations::everything_and_names(), true).await
            }
        })
    }

    /// What is owed to its cache.
    pub(crate) fn owed(&self) -> &Arc<Owed> {
        &self.0.account.owed
    }
}

impl Shared {
    async fn purge_key(&self, like: &Like) -> Purged {
        let key = match self.key_of(like) {
            Ok(key) => key,
            Err(why) => return Purged::NeverStored(why),
        };
        match self.cache.delete(&key).await {
            Ok(existed) => Purged::Done { existed: Some(existed) },
            Err(error) => {
                self.counters.store_failures.up();
                Purged::Failed(format!("{error}; it may be served until its TTL is over"))
            }
        }
    }

    fn key_of(&self, like: &Like) -> Result<Key, &'static str> {
        let (method, path) = (like.parts.method.as_str(), &like.target.path);
        let is_read = match self.settings.engine {
            Engine::Solr => {
                matches!(solr::classify(method, path.path(), path.query()), solr::Endpoint::Read { .. })
            }
            Engine::Verified => {
                return Err("what is kept is checked each time; purge everything to remove it");
            }
            Engine::Elasticsearch => match classify(method, path.path(), path.query()) {
                Endpoint::Read { .. } => true,
                Endpoint::Msearch { .. } | Endpoint::Mget { .. } => {
                    return Err("its items are stored one by one; purge by index");
                }
                Endpoint::Pass { why } => return Err(why.text()),
                _ => false,
            },
        };
        if !is_read {
            return Err("a write");
        }
        let asked = Asked { parts: like.parts.clone(), target: like.target.clone(), body: empty() };
        let question = with_request(&asked, &like.body, |request| self.question(request));
        Ok(self.key("search", &asked, &question.map_err(NotKeyed::text)?.digest))
    }

    async fn purge_generations(&self, generations: &Generations, was_written: bool) -> Purged {
        let marked = !was_written || self.mark(generations, Mark::AfterAnswer).await;
        self.end(generations, marked).await;
        if self.account.owed.any(generations.tags()) {
            return Purged::Failed(format!("the store failed; {OWED}"));
        }
        Purged::Done { existed: None }
    }
}
