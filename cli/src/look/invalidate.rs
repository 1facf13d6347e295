//! `larder invalidate` and `larder clear`: many entries at once, as one small write.

use clap::{ArgGroup, Args};
use larder::{Cache, Key};
use serde_json::{Value, json};

use super::{key::pretty, open_cache, place_of, store_of, wait};
use crate::{
    exit::{Failure, Outcome},
    open::Source,
    screen::say,
};

/// What may be said to `larder invalidate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["tag", "key", "namespace"])))]
pub(crate) struct Invalidate {
    /// Every entry of the cache with this tag.
    #[arg(long, value_name = "TAG", requires = "cache")]
    tag: Option<String>,
    /// This key of the cache.
    #[arg(long, value_name = "KEY", requires = "cache")]
    key: Option<String>,
    /// Everything in this namespace and below it, whatever its schema: shop, shop/users.
    #[arg(long, value_name = "PATH", requires = "store")]
    namespace: Option<String>,
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: Option<String>,
    /// The store of the namespace.
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// What is there becomes stale instead of gone: it is served while one caller loads it again.
    #[arg(long, conflicts_with = "namespace")]
    softly: bool,
    #[command(flatten)]
    source: Source,
}

/// What may be said to `larder clear`.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: String,
    #[command(flatten)]
    source: Source,
}

/// Invalidates a tag, a key or a namespace.
pub(crate) fn run(arguments: &Invalidate, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        if let (Some(path), Some(name)) = (&arguments.namespace, &arguments.store) {
            let store = larder
                .store(name)
                .ok_or_else(|| Failure::new(format!("there is no store {name:?} in the configuration")))?;
            let cache = Cache::<Value>::builder(store).namespace(path).build()?;
            if !cache.capabilities().shared {
                return Err(Failure::new(format!(
                    "the store {name:?} is in the memory of each process that has it; restart the process, or call clear in it"
                )));
            }
            return done(
                cache.clear().await,
                &format!("the namespace {path} in the store {name:?} ({})", place_of(&larder, name)),
                as_json,
            );
        }
        // The arguments are checked to have it.
        let name = arguments.cache.as_deref().unwrap_or_default();
        let cache = open_cache::<Value>(&larder, name)?;
        let store = store_of(&larder, name).unwrap_or_default();
        let place = format!("of the cache {name:?} in the store {store:?} ({})", place_of(&larder, &store));
        match (&arguments.tag, &arguments.key) {
            (Some(tag), _) if arguments.softly => {
                done(cache.expire_tag(tag).await, &format!("the tag {tag} {place}"), as_json)
            }
            (Some(tag), _) => {
                done(cache.invalidate_tag(tag).await, &format!("the tag {tag} {place}"), as_json)
            }
            (None, Some(text)) => {
                let key = Key::parse(text).ok_or_else(|| {
                    Failure::new(format!(
                        "{text:?} is no key; write it as it stands in the store, such as 'user:#7'"
                    ))
                })?;
                let changed =
                    if arguments.softly { cache.expire(&key).await } else { cache.delete(&key).await };
                done(changed.map(|_| ()), &format!("{key} {place}"), as_json)
            }
            (None, None) => Err(Failure::new("give --tag, --key or --namespace")),
        }
    })
}

/// Invalidates everything in a cache.
pub(crate) fn clear(arguments: &Clear, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let cache = open_cache::<Value>(&larder, &arguments.cache)?;
        let store = store_of(&larder, &arguments.cache).unwrap_or_default();
        let what = format!(
            "everything of the cache {:?} in the store {store:?} ({})",
            arguments.cache,
            place_of(&larder, &store)
        );
        done(cache.clear().await, &what, as_json)
    })
}

fn done(result: larder::Result<()>, what: &str, as_json: bool) -> Result<Outcome, Failure> {
    match result {
        Ok(()) => {
            let text = format!("invalidated {what}");
            say(&if as_json { pretty(&json!({ "done": text })) } else { text });
            Ok(Outcome::Done)
        }
        Err(why) => Err(Failure::new(format!("invalidating {what}: {}", why.chain()))),
    }
}
