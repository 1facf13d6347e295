//! What is written down of outages, in the bookkeeping of a namespace: in the second store a marker of the latest one, in the first
//! the number of the one that was made up for last.

use bytes::Bytes;

use crate::{
    backend::{Condition, Lookup},
    clock::Timestamp,
    entry::{Body, Entry, Lifetime, Meta},
    error::{Error, ErrorKind, Operation, Result},
    miss::Miss,
};

/// The key of both.
pub(super) const OUTAGE: &str = "outage";

/// An outage: its number, and a byte that says whether it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) number: u64,
    /// Whether what is written to the second store is covered by this number. Once closed it never is again.
    pub(super) is_open: bool,
}

/// A marker that was asked for, or none, and under which condition another one takes its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) marker: Option<Marker>,
    pub(super) condition: Condition,
}

impl Marker {
    pub(super) const fn open(number: u64) -> Self {
        Self { number, is_open: true }
    }

    pub(super) const fn closed(number: u64) -> Self {
        Self { number, is_open: false }
    }

    /// As an entry that does not end: what the first store missed may have no end either.
    pub(super) fn entry(self, now: Timestamp) -> Entry {
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.push(u8::from(self.is_open));
        Entry::from_body(Body::raw(Bytes::from(bytes), 0), Meta::new(now, Lifetime::until(Timestamp::NEVER)))
    }

    fn of(entry: &Entry) -> Option<Self> {
        let (number, state) = entry.encoded()?.bytes.split_first_chunk::<8>()?;
        let is_open = match state {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(Self { number: u64::from_le_bytes(*number), is_open })
    }
}

impl Found {
    /// # Errors
    /// [`ErrorKind::Other`] for bytes of a newer version of this program, which have to be left alone.
    pub(super) fn of(lookup: Lookup) -> Result<Self> {
        Ok(match lookup {
            Lookup::Hit(entry) => {
                Self { marker: Marker::of(&entry), condition: Condition::Unchanged(entry.token()) }
            }
            Lookup::Miss(miss) if miss.is_from_the_future() => {
                let message = "the marker of an outage was written by a newer version of this program";
                return Err(Error::new(ErrorKind::Other, Operation::Get, message));
            }
            Lookup::Miss(Miss::Absent | Miss::Expired) => Self { marker: None, condition: Condition::Absent },
            // Bytes that nobody can read.
            Lookup::Miss(_) => Self { marker: None, condition: Condition::Always },
        })
    }

    /// Whether there is nothing at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.condition == Condition::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_and_other_bytes_are_none() {
        let now = Timestamp::from_millis(5);
        for marker in [Marker::open(7), Marker::closed(u64::MAX)] {
            let found = Found::of(Lookup::Hit(marker.entry(now))).unwrap();
            assert_eq!(found.marker, Some(marker));
            assert!(!found.is_nothing());
        }
        for bytes in [&b""[..], b"12345678", b"12345678\x02", b"123456781"] {
            let body = Body::raw(Bytes::copy_from_slice(bytes), 0);
            let entry = Entry::from_body(body, Meta::new(now, Lifetime::until(Timestamp::NEVER)));
            let found = Found::of(Lookup::Hit(entry)).unwrap();
            assert!(found.marker.is_none() && !found.is_nothing());
        }
        assert!(Found::of(Lookup::Miss(Miss::Absent)).unwrap().is_nothing());
    }
}
