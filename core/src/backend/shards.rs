//! Stores that fail in parts.

use crate::key::StoreKey;

/// A store of several servers that fail one by one, each of which has its own keys.
///
/// The engine keeps the versions of tags and namespaces once for each shard, so that an entry is checked against a version on
/// its own server: one that is down fails its own keys and no others, and one that is back empty invalidates its own.
///
/// # Contract
/// - [`count`](Self::count) does not change, and is at least one.
/// - [`of`](Self::of) is below it, and the same for one key each time. Different processes may number the shards differently.
/// - A key that says on which shard it is ([`StoreKey::shard`]) is placed there, whatever its text; `of` answers with that
///   number. A number that is too large means any shard.
/// - In bulk operations, a shard that fails fails its own keys only, in time for the caller to receive the others' answers.
pub trait Shards: Send + Sync {
    /// How many there are.
    fn count(&self) -> u16;

    /// Which one has this key.
    fn of(&self, key: &StoreKey<'_>) -> u16;

    /// What it is called in messages, without credentials.
    fn name(&self, shard: u16) -> String;
}
