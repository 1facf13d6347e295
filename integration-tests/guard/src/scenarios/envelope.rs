//! Reading an envelope, as every hit of a remote store does.

use std::hint::black_box;

use bytes::Bytes;
use larder_core::{
    Entry, Format as _, Key,
    clock::Timestamp,
    entry::{Body, Lifetime, Meta, Scope, Stamp},
    envelope::{self, Envelope},
    format::MessagePack,
    key::{Namespace, StoreKey},
};

use crate::{Outcome, rounds::Work, scenarios::memory};

struct Read {
    namespace: Namespace,
    key: Key,
    bytes: Bytes,
}

impl Work for Read {
    fn run(&mut self, calls: usize) -> Outcome {
        let key = StoreKey::new(&self.namespace, &self.key);
        for _ in 0..calls {
            let entry = envelope::read(black_box(&key), black_box(&self.bytes));
            black_box(entry.map_err(|miss| format!("the envelope is not read: {miss:?}"))?);
        }
        Ok(())
    }
}

pub(super) fn read(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    let bytes = Bytes::from(vec![b'x'; 1024]);
    let body = Body::raw(bytes, MessagePack.id());
    let mut meta = Meta::new(Timestamp::from_millis(1), Lifetime::until(Timestamp::NEVER));
    // What an entry of a cache without tags has.
    meta.stamps = std::iter::once(Stamp::new(Scope::Namespace(0), 1)).collect();

    let (namespace, key) = (Namespace::new("guard", 0)?, Key::new("article").part(7));
    let runtime = memory::runtime()?;
    let written =
        async { Envelope::write(&StoreKey::new(&namespace, &key), &Entry::from_body(body, meta)).await };
    let bytes = runtime.block_on(written)?.to_bytes();
    Ok(Box::new(Read { namespace, key, bytes }))
}
