//! What callers do to a key that wins over a load of it.

use std::convert::Infallible;

use larder_core::{Cache, Key};

use super::Gate;

/// What wins over a load.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    Set,
    SetMany,
    Add,
    Delete,
    DeleteMany,
    Take,
    Expire,
    InvalidateTag,
    ExpireTag,
    Clear,
}

impl Deed {
    pub async fn by(self, cache: &Cache<u64>, key: &Key) {
        match self {
            Self::Set => cache.set(key, 9).await.unwrap(),
            Self::SetMany => {
                for written in cache.set_many([(key.clone(), 9), (Key::new("x"), 9)]).await.unwrap() {
                    written.unwrap();
                }
            }
            Self::Add => assert!(cache.add(key, 9).await.unwrap()),
            Self::Delete => drop(cache.delete(key).await.unwrap()),
            Self::DeleteMany => drop(cache.delete_many([key, &Key::new("x")]).await.unwrap()),
            Self::Take => drop(cache.take(key).await.unwrap()),
            Self::Expire => drop(cache.expire(key).await.unwrap()),
            Self::InvalidateTag => cache.invalidate_tag("t").await.unwrap(),
            Self::ExpireTag => cache.expire_tag("t").await.unwrap(),
            Self::Clear => cache.clear().await.unwrap(),
        }
    }

    /// What is there afterwards.
    pub fn leaves(self) -> Option<u64> {
        matches!(self, Self::Set | Self::SetMany | Self::Add).then_some(9)
    }
}

pub const DEEDS: [Deed; 10] = [
    Deed::Set,
    Deed::SetMany,
    Deed::Add,
    Deed::Delete,
    Deed::DeleteMany,
    Deed::Take,
    Deed::Expire,
    Deed::InvalidateTag,
    Deed::ExpireTag,
    Deed::Clear,
];

/// A load of this key and another, which waits at the gate and makes 1 of each; what it gives for this one.
pub fn loads_in_bulk(cache: &Cache<u64>, key: &Key, gate: &Gate) -> tokio::task::JoinHandle<Option<u64>> {
    let (cache, key, gate) = (cache.clone(), key.clone(), gate.clone());
    tokio::spawn(async move {
        let keys = [key, Key::new("beside")];
        let answers = cache.get_or_load_many(&keys, |missing| async move {
            gate.pass().await;
            Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 1)))
        });
        answers.await.unwrap().value(0).map(|value| **value)
    })
}
