//! Every way in which bytes can be wrong is a miss with a reason, and nothing else.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::entry::Stamp;
use crate::{Key, key::Namespace};

fn namespace() -> Namespace {
    Namespace::new("shop/users", 2).unwrap()
}

fn meta() -> Meta {
    let lifetime = Lifetime {
        fresh_until: Timestamp::from_millis(1_700_000_060_000),
        expires: Timestamp::from_millis(1_700_000_120_000),
    };
    let stamps = [
        Stamp { scope: Scope::Namespace(0), version: 1 },
        Stamp { scope: Scope::Namespace(1), version: 2 },
        Stamp { scope: Scope::Tag("popular".into()), version: 3 },
    ];
    Meta::new(Timestamp::from_millis(1_700_000_000_000), lifetime)
        .with_load_cost(Duration::from_micros(12_345))
        .with_revision(0x0123_4567_89ab_cdef)
        .with_stamps(stamps.into_iter().collect())
        .with_user([("found".into(), Bytes::from_static(b"42"))].into())
}

fn body(bytes: &'static [u8]) -> Body {
    Body { bytes: Bytes::from_static(bytes), format: 1, codec: 0, dictionary: 0, raw_len: bytes.len() as u64 }
}

/// An envelope of this key around this body.
fn written(key: &Key, body: &Body) -> Bytes {
    let namespace = namespace();
    let header = write_header(&StoreKey::new(&namespace, key), &meta(), body).unwrap();
    Envelope { header, body: body.bytes.clone() }.to_bytes()
}

fn read_back(key: &Key, bytes: &Bytes) -> Result<Entry, Miss> {
    let namespace = namespace();
    read(&StoreKey::new(&namespace, key), bytes)
}

#[test]
fn golden_vector_of_version_1() {
    // These bytes are in people's stores. If this fails, version 1 can no longer be read.
    let bytes = written(&Key::new("user").part(7), &body(b"{\"name\":\"Ada\"}"));
    let mut hex = String::new();
    crate::key::push_hex(&mut hex, &bytes);
    assert_eq!(
        hex,
        include_str!("v1.hex").split_whitespace().collect::<String>(),
        "version 1 is written in another way than it was"
    );
    assert!(read_back(&Key::new("user").part(7), &bytes).is_ok());
}

#[test]
fn what_is_written_is_read() {
    for key in [Key::new("user").part(7), Key::new("user").part("x".repeat(1000))] {
        let entry = read_back(&key, &written(&key, &body(b"value"))).unwrap();
        assert_eq!(entry.encoded(), Some(&body(b"value")));
        let (seen, expected) = (entry.meta(), meta());
        assert_eq!(seen.created, expected.created);
        assert_eq!(seen.lifetime, expected.lifetime);
        assert_eq!(seen.load_cost(), expected.load_cost());
        assert_eq!(seen.revision, expected.revision);
        assert_eq!(seen.stamps, expected.stamps);
        assert_eq!(seen.all_user(), expected.all_user());
    }
}

#[test]
fn the_body_is_not_copied() {
    let key = Key::new("k");
    let bytes = written(&key, &body(b"value"));
    let entry = read_back(&key, &bytes).unwrap();
    let body = &entry.encoded().unwrap().bytes;
    assert!(bytes.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn every_truncation_is_a_miss() {
    let key = Key::new("user").part("x".repeat(300));
    let bytes = written(&key, &body(b"value"));
    for len in 0..bytes.len() {
        let miss = read_back(&key, &bytes.slice(..len)).unwrap_err();
        assert!(matches!(miss, Miss::Undecodable(Undecodable::Length)), "{len}: {miss:?}");
    }
}

#[test]
fn every_flipped_bit_is_a_miss() {
    let key = Key::new("user").part(7);
    let bytes = written(&key, &body(b"value"));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let miss = read_back(&key, &flipped.into()).expect_err(&format!("bit {bit}"));
        assert!(matches!(miss, Miss::Undecodable(_)), "{bit}: {miss:?}");
    }
}

#[test]
fn what_follows_is_a_miss() {
    let key = Key::new("user").part(7);
    let mut bytes = written(&key, &body(b"value")).to_vec();
    bytes.push(0);
    assert_eq!(read_back(&key, &bytes.into()).unwrap_err(), Undecodable::Length.into());
}

#[test]
fn other_bytes_are_foreign() {
    for foreign in [&b""[..], b"42", b"LRX\x1a", &[0; 200]] {
        let miss = read_back(&Key::new("k"), &Bytes::from_static(foreign)).unwrap_err();
        let expected = if foreign.is_empty() { Undecodable::Length } else { Undecodable::Foreign };
        assert_eq!(miss, expected.into(), "{foreign:?}");
    }
}

#[test]
fn another_keys_bytes_are_no_answer() {
    let bytes = written(&Key::new("user").part(7), &body(b"value"));
    assert_eq!(read_back(&Key::new("user").part(8), &bytes).unwrap_err(), Miss::OtherKey);
}

#[test]
fn two_long_keys_whose_texts_collide_are_told_apart() {
    // The text is the same and the whole key is not: what a collision of SHA-1 would look like.
    let key = Key::new("user").part("x".repeat(300));
    let mut bytes = written(&key, &body(b"value")).to_vec();
    bytes[FIXED + StoreKey::new(&namespace(), &key).len()] ^= 1;
    reseal(&mut bytes);
    assert_eq!(read_back(&key, &bytes.into()).unwrap_err(), Miss::OtherKey);
}

#[test]
fn a_newer_version_is_left_alone() {
    let key = Key::new("user").part(7);
    let mut bytes = written(&key, &body(b"value")).to_vec();
    bytes[4] = 2;
    let miss = read_back(&key, &bytes.into()).unwrap_err();
    assert_eq!(miss, Undecodable::FutureVersion(2).into());
    assert!(miss.is_from_the_future());
}

#[test]
fn another_schema_is_a_miss_even_under_the_same_text() {
    let key = Key::new("user").part(7);
    let mut bytes = written(&key, &body(b"value")).to_vec();
    bytes[64] = 9;
    reseal(&mut bytes);
    assert_eq!(read_back(&key, &bytes.into()).unwrap_err(), Undecodable::Schema(9).into());
}

#[test]
fn lies_in_a_well_sealed_header_are_misses() {
    let key = Key::new("user").part(7);
    let good = written(&key, &body(b"value"));
    // Field by field, the largest number that fits.
    for range in [7..8, 16..20, 24..32, 68..70, 70..71, 71..72] {
        let mut bytes = good.to_vec();
        bytes[range.clone()].fill(0xff);
        reseal(&mut bytes);
        let miss = read_back(&key, &bytes.into()).expect_err(&format!("{range:?}"));
        assert!(matches!(miss, Miss::Undecodable(_) | Miss::OtherKey), "{range:?}: {miss:?}");
    }
}

#[test]
fn a_replaced_lifetime_is_read_and_a_stray_one_is_not() {
    let key = Key::new("user").part(7);
    let namespace = namespace();
    let store_key = StoreKey::new(&namespace, &key);
    let mut bytes = written(&key, &body(b"value")).to_vec();
    let lifetime = Lifetime::until(Timestamp::NEVER);
    bytes[LIFETIME].copy_from_slice(&lifetime_block(&store_key, lifetime));
    assert_eq!(read(&store_key, &bytes.clone().into()).unwrap().meta().lifetime, lifetime);

    let other = Key::new("user").part(8);
    bytes[LIFETIME].copy_from_slice(&lifetime_block(&StoreKey::new(&namespace, &other), lifetime));
    assert_eq!(read(&store_key, &bytes.into()).unwrap_err(), Undecodable::Checksum.into());
}

#[test]
fn what_does_not_fit_into_a_header_is_refused() {
    let key = Key::new("k");
    let namespace = namespace();
    let store_key = StoreKey::new(&namespace, &key);
    let refused = |meta: Meta| {
        write_header(&store_key, &meta, &body(b"")).expect_err("it does not fit").kind() == ErrorKind::Encode
    };
    let user: Vec<_> = (0..256).map(|n| (Arc::from(n.to_string()), Bytes::new())).collect();
    assert!(refused(meta().with_user(user.into())));
    let large = Bytes::from(vec![0; 65_536]);
    assert!(refused(meta().with_user([(Arc::from("large"), large)].into())));
    let large = Bytes::from(vec![0; 65_535]);
    assert!(refused(meta().with_user([(Arc::from("together"), large)].into())));
}

/// Makes the checksum fit again, as a writer with other ideas would.
fn reseal(bytes: &mut [u8]) {
    let sum = {
        let (head, body) = bytes.split_at(FIXED);
        checksum(head, body)
    };
    bytes[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_back(&Key::new("k"), &bytes.into()).is_err());
    }

    #[test]
    fn any_well_sealed_header_is_read_without_panic(
        at in 4_usize..96,
        byte in any::<u8>(),
        rest in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let key = Key::new("k");
        let mut bytes = written(&key, &body(b"value"))[..FIXED].to_vec();
        bytes[at] = byte;
        bytes.extend(rest);
        reseal(&mut bytes);
        let _ = read_back(&key, &bytes.into());
    }
}

#[test]
fn kind_and_sliding_ttl_travel_under_names_of_their_own() {
    let (namespace, key) = (namespace(), Key::new("k"));
    let store_key = StoreKey::new(&namespace, &key);
    let written = |meta: Meta, body: &Body| {
        let header = write_header(&store_key, &meta, body).unwrap();
        let bytes = Envelope { header, body: body.bytes.clone() }.to_bytes();
        assert_eq!(bytes[4], 1, "nodes that know only version 1 read it as well");
        read(&store_key, &bytes).unwrap()
    };
    let own = Some(Duration::from_millis(1500));
    let negative = written(meta().with_kind(Kind::Negative).with_slides(own), &body(b"null"));
    assert_eq!((negative.kind(), negative.meta().slides()), (Kind::Negative, own));
    assert_eq!(negative.meta().all_user().len(), 1, "what Larder keeps there is no caller's");
    let value = written(meta(), &body(b"null"));
    assert_eq!((value.kind(), value.meta().slides()), (Kind::Value, None));
    let lease = Body { format: LEASE, ..body(b"") };
    assert_eq!(written(meta(), &lease).kind(), Kind::Lease);
}
