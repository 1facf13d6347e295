//! What the rows with servers keep: the keys, the values, and how a store is filled.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::lanes::Done;
use crate::harness::values::{Item, zipf};

/// How many keys each store holds: ten stores of them side by side stay far from the memory of a small machine.
pub(crate) const KEYS: u32 = 10_000;

/// The length of a value of bytes.
pub(crate) const VALUE: usize = 1024;

/// The time to live of everything that is written.
pub(crate) const TTL: Duration = Duration::from_hours(1);

/// How many tasks fill a store.
const FILLERS: u32 = 64;

/// The keys that are asked for, one after the other.
pub(crate) fn picks() -> Arc<[u32]> {
    zipf(KEYS, 1 << 16, 7)
}

/// The key of a number in this part of the server, built for each operation as services do.
pub(crate) fn key(part: &str, id: u32) -> String {
    format!("{part}:item:{id}")
}

/// The value of a number: 1 KiB, always the same.
pub(crate) fn bytes(id: u32) -> Bytes {
    static VALUES: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
        (0..KEYS)
            .map(|id| {
                let mut text = Item::sized(id, VALUE).text.into_bytes();
                text.truncate(VALUE);
                Bytes::from(text)
            })
            .collect()
    });
    VALUES[id as usize].clone()
}

/// The struct of a number, made once.
pub(crate) fn item(id: u32) -> &'static Item {
    static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| (0..KEYS).map(Item::numbered).collect());
    &ITEMS[id as usize]
}

/// That a value of bytes is there.
pub(crate) fn whole(value: Option<impl AsRef<[u8]>>) -> Done {
    match value {
        Some(value) if value.as_ref().len() == VALUE => Ok(()),
        Some(value) => Err(format!("a value of {} bytes", value.as_ref().len()).into()),
        None => Err("a miss".into()),
    }
}

/// That a struct is there, and the right one.
pub(crate) fn right(id: u32, item: Option<&Item>) -> Done {
    match item {
        Some(item) if item.id == u64::from(id) => Ok(()),
        Some(_) => Err("another key's value".into()),
        None => Err("a miss".into()),
    }
}

/// Writes all keys, many at a time.
pub(crate) async fn fill<F, Fut>(set: F) -> Done
where
    F: Fn(u32) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Done> + Send,
{
    let set = Arc::new(set);
    let mut fillers = JoinSet::new();
    for filler in 0..FILLERS {
        let set = Arc::clone(&set);
        fillers.spawn(async move {
            for id in (filler..KEYS).step_by(FILLERS as usize) {
                set(id).await?;
            }
            Done::Ok(())
        });
    }
    while let Some(filled) = fillers.join_next().await {
        filled??;
    }
    Ok(())
}
