//! Formats and codecs: what is written, what can be read, and what cannot be.

mod compressing;
mod damaged;
mod encoded;
mod formats;
mod lazily;
mod run_length;
mod switching;

use std::sync::Arc;

use larder_core::{
    Codec, Entry, Key,
    backend::SetOptions,
    cache::{CacheBuilder, Value},
    codec::Compression,
    entry::{Body, Meta},
    format::MessagePack,
};

use self::run_length::RunLength;
use crate::{
    case::Case,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Probe,
};

pub(crate) fn cases() -> Vec<Case> {
    [formats::CASES, compressing::CASES, switching::CASES, damaged::CASES, lazily::CASES, encoded::CASES]
        .concat()
}

/// Compression with this codec from so many bytes on.
fn compression(codec: impl Codec, threshold: usize) -> Compression {
    Compression::new(Arc::new(codec), threshold)
}

/// MessagePack and no compression, whatever the suite is run with.
fn plainly<T: Value>(builder: CacheBuilder<T>) -> CacheBuilder<T> {
    builder.format(MessagePack).compression(None)
}

fn plain(t: &Context) -> Probe {
    t.cache_with("plain", plainly)
}

/// A cache that compresses with the suite's own codec from so many bytes on.
fn compressing(t: &Context, threshold: usize) -> Probe {
    let codec = Some(compression(RunLength::default(), threshold));
    t.cache_with("compressing", |builder| plainly(builder).compression(codec))
}

/// The body that is stored under this key.
async fn body(cache: &Probe, key: &str) -> Result<Body, Failure> {
    let encoded = cache.cache().get_encoded(&Key::new(key)).await?;
    encoded.map(|encoded| encoded.body().clone()).ok_or_else(|| Failure::new("a hit", "a miss"))
}

/// Puts an entry with this body where the cache looks for its own, as another program of the same cache would.
async fn plant(t: &Context, cache: &Probe, key: &str, body: Body) -> Verdict {
    cache.set(key, "the entry whose metadata is taken over").await?;
    let store = t.direct();
    let Some(written) = store.look_up(key).await?.entry() else {
        return Err(Failure::new("the entry that was just written", "a miss"));
    };
    let fresh = Meta::new(written.meta().created, written.meta().lifetime);
    let meta = written.meta().clone().with_revision(fresh.revision);
    let options = SetOptions::new(cache.cache().default_ttl());
    same(store.put(&Key::new(key), &Entry::from_body(body, meta), options).await?, true)
}
