//! Namespaces: whose keys these are, and of which schema version their values are.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{MAX_NAMESPACE, part::escape_text, seeded_hash};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The part of every key that says which cache it belongs to: a path (`shop/users`) and the version of the
/// values' schema. It renders as `shop/users@2`, or without `@` for schema 0.
///
/// A new schema version starts with an empty cache, so that old processes and new ones can run side by side.
/// Clearing a namespace clears those below it (`shop` clears `shop/users`) and no others (`shopping`).
#[derive(Clone, PartialEq, Eq)]
pub struct Namespace(Arc<Inner>);

struct Inner {
    text: String,
    schema: u32,
    hash: u64,
    /// Rendered paths from the outermost to this one, without schema: `shop`, `shop/users`.
    levels: Vec<String>,
    /// What [`Namespace::mark`] was last told.
    mark: AtomicU64,
}

impl PartialEq for Inner {
    fn eq(&self, other: &Self) -> bool {
        // The levels are in the text, save for whether it is bookkeeping, which a `!` says.
        self.text == other.text
    }
}

impl Eq for Inner {}

impl Namespace {
    /// The namespace of this path, its segments separated by `/`. Characters that are not
    /// `A-Z a-z 0-9 - _ .` are escaped.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an empty path or segment, and for one whose text would be longer than
    /// [`MAX_NAMESPACE`] bytes, since keys would have no room left.
    pub fn new(path: &str, schema: u32) -> Result<Self> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Config, Operation::Build, why));
        let mut text = String::new();
        let mut levels = Vec::new();
        for segment in path.split('/') {
            if segment.is_empty() {
                return refuse(format!(
                    "namespace \"{path}\" has an empty segment; write it like \"shop/users\""
                ));
            }
            if !text.is_empty() {
                text.push('/');
            }
            escape_text(segment, &mut text);
            levels.push(text.clone());
        }
        if schema != 0 {
            text.push('@');
            text.push_str(&schema.to_string());
        }
        // The bookkeeping of invalidations needs two bytes more than the keys do.
        if text.len() + 2 > MAX_NAMESPACE {
            return refuse(format!(
                "namespace \"{path}\" takes {} bytes in a key; at most {} are allowed",
                text.len(),
                MAX_NAMESPACE - 2
            ));
        }
        let hash = seeded_hash(text.as_bytes());
        Ok(Self(Arc::new(Inner { text, schema, hash, levels, mark: AtomicU64::new(0) })))
    }

    /// The namespace whose [`text`](Self::text) this is; `None` if it is none's.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, schema) = match text.split_once('@') {
            None => (text, 0),
            Some((path, schema)) => (path, schema.parse().ok().filter(|&schema: &u32| schema != 0)?),
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%/".contains(&byte);
        let mut levels: Vec<String> = Vec::new();
        if text.len() + 2 > MAX_NAMESPACE || !path.bytes().all(is_plain) {
            return None;
        }
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            levels.push(path[..end].to_owned());
        }
        if path.split('/').any(str::is_empty) {
            return None;
        }
        let parsed = Self(Arc::new(Inner {
            text: text.to_owned(),
            schema,
            hash: seeded_hash(text.as_bytes()),
            levels,
            mark: AtomicU64::new(0),
        }));
        // `+1`, `01`: not as it is written.
        (schema == 0 || text.ends_with(&format!("@{schema}"))).then_some(parsed)
    }

    /// The namespace as it stands in front of every key.
    #[inline]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The version of the values' schema.
    pub fn schema(&self) -> u32 {
        self.0.schema
    }

    /// How many levels the path has: 2 for `shop/users`.
    pub(crate) fn depth(&self) -> usize {
        self.0.levels.len()
    }

    /// The namespace in which the bookkeeping of one level (0 is the outermost) is kept. `!` stands in no
    /// escaped segment, so no user's key can be taken for one of these.
    pub(crate) fn bookkeeping(&self, level: usize) -> Self {
        Self::of_bookkeeping(format!("{}!v", self.0.levels[level]))
    }

    fn of_bookkeeping(text: String) -> Self {
        let hash = seeded_hash(text.as_bytes());
        Self(Arc::new(Inner { text, schema: 0, hash, levels: Vec::new(), mark: AtomicU64::new(0) }))
    }

    /// The namespace in which the bookkeeping of this one is kept, without that of the levels above it; of one that is such a
    /// namespace, that itself.
    pub(crate) fn own_bookkeeping(&self) -> Self {
        match self.0.levels.len().checked_sub(1) {
            Some(level) => self.bookkeeping(level),
            None => self.clone(),
        }
    }

    /// Remembers a number with this namespace and its clones, in place of any other; never zero.
    pub(crate) fn mark(&self, number: u64) {
        self.0.mark.store(number, Ordering::Release);
    }

    /// Whether this number was remembered last. One load.
    #[inline]
    pub(crate) fn is_marked(&self, number: u64) -> bool {
        self.0.mark.load(Ordering::Acquire) == number
    }

    /// What the texts of all keys begin with that concern the entries of this namespace: their own, and those of the versions of
    /// its tags and levels. None of them is the beginning of another one.
    pub fn key_prefixes(&self) -> impl Iterator<Item = String> + '_ {
        let versions = self.0.levels.iter().map(|level| format!("{level}!v:"));
        std::iter::once(format!("{}:", self.text())).chain(versions)
    }

    /// Whether it is one of [those](Self::bookkeeping).
    #[inline]
    pub(crate) fn is_bookkeeping(&self) -> bool {
        self.0.levels.is_empty()
    }

    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.0.hash
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_path_and_schema() {
        assert_eq!(Namespace::new("shop/users", 2).unwrap().text(), "shop/users@2");
        assert_eq!(Namespace::new("a b!", 0).unwrap().text(), "a%20b%21");
    }

    #[test]
    fn every_key_begins_with_a_prefix_of_its_namespace() {
        let prefixes: Vec<_> = Namespace::new("shop/users", 2).unwrap().key_prefixes().collect();
        assert_eq!(prefixes, ["shop/users@2:", "shop!v:", "shop/users!v:"]);
    }

    #[test]
    fn every_text_is_read_back_and_nothing_else() {
        for (path, schema) in [("a", 0), ("shop/users", 2), ("a b!/ü@:", 4_294_967_295), (&"n".repeat(70), 0)]
        {
            let namespace = Namespace::new(path, schema).unwrap();
            let read = Namespace::parse(namespace.text()).unwrap();
            assert_eq!(
                (read.depth(), read.schema(), read.hash()),
                (namespace.depth(), schema, namespace.hash())
            );
            assert_eq!(read.bookkeeping(0).text(), namespace.bookkeeping(0).text());
        }
        let long = "n".repeat(71);
        for wrong in [
            "", "/", "a//b", "a/", "/a", "@1", "a@", "a@0", "a@01", "a@+1", "a@1@1", "a b", "a!v", "a:b",
            &long,
        ] {
            assert!(Namespace::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn refuses_what_leaves_no_room() {
        for bad in ["", "/", "a//b", "a/", &"n".repeat(71)] {
            assert_eq!(Namespace::new(bad, 0).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
        assert!(Namespace::new(&"n".repeat(70), 0).is_ok());
    }
}
