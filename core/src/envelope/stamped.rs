//! The stamps of an envelope. Those of one cache are the same until something is invalidated, and entries that have the same
//! share them: what was read last on this thread is compared byte by byte, and read anew only when it differs.

use std::cell::RefCell;

use super::reader::Reader;
use crate::{entry::Stamps, key::Namespace};

/// How many namespaces are remembered apart.
const PLACES: usize = 8;
/// Longer ones are not remembered: entries with many tags seldom have the same as the one before.
const LONGEST: usize = 256;

#[derive(Default)]
struct Last {
    bytes: Vec<u8>,
    count: u8,
    stamps: Stamps,
}

thread_local! {
    static LAST: RefCell<[Last; PLACES]> = RefCell::default();
}

/// Takes this many stamps off the front; `None` if they are not there.
pub(super) fn take(rest: &mut Reader<'_>, count: u8, namespace: &Namespace) -> Option<Stamps> {
    if count == 0 {
        return Some(Stamps::default());
    }
    let place = usize::try_from(namespace.hash() % PLACES as u64).unwrap_or(0);
    let known = LAST.try_with(|last| {
        let last = last.try_borrow().ok()?;
        let last = &last[place];
        // As many, and the same bytes: each says where it ends, so these are the same stamps.
        let is_same = last.count == count && rest.0.starts_with(&last.bytes);
        is_same.then(|| (last.stamps.clone(), last.bytes.len()))
    });
    if let Ok(Some((stamps, len))) = known {
        rest.take(len)?;
        return Some(stamps);
    }
    let before = rest.0;
    let stamps = (0..count).map(|_| rest.stamp()).collect::<Option<Stamps>>()?;
    let bytes = &before[..before.len() - rest.0.len()];
    if bytes.len() <= LONGEST {
        // A thread that is ending remembers nothing any more.
        let _ = LAST.try_with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                let last = &mut last[place];
                last.bytes.clear();
                last.bytes.extend_from_slice(bytes);
                last.count = count;
                last.stamps = stamps.clone();
            }
        });
    }
    Some(stamps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Scope, Stamp};

    fn bytes(level: u8, version: u64) -> Vec<u8> {
        [&[super::super::SCOPE_NAMESPACE, level][..], &version.to_le_bytes()].concat()
    }

    #[test]
    fn what_was_read_before_is_never_taken_for_what_is_there() {
        let namespace = Namespace::new("n", 0).unwrap();
        let stamp = |level, version| Stamp::new(Scope::Namespace(level), version);
        let (one, other) = (bytes(0, 7), bytes(0, 8));
        let both = [&*one, &bytes(1, 9)].concat();
        // The same beginning and more of it, fewer of the same, one cut short, and each twice.
        for _ in 0..2 {
            for (count, text, expected, left) in [
                (1, &one, Some(vec![stamp(0, 7)]), 0),
                (1, &one, Some(vec![stamp(0, 7)]), 0),
                (2, &both, Some(vec![stamp(0, 7), stamp(1, 9)]), 0),
                (1, &both, Some(vec![stamp(0, 7)]), 10),
                (1, &other, Some(vec![stamp(0, 8)]), 0),
                (2, &one, None, 0),
                (0, &one, Some(Vec::new()), 10),
                (1, &one[..9].to_vec(), None, 0),
            ] {
                let mut rest = Reader(text);
                let stamps = take(&mut rest, count, &namespace);
                assert_eq!(stamps.as_ref().map(|stamps| stamps.to_vec()), expected);
                if expected.is_some() {
                    assert_eq!(rest.0.len(), left);
                }
            }
        }
    }

    #[test]
    fn entries_that_have_the_same_share_them() {
        let namespace = Namespace::new("n", 0).unwrap();
        let text = bytes(0, 7);
        let read = || take(&mut Reader(&text), 1, &namespace).unwrap();
        let (one, other) = (read(), read());
        assert_eq!(one.as_ptr(), other.as_ptr());
    }
}
