//! Snapshots: whatever the file holds is read as what was written, or not at all, and nothing in it comes back fresh, over, or as
//! anything but a value.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use larder_core::{clock::Timestamp, entry::Kind};
use larder_memory::read_snapshot;
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Debug, Arbitrary)]
struct Input {
    elapsed: u64,
    now: u64,
    saved: u64,
    records: Vec<Record>,
    /// What is in place of the records, or behind them.
    bytes: Vec<u8>,
    sealed: bool,
}

/// By the description in `backends/memory/src/snapshot/format.rs`.
#[derive(Debug, Arbitrary)]
struct Record {
    key: String,
    whole: Option<[u8; 32]>,
    numbers: [i64; 5],
    scopes: Vec<Scope>,
    user: Vec<(String, Vec<u8>)>,
    codes: [u8; 14],
    body: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Scope {
    Level(u8),
    Tag(String),
}

fuzz_target!(|input: Input| {
    let mut bytes = b"LRDsnap\x01".to_vec();
    bytes.extend(input.saved.to_le_bytes());
    input.records.iter().for_each(|record| record.write(&mut bytes));
    bytes.extend(&input.bytes);
    let sum = if input.sealed { xxh3_64(&bytes) } else { 0 };
    bytes.extend(sum.to_le_bytes());

    let now = Timestamp::from_millis(input.now);
    let Ok((again, restored)) = read_snapshot(&bytes, Duration::from_millis(input.elapsed), now) else {
        return;
    };
    // There is one way to write a record, so nothing in the bytes was overlooked.
    assert_eq!(again, bytes, "read as something else than what was written");
    for (key, entry, ends) in restored {
        assert_eq!(entry.kind(), Kind::Value);
        assert!(!entry.is_fresh(now), "{} comes back fresh", key.text());
        assert!(entry.is_live(now) && now < ends, "{} comes back when it is over", key.text());
        assert_eq!(entry.meta().lifetime.expires, ends);
        assert!(entry.meta().created <= now, "{} was made in the future", key.text());
    }
});

impl Record {
    fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend([0; 4]);
        out.extend((self.key.len() as u16).to_le_bytes());
        out.extend(self.key.as_bytes());
        out.push(u8::from(self.whole.is_some()));
        out.extend(self.whole.iter().flatten());
        self.numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.push(self.scopes.len() as u8);
        for scope in &self.scopes {
            match scope {
                Scope::Level(level) => out.extend([0, *level]),
                Scope::Tag(tag) => {
                    out.extend([1, tag.len() as u8]);
                    out.extend(tag.as_bytes());
                }
            }
        }
        out.push(self.user.len() as u8);
        for (name, value) in &self.user {
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
            out.extend((value.len() as u16).to_le_bytes());
            out.extend(value);
        }
        out.extend(self.codes);
        out.extend(&self.body);
        let len = (out.len() - begin - 4) as u32;
        out[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
    }
}
