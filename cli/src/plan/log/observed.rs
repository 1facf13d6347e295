//! Lines of the proxy's mode `observe`: what a cache would have made of a request was found out by the proxy's own code, and the log
//! has the hash of the key where others have the request.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    EVERYTHING, Kind,
    fields::{Fields, Role},
};

/// What such a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observed<'a> {
    pub(super) kind: Kind,
    /// Keys of one process cannot be compared with those of another.
    pub(super) run: &'a [u8],
    /// Of a request of many, the keys of all its items.
    pub(super) key: &'a [u8],
    /// What it is about, for people.
    pub(super) targets: &'a [u8],
    /// What a write invalidates, and a read depends on.
    pub(super) path: u64,
}

impl<'a> Observed<'a> {
    /// `None` if the line is of another log.
    pub(super) fn of(fields: &'a Fields) -> Option<Self> {
        let (kind, run) = (fields.get(Role::Kind)?, fields.get(Role::Run)?);
        let kind = match kind {
            b"read" => Kind::Read,
            b"write" => Kind::Write,
            b"pass" => Kind::Other,
            _ => return None,
        };
        let key = fields.get(Role::Key).or_else(|| fields.get(Role::Items)).unwrap_or_default();
        let targets = fields.get(Role::Targets).unwrap_or_default();
        let of_many = targets.contains(&b',') || fields.get(Role::Everything) == Some(b"true");
        let path = match (targets, key) {
            _ if of_many => EVERYTHING,
            // By HTTP alone a write is about the address that is read.
            (b"", b"") => EVERYTHING,
            (b"", key) => xxh3_64(key),
            (target, _) => xxh3_64(target),
        };
        Some(Self { kind, run, key, targets, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(Role, &str)]) -> Option<(Kind, u64)> {
        let mut fields = Fields::default();
        fields.clear(Role::ALL.len());
        for (role, text) in values {
            fields.put(*role as usize, text.as_bytes());
        }
        Observed::of(&fields).map(|observed| (observed.kind, observed.path))
    }

    #[test]
    fn what_a_line_is_about() {
        let read = [(Role::Kind, "read"), (Role::Run, "1"), (Role::Key, "k")];
        assert_eq!(of(&read), Some((Kind::Read, xxh3_64(b"k"))));
        assert_eq!(of(&[&read[..], &[(Role::Targets, "a")]].concat()), Some((Kind::Read, xxh3_64(b"a"))));
        assert_eq!(of(&[&read[..], &[(Role::Targets, "a,b")]].concat()), Some((Kind::Read, EVERYTHING)));
        assert_eq!(of(&[&read[..], &[(Role::Everything, "true")]].concat()), Some((Kind::Read, EVERYTHING)));
        assert_eq!(of(&[(Role::Kind, "write"), (Role::Run, "1")]), Some((Kind::Write, EVERYTHING)));
        // Other logs have such fields as well.
        assert_eq!(of(&[(Role::Kind, "access"), (Role::Run, "1")]), None);
        assert_eq!(of(&[(Role::Kind, "read")]), None);
    }
}
