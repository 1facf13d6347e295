//! Bytes from a store are hostile: whatever stands under a key is an entry of it, or a miss with a reason.

mod conditions;
mod damage;
mod foreign;
mod future;
mod repair;

use bytes::Bytes;
use larder_core::{
    Key,
    backend::GetOptions,
    envelope::Envelope,
    key::StoreKey,
    miss::{Miss, Undecodable},
};

use crate::{
    case::Case,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Probe,
};

pub(crate) fn cases() -> Vec<Case> {
    [conditions::CASES, damage::CASES, foreign::CASES, future::CASES, repair::CASES].concat()
}

/// The envelope of what is stored under this key.
async fn envelope(t: &Context, key: &Key) -> Result<Vec<u8>, Failure> {
    let store = t.direct();
    let place = StoreKey::new(store.namespace(), key);
    match t.backend().get(&place, &GetOptions::new()).await?.entry() {
        Some(entry) => Ok(Envelope::write(&place, &entry).await?.to_bytes().to_vec()),
        None => Err(Failure::new("the entry that was just written", "a miss")),
    }
}

/// Puts these bytes under the key.
async fn put(t: &Context, key: &Key, bytes: &[u8]) {
    t.vandalize(&t.direct().text_of(key), bytes).await;
}

/// With these bytes under it, the key is a miss because they cannot be read: not a hit, and not an error.
async fn is_unreadable(t: &Context, cache: &Probe, key: &Key, bytes: &[u8]) -> Result<Undecodable, Failure> {
    put(t, key, bytes).await;
    match cache.look_up(key.clone()).await? {
        Err(Miss::Undecodable(why)) => Ok(why),
        other => Err(Failure::new("a miss because the bytes cannot be read", format_args!("{other:?}"))),
    }
}

/// These very bytes are stored.
async fn is_stored(t: &Context, key: &Key, bytes: &[u8]) -> Verdict {
    let seen = t.stored_bytes(&t.direct().text_of(key)).await;
    holds(seen.as_deref() == Some(bytes), "the same bytes as before", seen.map(Bytes::from))
}

/// The envelope of a value that was written under "k".
async fn written(t: &Context, cache: &Probe, value: &str) -> Result<(Key, Vec<u8>), Failure> {
    let key = Key::new("k");
    cache.set("k", value).await?;
    let bytes = envelope(t, &key).await?;
    put(t, &key, &bytes).await;
    // What makes every miss below mean something.
    same(cache.get("k").await?, Some(value.into()))?;
    Ok((key, bytes))
}
