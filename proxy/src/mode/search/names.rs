//! What is known of names of indices: what the configuration says, or a map of aliases that the upstream is asked for.
//!
//! The map is an entry of the cache that depends on writes to everything, which changes of aliases are. While there may be one, no
//! map is known: then each answer depends on each write, and each write ends everything.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header::ACCEPT};
use larder::{Fetched, Key, Loaded};
use larder_http::search::{AliasMap, Names};

use super::{
    Shared,
    entry::Entry,
    generations::{EVERYTHING, Generations},
};
use crate::body::{Read, empty, read};

/// The largest map that is read, in bytes.
const MAX_MAP: usize = 8 << 20;

/// What is known of names at some moment.
#[derive(Debug)]
pub(super) enum Known {
    /// What is configured.
    Configured(Arc<Names>),
    /// What the upstream has said.
    Asked(Fetched<Entry>),
    /// Nothing, at this moment.
    Unclear(Names),
}

impl Known {
    pub(super) fn names(&self) -> &Names {
        match self {
            Self::Configured(names) => names,
            Self::Unclear(names) => names,
            Self::Asked(fetched) => match &**fetched {
                Entry::Names(names) => names,
                _ => &Names::Unknown,
            },
        }
    }

    /// A map without names: each that is asked about is none that is known.
    fn unclear() -> Self {
        Self::Unclear(Names::Map(AliasMap::default()))
    }
}

/// There is no map.
#[derive(Debug)]
struct NoMap(&'static str);

impl fmt::Display for NoMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no map of aliases: {}", self.0)
    }
}

impl std::error::Error for NoMap {}

impl Shared {
    /// What is known of names now.
    pub(super) async fn names(self: &Arc<Self>) -> Known {
        let Some(ttl) = self.settings.alias_map else {
            return Known::Configured(Arc::clone(&self.settings.names));
        };
        let everything = Generations::everything();
        if self.owed.any(everything.tags()) {
            return Known::unclear();
        }
        let key = Key::new("aliases").part(self.upstream.name());
        let search = Arc::clone(self);
        let loader = move |_| async move {
            // An alias that is being changed has two meanings.
            if search.longest_now(&everything, false).await != Some(Duration::MAX) {
                return Err(NoMap("they are being changed"));
            }
            let map = search.ask_for_map().await.ok_or(NoMap("the upstream does not say them"))?;
            Ok(Loaded::new(Entry::Names(Names::Map(map))).ttl(ttl))
        };
        let call = self.cache.at(&key).tag(EVERYTHING).policy(|policy| policy.jitter(Duration::ZERO));
        match call.get_or_load_with(loader).await {
            Ok(found) if matches!(&*found, Entry::Names(_)) && found.age() <= ttl => Known::Asked(found),
            Ok(_) => Known::unclear(),
            Err(error) => {
                tracing::debug!(%error, "aliases are not known");
                Known::unclear()
            }
        }
    }

    async fn ask_for_map(&self) -> Option<AliasMap> {
        let request =
            Request::builder().method(Method::GET).uri("/_alias").header(ACCEPT, "application/json");
        let answer = self.upstream.ask(request.body(empty()).ok()?).await.ok()?;
        if answer.status() != http::StatusCode::OK {
            tracing::warn!(status = %answer.status(), "the upstream refuses GET /_alias; each answer depends on each write");
            return None;
        }
        let body: Bytes = match read(answer.into_body(), MAX_MAP).await {
            Ok(Read::Whole(body)) => body,
            _ => return None,
        };
        AliasMap::read(&body)
    }
}
