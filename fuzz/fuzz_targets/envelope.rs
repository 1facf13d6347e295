//! Envelopes: whatever a store returns is an entry that was written under this key, or a miss.
#![no_main]

use std::{sync::Arc, time::Duration};

use arbitrary::Arbitrary;
use bytes::Bytes;
use larder_core::{
    Entry, ErrorKind, Miss,
    clock::Timestamp,
    entry::{Body, Lifetime, Meta, Scope, Stamp},
    envelope::{self, Envelope, FIXED, LIFETIME, MAX_HEADER},
    key::{Namespace, StoreKey},
};
use larder_fuzz::{Edit, Parts, Space, is_long, ready, seal_everything, seal_lifetime};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Input {
    /// Anything, under any key.
    Bytes { space: Space, parts: Parts, bytes: Vec<u8>, sealed: bool },
    /// An envelope, and what became of it.
    Written {
        space: Space,
        parts: Parts,
        other: Option<Parts>,
        entry: AnyEntry,
        edits: Vec<Edit>,
        seal: Seal,
    },
}

#[derive(Debug, Arbitrary)]
struct AnyEntry {
    created: u64,
    fresh_until: u64,
    expires: u64,
    load_cost: u64,
    revision: u64,
    stamps: Vec<AnyStamp>,
    user: Vec<(String, Vec<u8>)>,
    /// So many more bytes in the first piece of metadata: headers that hardly fit, or do not.
    padding: u16,
    body: Vec<u8>,
    format: u8,
    codec: u8,
    dictionary: u32,
    raw_len: u64,
}

#[derive(Debug, Arbitrary)]
enum AnyStamp {
    Level(u8, u64),
    Tag(String, u64),
    LongTag(u16, u64),
}

/// Which checksums are made to fit afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Seal {
    Nothing,
    Lifetime,
    Everything,
}

fuzz_target!(|input: Input| match input {
    Input::Bytes { space, parts, mut bytes, sealed } => {
        if sealed {
            seal_everything(&mut bytes);
        }
        read(&space.namespace(), &parts, &bytes.into());
    }
    Input::Written { space, parts, other, entry, edits, seal } => {
        let namespace = space.namespace();
        let Some((body, bytes)) = written(&namespace, &parts, entry) else { return };
        if let Some(other) = other.filter(|other| other.key().text() != parts.key().text()) {
            let key = other.key();
            let read = envelope::read(&StoreKey::new(&namespace, &key), &bytes);
            assert_eq!(read.err(), Some(Miss::OtherKey), "{key}");
        }

        let mut changed = edits.iter().fold(bytes.to_vec(), Edit::apply);
        match seal {
            Seal::Nothing => {}
            Seal::Lifetime => seal_lifetime(&mut changed),
            Seal::Everything => seal_everything(&mut changed),
        }
        let changed = Bytes::from(changed);
        let entry = read(&namespace, &parts, &changed);
        if seal == Seal::Everything {
            return;
        }
        let same_but_lifetime = changed.len() == bytes.len()
            && changed[..LIFETIME.start] == bytes[..LIFETIME.start]
            && changed[LIFETIME.end..] == bytes[LIFETIME.end..];
        if let Some(entry) = entry {
            assert!(same_but_lifetime, "an unsealed change went unnoticed");
            assert_eq!(entry.encoded(), Some(&body));
        } else if seal == Seal::Lifetime {
            assert!(!same_but_lifetime, "a lifetime that was replaced as it should be");
        } else {
            assert_ne!(changed, bytes, "what was written is not read");
        }
    }
});

/// Reads, and checks what can be said of any answer.
fn read(namespace: &Namespace, parts: &Parts, bytes: &Bytes) -> Option<Entry> {
    let key = parts.key();
    let store_key = StoreKey::new(namespace, &key);
    let entry = match envelope::read(&store_key, bytes) {
        Ok(entry) => entry,
        Err(miss) => {
            assert!(matches!(miss, Miss::Undecodable(_) | Miss::OtherKey), "{miss:?}");
            assert!(!miss.is_from_the_future() || bytes[4] > envelope::VERSION);
            return None;
        }
    };
    let body = &entry.encoded().expect("an entry out of bytes has a body").bytes;
    assert!(body.is_empty() || bytes.as_ptr_range().contains(&body.as_ptr()), "the body was copied");
    assert!(body.len() <= bytes.len() - FIXED);
    for (_, value) in entry.meta().all_user() {
        assert!(value.is_empty() || bytes.as_ptr_range().contains(&value.as_ptr()), "metadata were copied");
    }
    // There is one way to write an entry, so nothing in the bytes was overlooked.
    let again = ready(Envelope::write(&store_key, &entry)).expect("what was read can be written");
    assert_eq!(again.to_bytes(), bytes, "read as something else than what was written");
    Some(entry)
}

/// The envelope of this entry, if it has one, and its body.
fn written(namespace: &Namespace, parts: &Parts, any: AnyEntry) -> Option<(Body, Bytes)> {
    let key = parts.key();
    let store_key = StoreKey::new(namespace, &key);
    let body = Body::raw(any.body.clone().into(), any.format);
    let body = body.compressed_by(any.codec, any.dictionary, any.raw_len);
    let meta = any.meta();
    let fits = fits(&store_key, &meta);
    match ready(Envelope::write(&store_key, &Entry::from_body(body.clone(), meta))) {
        Ok(envelope) => {
            assert!(fits, "a header that does not fit was written");
            assert!(envelope.header.len() <= MAX_HEADER);
            let bytes = envelope.to_bytes();
            assert_eq!(envelope.len(), bytes.len());
            let mut sealed = bytes.to_vec();
            seal_everything(&mut sealed);
            assert_eq!(sealed, bytes, "other checksums than those in the description");
            Some((body, bytes))
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Encode);
            assert!(!fits, "refused: {error}");
            None
        }
    }
}

fn fits(key: &StoreKey<'_>, meta: &Meta) -> bool {
    let tag = |stamp: &Stamp| match &stamp.scope {
        Scope::Tag(tag) => tag.len(),
        // Levels; there are no others yet.
        _ => 0,
    };
    let stamps: usize = meta.stamps.iter().map(|stamp| 10 + tag(stamp)).sum();
    let user: usize = meta.all_user().iter().map(|(name, value)| 3 + name.len() + value.len()).sum();
    let whole = if is_long(key.key()) { 32 } else { 0 };
    meta.stamps.len() < 256
        && meta.all_user().len() < 256
        && meta.stamps.iter().all(|stamp| tag(stamp) < 256)
        && meta.all_user().iter().all(|(name, value)| name.len() < 256 && value.len() < 65_536)
        && FIXED + key.len() + whole + stamps + user <= MAX_HEADER
}

impl AnyEntry {
    fn meta(mut self) -> Meta {
        if let Some((_, value)) = self.user.first_mut() {
            value.resize(value.len() + usize::from(self.padding), 0);
        }
        let stamps = self.stamps.into_iter().map(|stamp| match stamp {
            AnyStamp::Level(level, version) => Stamp::new(Scope::Namespace(level), version),
            AnyStamp::Tag(tag, version) => Stamp::new(Scope::Tag(tag.into()), version),
            AnyStamp::LongTag(len, version) => {
                Stamp::new(Scope::Tag("t".repeat(usize::from(len % 300)).into()), version)
            }
        });
        let lifetime =
            Lifetime::new(Timestamp::from_millis(self.fresh_until), Timestamp::from_millis(self.expires));
        let user = self.user.into_iter().map(|(name, value)| (Arc::from(name), Bytes::from(value)));
        Meta::new(Timestamp::from_millis(self.created), lifetime)
            .with_load_cost(Duration::from_micros(self.load_cost))
            .with_revision(self.revision)
            .with_stamps(stamps.collect())
            .with_user(user.collect())
    }
}
