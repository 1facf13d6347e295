//! What a server's answer says about an entry.

use bytes::Bytes;
use larder_core::{
    Entry, Miss, Result, backend::Lookup, clock::Timestamp, envelope, error::Operation, key::StoreKey,
    miss::Undecodable,
};
use larder_net::on_its_own;
use tokio::time::Instant;

use super::{Call, MemcachedBackend, unfit};
use crate::{
    protocol::{Mark, Reply, Request, WireKey},
    server::MemcachedServer,
};

/// An item as it is on the server, for those who want to change it.
pub(super) struct Item {
    pub(super) bytes: Bytes,
    /// Names the item's state to the server.
    pub(super) cas: u64,
    /// What is in it.
    pub(super) found: Result<Entry, Miss>,
}

impl MemcachedBackend {
    pub(super) async fn read(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        until: Option<Instant>,
    ) -> Result<Lookup> {
        let reply = self.look_at(wire, &Request::Get(wire), (Operation::Get, until)).await?;
        lookup(key, reply, self.locate(wire).0, self.clock.now())
    }

    /// Reads an item in order to change it; `None` if there is none.
    pub(super) async fn read_for_update(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        call: Call,
    ) -> Result<Option<Item>> {
        match self.look_at(wire, &Request::GetWithCas(wire), call).await? {
            Reply::Value { bytes, cas, mark } => {
                let found = entry(key, &bytes, mark);
                Ok(Some(Item { bytes, cas, found }))
            }
            Reply::Absent => Ok(None),
            other => Err(unfit(&other, self.locate(wire).0, call.0)),
        }
    }

    /// Whether what was found stands in the way of an `add` and is worth a `true` from `delete`.
    pub(super) fn is_live(&self, found: &Result<Entry, Miss>) -> bool {
        match found {
            Ok(entry) => entry.is_live(self.clock.now()),
            // What a newer program wrote is live for it. Other bytes are nobody's entry of this key.
            Err(miss) => miss.is_from_the_future(),
        }
    }
}

/// The answer to a `mg`.
fn lookup(key: &StoreKey<'_>, reply: Reply, server: &MemcachedServer, now: Timestamp) -> Result<Lookup> {
    match reply {
        Reply::Value { bytes, mark, .. } => Ok(unless_over(entry_apart(key, &bytes, mark), now)),
        Reply::Absent => Ok(Lookup::Miss(Miss::Absent)),
        other => Err(unfit(&other, server, Operation::Get)),
    }
}

/// What a `get` of many keys found for this one. It does not show what other clients marked an item as.
pub(super) fn value(key: &StoreKey<'_>, bytes: Option<Bytes>, now: Timestamp) -> Lookup {
    match bytes {
        Some(bytes) => unless_over(entry_apart(key, &bytes, Mark::default()), now),
        None => Lookup::Miss(Miss::Absent),
    }
}

/// What is over is absent, though the server keeps it up to two seconds longer: for reading as for conditions, or what was read
/// could not be replaced. Of a lease another process's clock says nothing.
fn unless_over(found: Result<Entry, Miss>, now: Timestamp) -> Lookup {
    match found {
        Ok(entry) if !entry.is_lease() && !entry.is_live(now) => Lookup::Miss(Miss::Absent),
        found => found.into(),
    }
}

/// What is in an item. Other clients of the meta protocol may have left a placeholder, or invalidated the item
/// softly.
pub(super) fn entry(key: &StoreKey<'_>, bytes: &Bytes, mark: Mark) -> Result<Entry, Miss> {
    unless_marked(bytes, mark)?;
    envelope::read(key, bytes)
}

/// The same for an entry that a program may keep, and with it what it is a part of.
fn entry_apart(key: &StoreKey<'_>, bytes: &Bytes, mark: Mark) -> Result<Entry, Miss> {
    unless_marked(bytes, mark)?;
    envelope::read_with(key, bytes, on_its_own)
}

fn unless_marked(bytes: &Bytes, mark: Mark) -> Result<(), Miss> {
    if mark.stale {
        return Err(Miss::Invalidated);
    }
    if bytes.is_empty() {
        let foreign = Undecodable::Foreign.into();
        return Err(if mark.claimed { Miss::Absent } else { foreign });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use larder_core::key::{Key, Namespace};

    use super::*;

    #[test]
    fn what_other_clients_leave_behind_is_a_miss_with_its_reason() {
        let namespace = Namespace::new("n", 0).unwrap();
        let key = Key::new("k");
        let key = StoreKey::new(&namespace, &key);
        let mark = |stale, claimed| Mark { stale, claimed };
        let foreign = Miss::Undecodable(Undecodable::Foreign);
        for (bytes, mark, miss) in [
            (&b""[..], mark(false, true), Miss::Absent),
            (b"", mark(false, false), foreign.clone()),
            (b"a:1:{}", mark(false, false), foreign.clone()),
            (b"a:1:{}", mark(false, true), foreign),
            (b"", mark(true, true), Miss::Invalidated),
            (b"LRD", mark(true, false), Miss::Invalidated),
            (b"LRD", mark(false, false), Miss::Undecodable(Undecodable::Length)),
        ] {
            assert_eq!(
                entry(&key, &Bytes::from_static(bytes), mark).unwrap_err(),
                miss,
                "{bytes:?} {mark:?}"
            );
        }
    }
}
