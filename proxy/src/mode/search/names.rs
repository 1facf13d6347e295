//! What is known of names of indices: what the configuration says, or a map of aliases and data streams that the upstream is asked for.
//!
//! The map is an entry of the cache that depends on changes of aliases. While there is none, each answer depends on each write, and each
//! write ends everything: nobody has to wait for it ([`mapping`](super::mapping)).

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::ACCEPT};
use larder::{Fetched, Key, Loaded, Status};
use larder_http::search::{AliasMap, Names};

use super::{
    Shared,
    entry::Entry,
    generations::{EVERYTHING, Generations, NAMES},
};
use crate::body::{Read, empty, read};

/// The largest answer that is read for a map, in bytes.
const MAX_MAP: usize = 8 << 20;
/// For how long after its end a map is kept at least, so that the next can be compared with it.
const COMPARED: Duration = Duration::from_hours(1);
/// How long somebody may wait for a map that is being asked for.
const MOMENT: Duration = Duration::from_millis(250);

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

/// The store could not say whether there is a map.
struct StoreFailed;

/// Why there is no map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMap {
    /// Aliases are being changed, or were just now. It is soon over.
    Changing,
    /// It says something else than the one before, on which answers depend.
    Differs,
    /// The store does not keep it: aliases were changed meanwhile, or it is too large.
    NotKept,
    /// The upstream does not say, and why.
    Upstream(&'static str),
}

impl fmt::Display for NoMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changing => "aliases are being changed",
            Self::Differs => "aliases have changed",
            Self::NotKept => "the store does not keep the map",
            Self::Upstream(why) => why,
        })
    }
}

impl std::error::Error for NoMap {}

impl Shared {
    /// What is known of names now.
    pub(super) async fn names(self: &Arc<Self>) -> Known {
        let Some(ttl) = self.settings.alias_map else {
            return Known::Configured(Arc::clone(&self.settings.names));
        };
        if self.account.owed.any([EVERYTHING, NAMES].into_iter()) {
            return Known::unclear();
        }
        match self.map(ttl).await {
            // Whoever asks needs the store as well.
            Err(StoreFailed) => return Known::unclear(),
            Ok(Some(found)) => {
                if found.age() > ttl / 4 * 3 {
                    self.ask_for_names();
                }
                return Known::Asked(found);
            }
            Ok(None) => {}
        }
        let Some(asking) = self.ask_for_names() else { return Known::unclear() };
        if !asking.over(MOMENT).await {
            self.mapping.is_late();
            return Known::unclear();
        }
        self.map(ttl).await.ok().flatten().map_or_else(Known::unclear, Known::Asked)
    }

    fn map_key(&self) -> Key {
        Key::new("aliases").part(self.upstream.name())
    }

    async fn map(&self, ttl: Duration) -> Result<Option<Fetched<Entry>>, StoreFailed> {
        let found = self.worked("look names up", self.cache.get(&self.map_key()).await).ok_or(StoreFailed)?;
        Ok(found.filter(|found| matches!(&**found, Entry::Names(_)) && found.age() <= ttl))
    }

    /// Asks for the map, and keeps it.
    pub(super) async fn load_map(self: &Arc<Self>, ttl: Duration) -> Result<(), NoMap> {
        let loaded = self.load_map_once(ttl).await;
        if loaded != Err(NoMap::Differs) {
            return loaded;
        }
        // What was answered under the one before does not depend on what is written by the new one.
        self.end(&Generations::names(), true).await;
        self.load_map_once(ttl).await
    }

    async fn load_map_once(self: &Arc<Self>, ttl: Duration) -> Result<(), NoMap> {
        let (search, key) = (Arc::clone(self), self.map_key());
        let loader = move |_| async move {
            // An alias that is being changed has two meanings.
            if search.longest_now(&Generations::names(), false).await != Some(Duration::MAX) {
                return Err(NoMap::Changing);
            }
            let map = search.ask_for_map().await?;
            let before = search.cache.at(&search.map_key()).from_store().get().await;
            let before = before.map_err(|_| NoMap::Changing)?;
            if let Some(Entry::Names(Names::Map(before))) = before.as_deref()
                && !map.extends(before)
            {
                return Err(NoMap::Differs);
            }
            let kept = ttl.saturating_add(search.settings.ttl.max(COMPARED));
            Ok(Loaded::new(Entry::Names(Names::Map(map))).ttl(kept))
        };
        let policy = |policy: larder::Policy| policy.jitter(Duration::ZERO).stale_if_error(Duration::ZERO);
        let call = self.cache.at(&key).tag(NAMES).policy(policy).fresh();
        match call.get_or_load_with(loader).await {
            Ok(found) if found.status() == Status::Loaded => Ok(()),
            Ok(_) => Err(NoMap::NotKept),
            Err(error) => Err(error.load_error::<NoMap>().copied().unwrap_or(NoMap::Changing)),
        }
    }

    async fn ask_for_map(&self) -> Result<AliasMap, NoMap> {
        let no = |why| move |()| NoMap::Upstream(why);
        let why = "it does not answer GET /_alias";
        let (status, body) = self.ask_without_credentials("/_alias").await.map_err(no(why))?;
        let map = (status == StatusCode::OK).then(|| AliasMap::read(&body)).flatten();
        let map = map.ok_or(NoMap::Upstream("it refuses GET /_alias, which is asked without credentials"))?;
        let why = "it does not answer GET /_data_stream";
        let (status, body) = self.ask_without_credentials("/_data_stream").await.map_err(no(why))?;
        match status {
            StatusCode::OK => {
                map.with_data_streams(&body).ok_or(NoMap::Upstream("its data streams cannot be read"))
            }
            // An engine that knows of no data streams has none.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(map),
            _ => Err(NoMap::Upstream("it refuses GET /_data_stream, which is asked without credentials")),
        }
    }

    /// The answer to a request without credentials.
    pub(super) async fn ask_without_credentials(&self, path: &str) -> Result<(StatusCode, Bytes), ()> {
        let request =
            Request::builder().method(Method::GET).uri(path).header(ACCEPT, "application/json").body(empty());
        let answer = self.upstream.ask(request.map_err(drop)?).await.map_err(drop)?;
        let status = answer.status();
        match read(answer.into_body(), MAX_MAP).await {
            Ok(Read::Whole(body)) => Ok((status, body)),
            _ => Err(()),
        }
    }
}
