//! What an entry was written under.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
    /// When these stood last, by what is known of a shared store's versions.
    stood: Stood,
}

/// The numbers of states of what is known of versions in which stamps stood; zero for none.
#[derive(Default)]
struct Stood {
    /// In this one until something is heard of one of them.
    followed: AtomicU64,
    /// In this one until that moment.
    aging: AtomicU64,
    until: AtomicU64,
}

impl Stamps {
    /// How these stand by the [`Versions`](crate::versions::Versions) of this identity, if the places of their versions were
    /// looked up there already.
    #[inline]
    pub(crate) fn standing(&self, versions: u64) -> Option<Standing> {
        let inner = self.0.as_deref()?;
        inner.watch.get()?.standing(versions, inner.stamps.iter().map(|stamp| stamp.version))
    }

    /// Whether these stood in the state of this number: as long as whatever changes is heard.
    #[inline]
    pub(crate) fn stood_unless_heard(&self, state: u64) -> bool {
        self.0.as_deref().is_some_and(|inner| inner.stood.followed.load(Ordering::Acquire) == state)
    }

    /// Whether they stood in it for longer than this moment, whatever is heard.
    #[inline]
    pub(crate) fn stood_at(&self, state: u64, moment: u64) -> bool {
        self.0.as_deref().is_some_and(|inner| {
            // In this order: a moment that is written later is that of a later state, in which they stood as well.
            inner.stood.aging.load(Ordering::Acquire) == state
                && moment < inner.stood.until.load(Ordering::Acquire)
        })
    }

    /// They stand in the state of this number until that moment; `is_followed`: and until something is heard.
    pub(crate) fn stand(&self, state: u64, until: u64, is_followed: bool) {
        let Some(inner) = self.0.as_deref() else { return };
        inner.stood.until.store(until, Ordering::Release);
        inner.stood.aging.store(state, Ordering::Release);
        if is_followed {
            inner.stood.followed.store(state, Ordering::Release);
        }
    }

    /// Remembers where the versions of these stand.
    pub(crate) fn set_watch(&self, watch: Watch) {
        if let Some(inner) = self.0.as_deref() {
            let _ = inner.watch.set(watch);
        }
    }
}

/// The stamps of the entry that came last, for others with equal ones to share: what is known of one entry's is known of all, and a
/// hit finds them in the processor's cache.
#[derive(Debug, Default)]
pub(crate) struct LastStamps(Mutex<Stamps>);

impl LastStamps {
    /// Those of the last entry if they are equal to these, else these, which are the last from now on.
    pub(crate) fn or(&self, stamps: &Stamps) -> Stamps {
        // Nothing in here can panic half-way through a change.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != *stamps {
            last.clone_from(stamps);
        }
        last.clone()
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
        Self(Some(Arc::new(Inner { stamps, watch: OnceLock::new(), stood: Stood::default() })))
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
