//! What the bytes of a snapshot come to: for the fuzz target.

use std::time::Duration;

use larder_core::{Entry, clock::Timestamp, key::OwnedStoreKey, versions::Versions};

use super::{
    format::{Damage, Reading, Writer},
    restored_entry,
};

/// Reads a snapshot so long after it was written, now. Returns the same records as they would be written again, and what is
/// restored: keys, entries, and when each ends.
///
/// # Errors
/// Why it is none.
pub fn read_snapshot(
    bytes: &[u8],
    elapsed: Duration,
    now: Timestamp,
) -> Result<(Vec<u8>, Vec<(OwnedStoreKey, Entry, Timestamp)>), Damage> {
    let reading = Reading::of(bytes)?;
    let (versions, mut again) = (Versions::new(), Writer::new(reading.saved, usize::MAX));
    let mut restored = Vec::new();
    for record in reading.records() {
        let record = record?;
        assert!(again.add(&record), "a record that was read cannot be written");
        restored.extend(restored_entry(&record, elapsed, now, &versions));
    }
    Ok((again.finish(), restored))
}
