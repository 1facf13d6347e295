//! Reading extends a TTL, where the policy says so.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::{freshness::Life, kit::Kit};
use crate::{
    backend::Condition,
    clock::Timestamp,
    entry::Entry,
    key::{Key, StoreKey},
    policy::Policy,
    value::Value,
};

/// How long an entry is left alone whose TTL could not be extended.
const PAUSE: Duration = Duration::from_secs(1);

/// Resets an entry's TTL if it is time: one at a time for each key, however many read it.
pub(crate) async fn slide<T: Value>(
    kit: &Arc<Kit<T>>,
    policy: &Policy,
    key: &StoreKey<'_>,
    entry: &Entry,
    now: Timestamp,
) {
    if !policy.is_sliding(entry.meta(), now) || !kit.touching.begin(key.seeded_hash(), now, PAUSE) {
        return;
    }
    let Some(life) = policy.slide(entry.meta(), now) else { return };
    if kit.store.is_here() {
        return touch(kit, key.key(), entry, life).await;
    }
    // A round trip, for which the reader does not wait.
    if let Ok(runtime) = Handle::try_current() {
        let (kit, key, entry) = (Arc::clone(kit), key.key().clone(), entry.clone());
        runtime.spawn(async move { touch(&kit, &key, &entry, life).await }.in_current_span());
    }
}

async fn touch<T: Value>(kit: &Kit<T>, key: &Key, entry: &Entry, life: Life) {
    let key = StoreKey::new(&kit.namespace, key);
    kit.store.keep_stamps(&key, entry, life.1, kit.store.budget()).await;
    // What somebody else has written meanwhile has a TTL of its own.
    let condition = if kit.store.capabilities().compare_and_set {
        Condition::Unchanged(entry.token())
    } else {
        Condition::Present
    };
    if kit.store.touch(&key, life, condition, None).await.is_ok() {
        kit.touching.end(key.seeded_hash());
    }
}
