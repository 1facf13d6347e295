//! What is written is read back, and nothing else is.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

type Parts = (String, Option<[u8; 32]>, [u64; 4], Option<i64>, Vec<u8>, Vec<String>);

fn any_record() -> impl Strategy<Value = Parts> {
    (
        "[a-z/]{1,20}:[!-~]{1,40}",
        any::<Option<[u8; 32]>>(),
        any::<[u64; 4]>().prop_map(|numbers| numbers.map(|number| number >> 2)),
        any::<Option<i64>>().prop_map(|number| number.filter(|number| *number != FOREVER)),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec("\\PC{0,20}", 0..4),
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(saved: u64, records in prop::collection::vec(any_record(), 0..8)) {
        let mut writer = Writer::new(saved, LIMIT);
        let records: Vec<Record<'_>> = records
            .iter()
            .map(|(key, whole, [age, lives, cost, slides], fresh_for, bytes, tags)| Record {
                key,
                whole: *whole,
                age: Duration::from_millis(*age),
                fresh_for: *fresh_for,
                lives_for: (lives % 3 != 0).then(|| Duration::from_millis(*lives)),
                load_cost: Duration::from_micros(*cost),
                slides: (slides % 3 != 0).then(|| Duration::from_millis(*slides)),
                scopes: [Scope::Namespace(0)].into_iter().chain(tags.iter().map(|tag| Scope::Tag(tag.as_str().into()))).collect(),
                user: tags.iter().map(|tag| (tag.as_str(), bytes.as_slice())).collect(),
                body: Encoded { bytes, format: 1, codec: 2, dictionary: 3, raw_len: *cost },
            })
            .collect();
        for record in &records {
            prop_assert!(writer.add(record));
        }
        let bytes = writer.finish();
        let reading = Reading::of(&bytes).unwrap();
        prop_assert_eq!(reading.saved, saved);
        let read: Vec<_> = reading.records().map(Result::unwrap).collect();
        prop_assert_eq!(read, records);
        // Any one bit, and any end.
        let mut damaged = bytes.clone();
        let bit = usize::try_from(saved).unwrap_or(0) % (8 * bytes.len());
        damaged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Reading::of(&damaged).is_err());
        prop_assert!(Reading::of(&bytes[..bit / 8]).is_err());
    }

    /// Whoever can write the file can write a right checksum, too.
    #[test]
    fn hostile_bytes_are_refused_or_read_and_harm_nothing(
        mut records in prop::collection::vec(any::<u8>(), 0..2000),
        plausible: bool,
    ) {
        if plausible && records.len() > 8 {
            // Far enough into a record to be interesting.
            let len = u32::try_from(records.len() - 4).unwrap();
            records[..4].copy_from_slice(&len.to_le_bytes());
            records[4..6].copy_from_slice(&1_u16.to_le_bytes());
            records[6] = b'k';
            records[7] = 0;
        }
        let mut bytes = Writer::new(7, LIMIT).out;
        bytes.extend(&records);
        let sum = xxh3_64(&bytes);
        bytes.extend(sum.to_le_bytes());
        if let Ok(reading) = Reading::of(&bytes) {
            let lengths: usize = reading.records().map(|record| record.unwrap().body.bytes.len()).sum();
            prop_assert!(lengths <= records.len());
        }
        let _ = Reading::of(&records);
    }
}

#[test]
fn a_length_that_is_not_there_allocates_nothing() {
    for len in [u32::MAX, u32::MAX - 4, 1 << 31, 5] {
        let mut bytes = Writer::new(7, LIMIT).out;
        bytes.extend(len.to_le_bytes());
        bytes.extend([0; 4]);
        let sum = xxh3_64(&bytes);
        bytes.extend(sum.to_le_bytes());
        assert_eq!(Reading::of(&bytes).unwrap_err(), "one of its records is damaged");
    }
}

#[test]
fn a_writer_keeps_to_its_limit() {
    let body = vec![1; 1000];
    let record = Record {
        key: "a:k",
        whole: None,
        age: Duration::ZERO,
        fresh_for: None,
        lives_for: None,
        load_cost: Duration::ZERO,
        slides: None,
        scopes: Vec::new(),
        user: Vec::new(),
        body: Encoded { bytes: &body, format: 0, codec: 0, dictionary: 0, raw_len: 1000 },
    };
    let mut writer = Writer::new(0, 2500);
    assert!(writer.add(&record) && writer.add(&record) && !writer.add(&record));
    let small = Record { body: Encoded { bytes: &[1], ..record.body }, ..record };
    assert!(writer.add(&small), "what fits still goes in");
    let bytes = writer.finish();
    assert!(bytes.len() <= 2500);
    assert_eq!(Reading::of(&bytes).unwrap().records().count(), 3);
}
