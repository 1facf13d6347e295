//! What an entry was written under.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use smallvec::SmallVec;

use crate::versions::{Standing, Watch};

/// What an entry was written under: the version, at that time, of something that can be invalidated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// What can be invalidated.
    pub scope: Scope,
    /// Its version when the entry's value began to be made. The entry is dead once the version is another.
    pub version: u64,
}

impl Stamp {
    /// Written under this version of this.
    pub const fn new(scope: Scope, version: u64) -> Self {
        Self { scope, version }
    }
}

/// Something that can be invalidated as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// A level of the entry's own namespace: 0 is the outermost.
    Namespace(u8),
    /// A tag within the entry's namespace.
    Tag(Arc<str>),
}

/// The stamps of an entry; a slice of [`Stamp`]. Entries that were written under the same versions share them.
#[derive(Clone, Default)]
pub struct Stamps(Option<Arc<Inner>>);

struct Inner {
    /// Most entries have a level or two and no tags.
    stamps: SmallVec<[Stamp; 2]>,
    /// Where the versions of these stand, for entries in memory; looked up once.
    watch: OnceLock<Watch>,
}

impl Stamps {
    /// How these stand by the [`Versions`](crate::versions::Versions) of this identity, if the places of their versions were
    /// looked up there already.
    #[inline]
    pub(crate) fn standing(&self, versions: u64) -> Option<Standing> {
        let inner = self.0.as_deref()?;
        inner.watch.get()?.standing(versions, inner.stamps.iter().map(|stamp| stamp.version))
    }

    /// Remembers where the versions of these stand.
    pub(crate) fn set_watch(&self, watch: Watch) {
        if let Some(inner) = self.0.as_deref() {
            let _ = inner.watch.set(watch);
        }
    }
}

impl Deref for Stamps {
    type Target = [Stamp];

    fn deref(&self) -> &[Stamp] {
        self.0.as_deref().map_or(&[], |inner| &inner.stamps)
    }
}

impl FromIterator<Stamp> for Stamps {
    fn from_iter<I: IntoIterator<Item = Stamp>>(stamps: I) -> Self {
        let stamps: SmallVec<[Stamp; 2]> = stamps.into_iter().collect();
        if stamps.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new(Inner { stamps, watch: OnceLock::new() })))
    }
}

impl From<Vec<Stamp>> for Stamps {
    fn from(stamps: Vec<Stamp>) -> Self {
        stamps.into_iter().collect()
    }
}

impl PartialEq for Stamps {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Stamps {}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
