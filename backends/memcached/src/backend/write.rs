//! Writing and removing one entry.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use larder_core::{
    Entry, Error, ErrorKind, Miss, Result,
    backend::{Condition, SetOptions, TouchOptions},
    entry::Lifetime,
    envelope::{self, Envelope},
    error::Operation,
    key::StoreKey,
};
use larder_net::{Repeat, again};

use super::{
    Call, MemcachedBackend,
    read::{self, Item},
    unfit,
};
use crate::{
    expiry::server_seconds,
    protocol::{Body, Mode, Reply, Request, WireKey},
    server::MemcachedServer,
};

/// How often a change is tried anew when somebody else was faster. Each time, somebody's write took place.
const TRIES: usize = 32;

impl MemcachedBackend {
    pub(super) async fn write(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        entry: &Entry,
        options: &SetOptions,
    ) -> Result<bool> {
        let body = body(key, entry).await?;
        let ttl = server_seconds(options.ttl);
        let call = (Operation::Set, options.until);
        if options.condition != Condition::Always {
            return self.write_if(key, wire, (body, ttl), options.condition, call).await;
        }
        let server = self.locate(wire).0;
        let too_large = match check_size(server, &body) {
            Err(too_large) => too_large,
            Ok(()) => match stored(&self.store(wire, Mode::Set, (body, ttl), call).await?, server) {
                Err(error) if error.kind() == ErrorKind::TooLarge => error,
                written => return written,
            },
        };
        self.remove_for(wire, call).await?;
        Err(too_large)
    }

    /// A conditional write.
    async fn write_if(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        (body, ttl): (Body, u32),
        condition: Condition,
        call: Call,
    ) -> Result<bool> {
        let server = self.locate(wire).0;
        // A server that refuses a write for its size removes what was there, also where a condition should have
        // protected it: so nothing is sent whose size was not checked. Having asked anything at all teaches a
        // store that has just begun what the limit is.
        let mut look = condition != Condition::Absent || server.max_value().is_none();
        for round in 0..TRIES {
            pause(round).await;
            let mode = if look { self.mode(key, wire, condition, call).await? } else { Some(Mode::Add) };
            let Some(mode) = mode else { return Ok(false) };
            check_size(server, &body)?;
            match self.store(wire, mode, (body.clone(), ttl), call).await? {
                Reply::Done => return Ok(true),
                // Somebody was faster, or what stands in the way of an `add` may be over: look.
                Reply::NotStored | Reply::Changed | Reply::Absent => look = true,
                other => return Err(unfit(&other, server, Operation::Set)),
            }
        }
        Err(contended(Operation::Set))
    }

    /// Looks whether the condition holds, and under which one of the server's the write then takes place.
    async fn mode(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        condition: Condition,
        call: Call,
    ) -> Result<Option<Mode>> {
        let Some(item) = self.read_for_update(key, wire, call).await? else {
            return Ok((condition == Condition::Absent).then_some(Mode::Add));
        };
        let holds = match condition {
            Condition::Absent => !self.is_live(&item.found),
            // What was live a moment ago may be replaced whatever it is by now: that counts as done in that moment.
            Condition::Present => return Ok(self.is_live(&item.found).then_some(Mode::Replace)),
            _ => self.is_meant(&item.found, condition, Operation::Set)?,
        };
        holds.then(|| state(item.cas, Operation::Set).map(Mode::Unchanged)).transpose()
    }

    async fn store(&self, wire: &WireKey, mode: Mode, (body, ttl): (Body, u32), call: Call) -> Result<Reply> {
        self.change(wire, &Request::Set { key: wire, mode, ttl, body }, call).await
    }

    /// Removes the old value in whose place one should be that is too large. If that fails, the caller must not
    /// say that the value was too large, which would mean that the key is absent. It must not stay, whoever wrote it: so it
    /// is asked for as insistently as a read.
    pub(super) async fn remove_for(&self, wire: &WireKey, call: Call) -> Result<()> {
        match self.look_at(wire, &Request::Delete(wire), call).await? {
            Reply::Done | Reply::Absent => Ok(()),
            other => Err(unfit(&other, self.locate(wire).0, Operation::Set)),
        }
    }

    pub(super) async fn touch_one(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        options: &TouchOptions,
    ) -> Result<bool> {
        let call = (Operation::Touch, options.until);
        if options.ttl.is_zero() {
            return self.remove_one(key, wire, options.condition, call).await;
        }
        for round in 0..TRIES {
            pause(round).await;
            let Some(item) = self.read_for_update(key, wire, call).await? else {
                return Ok(false);
            };
            let Some(request) = self.touching(key, wire, &item, options)? else { return Ok(false) };
            let reply = self.change(wire, &request, call).await?;
            if let Some(touched) = self.touched(&item, &reply, self.locate(wire).0)? {
                return Ok(touched);
            }
        }
        Err(contended(Operation::Touch))
    }

    /// What gives this item its new TTL; `None` if it is not the one that is meant.
    pub(super) fn touching<'w>(
        &self,
        key: &StoreKey<'_>,
        wire: &'w WireKey,
        item: &Item,
        options: &TouchOptions,
    ) -> Result<Option<Request<'w>>> {
        // What a newer program wrote may have its times elsewhere.
        if item.found.is_err() || !self.is_meant(&item.found, options.condition, Operation::Touch)? {
            return Ok(None);
        }
        let body = with_lifetime(key, &item.bytes, options.lifetime);
        let mode = Mode::Unchanged(state(item.cas, Operation::Touch)?);
        Ok(Some(Request::Set { key: wire, mode, ttl: server_seconds(options.ttl), body }))
    }

    /// What the reply to [`touching`](Self::touching) means; `None` if it has to be tried again.
    pub(super) fn touched(
        &self,
        item: &Item,
        reply: &Reply,
        server: &MemcachedServer,
    ) -> Result<Option<bool>> {
        match reply {
            Reply::Done => Ok(Some(true)),
            Reply::Absent => Ok(Some(false)),
            // Somebody wrote in between, and the new TTL is taken as given just before that: the write
            // replaced it. Not so when the entry ended meanwhile, for then the writer may have added
            // where a touch in time would have left nothing to add.
            Reply::Changed => Ok(self.is_live(&item.found).then_some(true)),
            other => Err(unfit(other, server, Operation::Touch)),
        }
    }

    pub(super) async fn remove_one(
        &self,
        key: &StoreKey<'_>,
        wire: &WireKey,
        condition: Condition,
        call: Call,
    ) -> Result<bool> {
        let (operation, until) = call;
        if is_unconditional(condition) {
            let (server, connection) = self.locate(wire);
            let ask = || connection.ask_many(removal(wire)).whole();
            let replies = again(self.limits, (Repeat::Never, until), ask).await;
            return match replies.map(<[Reply; 2]>::try_from) {
                Ok(Ok(replies)) => self.removed(key, replies, server),
                Err(failure) => Err(failure.during(operation)),
                // There are as many replies as requests, or a failure.
                Ok(Err(_)) => Err(unfit(&Reply::Done, server, operation)),
            };
        }
        for round in 0..TRIES {
            pause(round).await;
            let Some(item) = self.read_for_update(key, wire, call).await? else { return Ok(false) };
            if !self.is_meant(&item.found, condition, operation)? {
                return Ok(false);
            }
            let request = Request::DeleteUnchanged(wire, state(item.cas, operation)?);
            match self.change(wire, &request, call).await? {
                Reply::Done => return Ok(true),
                Reply::Absent => return Ok(false),
                // Somebody wrote in between: perhaps another TTL, which is still the same entry.
                Reply::Changed => {}
                other => return Err(unfit(&other, self.locate(wire).0, operation)),
            }
        }
        Err(contended(operation))
    }

    /// Whether this is a live entry, and the one of the condition. A lease counts for as long as it is there: it is read for as
    /// long, and who read it may take it over.
    pub(super) fn is_meant(
        &self,
        found: &Result<Entry, Miss>,
        condition: Condition,
        operation: Operation,
    ) -> Result<bool> {
        let is_it = match condition {
            Condition::Always | Condition::Present => true,
            Condition::Absent => false,
            Condition::Unchanged(token) => match found {
                Ok(entry) if entry.is_lease() => return Ok(entry.token() == token),
                found => found.as_ref().is_ok_and(|entry| entry.token() == token),
            },
            _ => return Err(unknown(operation)),
        };
        Ok(is_it && self.is_live(found))
    }

    /// What the replies to a [`removal`] come to.
    pub(super) fn removed(
        &self,
        key: &StoreKey<'_>,
        replies: [Reply; 2],
        server: &MemcachedServer,
    ) -> Result<bool> {
        let [found, removed] = replies;
        let was_there = match removed {
            Reply::Done => true,
            Reply::Absent => false,
            other => return Err(unfit(&other, server, Operation::Delete)),
        };
        Ok(match found {
            Reply::Value { bytes, mark, .. } => was_there && self.is_live(&read::entry(key, &bytes, mark)),
            // The server may turn to others between the two requests. What it then removes was written just now.
            Reply::Absent => was_there,
            other => return Err(unfit(&other, server, Operation::Delete)),
        })
    }
}

/// Whether whatever is there may be removed. (What is over is none, and may go as well.)
pub(super) fn is_unconditional(condition: Condition) -> bool {
    matches!(condition, Condition::Always | Condition::Present)
}

/// What there is, and its removal, in one round trip. The first is what tells an entry that is over from a live
/// one, since the server keeps it a little longer.
pub(super) fn removal(wire: &WireKey) -> [Request<'_>; 2] {
    [Request::Get(wire), Request::Delete(wire)]
}

/// The entry as it is sent.
pub(super) async fn body(key: &StoreKey<'_>, entry: &Entry) -> Result<Body> {
    let Envelope { header, body } = Envelope::write(key, entry).await?;
    Ok(Body { head: header, rest: body })
}

pub(super) fn check_size(server: &MemcachedServer, body: &Body) -> Result<()> {
    match server.max_value() {
        Some(max) if body.len() as u64 > max => {
            let message = format!("{}: the entry takes {} bytes, more than {max}", server.name, body.len());
            Err(Error::new(ErrorKind::TooLarge, Operation::Set, message))
        }
        _ => Ok(()),
    }
}

/// What the reply to an unconditional write comes to.
pub(super) fn stored(reply: &Reply, server: &MemcachedServer) -> Result<bool> {
    match reply {
        Reply::Done => Ok(true),
        other => Err(unfit(other, server, Operation::Set)),
    }
}

/// The same envelope with other moments; the value is shared, not copied. The item was read as an envelope, so
/// it is longer than its fixed part.
fn with_lifetime(key: &StoreKey<'_>, bytes: &Bytes, lifetime: Lifetime) -> Body {
    let mut head = BytesMut::from(&bytes[..envelope::FIXED]);
    head[envelope::LIFETIME].copy_from_slice(&envelope::lifetime_block(key, lifetime));
    Body { head: head.freeze(), rest: bytes.slice(envelope::FIXED..) }
}

/// The number of the item's state, for a request that only takes place if it is still the same.
pub(super) fn state(cas: u64, operation: Operation) -> Result<u64> {
    if cas == 0 {
        // To a server, 0 would mean that nothing is compared.
        let message = "the server keeps no CAS numbers (`memcached -C`), without which this is not safe";
        return Err(Error::new(ErrorKind::Unsupported, operation, message));
    }
    Ok(cas)
}

fn unknown(operation: Operation) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        operation,
        "the Memcached store does not know this condition; is larder-memcached older than larder-core?",
    )
}

/// Before a further try: randomly up to 2 ms. Two tasks that read and write one key through one connection can
/// otherwise stay in step, one of them always too late.
async fn pause(round: usize) {
    if round > 1 {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..2000))).await;
    }
}

fn contended(operation: Operation) -> Error {
    Error::new(ErrorKind::Busy, operation, format!("the entry was changed by others {TRIES} times in a row"))
}
