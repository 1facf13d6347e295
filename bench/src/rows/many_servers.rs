//! The servers' half of the row `many`: a hundred keys in one call, against a hundred calls one after the other, and
//! against what clients have for it.
//!
//! One task; an operation is a hundred keys. The keys of an operation are all different and spread over the store.

mod memcached;
mod redis;

use larder::Key;

use super::redis::lanes::Done;
use super::redis::values::{KEYS, key, whole};
use crate::harness::RowDef;

/// How many keys an operation has.
const MANY: u32 = 100;

const ABOUT: &str =
    "100 keys in one call, against single calls and raw batches; servers on this machine, one task";

const OURS: &str = "larder, many";
const SINGLE: &str = "larder, a hundred calls";

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    vec![
        RowDef { name: "many", about: ABOUT, run: redis::run },
        RowDef { name: "many", about: ABOUT, run: memcached::run },
    ]
}

/// The numbers of an operation's keys. The step shares no factor with the number of keys, so they are all different.
fn ids(first: u32) -> impl Iterator<Item = u32> + Clone {
    (0..MANY).map(move |place| (first + place * 97) % KEYS)
}

/// The keys as Larder has them.
fn keys(first: u32) -> Vec<Key> {
    ids(first).map(|id| Key::new("item").part(id)).collect()
}

/// The keys as the raw clients have them.
fn raw_keys(part: &str, first: u32) -> Vec<String> {
    ids(first).map(|id| key(part, id)).collect()
}

/// That all values of bytes are there.
fn all_whole<V: AsRef<[u8]>>(values: impl IntoIterator<Item = Option<V>>) -> Done {
    let mut count = 0;
    for value in values {
        whole(value)?;
        count += 1;
    }
    complete(count)
}

/// That an operation has had its hundred answers.
fn complete(count: usize) -> Done {
    if count == MANY as usize { Ok(()) } else { Err(format!("{count} answers").into()) }
}
