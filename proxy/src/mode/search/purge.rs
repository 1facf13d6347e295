//! Removing what an operator wants removed. An index is treated as if it had just been written to, since that is why somebody asks:
//! what is found of it may not be up to date yet.

use larder::Key;
use larder_http::{
    request::NotKeyed,
    search::{Endpoint, Targets, classify, key},
};

use super::{Asked, Search, Shared, gap::Mark, generations::Generations, with_request};
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
            What::Index(index) => {
                let targets = Targets::parse(index);
                let generations = Generations::of_write(&targets, &search.settings.names);
                search.purge_generations(&generations, true).await
            }
            // Not a clear of the cache: the marks of the refresh gap have to stay.
            What::All => {
                let generations = Generations::of_write(&Targets::everything(), &search.settings.names);
                search.purge_generations(&generations, true).await
            }
        })
    }

    /// The generations that a store has failed to end.
    pub fn owed(&self) -> Vec<String> {
        self.0.owed.all()
    }

    /// Takes over what another route owes.
    pub fn owe(&self, generations: &[String]) {
        if !generations.is_empty() {
            let count = self.0.owed.add(generations.iter().map(String::as_str));
            self.0.counters.invalidations_owed.set(count as u64);
        }
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
        let path = &like.target.path;
        match classify(like.parts.method.as_str(), path.path(), path.query()) {
            Endpoint::Read { .. } => {}
            Endpoint::Msearch { .. } | Endpoint::Mget { .. } => {
                return Err("its items are stored one by one; purge by index");
            }
            Endpoint::Pass { why } => return Err(why.text()),
            _ => return Err("a write"),
        }
        let asked = Asked { parts: like.parts.clone(), target: like.target.clone(), body: empty() };
        let keyed = with_request(&asked, &like.body, |request| key(request, &self.settings.rules));
        Ok(self.key(&asked, &keyed.map_err(NotKeyed::text)?))
    }

    async fn purge_generations(&self, generations: &Generations, was_written: bool) -> Purged {
        let marked = !was_written || self.mark(generations, Mark::AfterAnswer).await;
        self.end(generations, marked).await;
        if self.owed.any(generations.tags()) {
            return Purged::Failed(format!("the store failed; {OWED}"));
        }
        Purged::Done { existed: None }
    }
}
