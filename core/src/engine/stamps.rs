//! What a cache's entries are written under: the levels of its namespace, and tags. Pure: where the versions are is the
//! [`register`](super::register)'s affair.

use std::sync::Arc;

use crate::{
    entry::{Scope, Stamp},
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, Namespace, OwnedStoreKey, StoreKey, seeded_hash_of},
};

/// The most tags that one entry can have.
pub(crate) const MAX_TAGS: usize = 64;
/// The longest tag, in bytes.
pub(crate) const MAX_TAG_LEN: usize = 255;

/// The key under which the version of a level is kept, in the level's bookkeeping.
pub(crate) const GENERATION: &str = "generation";

/// The levels of a namespace, and where the versions of each and of its tags are kept.
#[derive(Debug)]
pub(crate) struct Levels {
    spaces: Vec<Namespace>,
    generation: Key,
    /// On which shard of the store the versions are, if there are several.
    shard: Option<u16>,
}

impl Levels {
    pub(crate) fn of(namespace: &Namespace) -> Self {
        let spaces = (0..namespace.depth()).map(|level| namespace.bookkeeping(level)).collect();
        Self { spaces, generation: Key::new(GENERATION), shard: None }
    }

    /// The same, whose versions are on this shard of the store.
    pub(crate) fn on_shard(self, shard: u16) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// The scopes of all levels, the outermost first: what every entry is written under.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        (0..self.spaces.len()).map(level)
    }

    /// The namespace itself, without those above it.
    pub(crate) fn whole(&self) -> Scope {
        level(self.spaces.len() - 1)
    }

    /// Whether an entry was written under all levels. They come first, in order.
    pub(crate) fn are_all_in(&self, stamps: &[Stamp]) -> bool {
        stamps.len() >= self.spaces.len()
            && stamps.iter().zip(self.scopes()).all(|(stamp, level)| stamp.scope == level)
    }

    /// Whether this is something that entries of this namespace can be written under.
    pub(crate) fn has(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Namespace(level) => usize::from(*level) < self.spaces.len(),
            Scope::Tag(_) => true,
        }
    }

    /// The level whose version is kept under the key of this text.
    pub(crate) fn with_record(&self, text: &str) -> Option<Scope> {
        let space = text.strip_suffix(self.generation.text())?.strip_suffix(':')?;
        self.spaces.iter().position(|known| known.text() == space).map(level)
    }

    /// The hash of the key of this text, if versions may be kept under it.
    pub(crate) fn hash_of_record(&self, text: &str) -> Option<u64> {
        let (space, _) = text.split_once(':')?;
        self.spaces.iter().any(|known| known.text() == space).then(|| seeded_hash_of(text)).flatten()
    }

    /// Where the version of this is kept. `None` for a level that this namespace does not have, which only a
    /// foreign writer's entry can name.
    pub(crate) fn record(&self, scope: &Scope) -> Option<Record<'_>> {
        let (space, key) = match scope {
            Scope::Namespace(level) => (self.spaces.get(usize::from(*level))?, self.generation.clone()),
            Scope::Tag(tag) => (self.spaces.last()?, Key::new("tag").part(tag)),
        };
        Some(Record { space, key, shard: self.shard })
    }
}

/// Where one version is kept.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    space: &'a Namespace,
    key: Key,
    shard: Option<u16>,
}

impl Record<'_> {
    pub(crate) fn store_key(&self) -> StoreKey<'_> {
        let key = StoreKey::new(self.space, &self.key);
        match self.shard {
            Some(shard) => key.on_shard(shard),
            None => key,
        }
    }

    pub(crate) fn owned(&self) -> OwnedStoreKey {
        self.store_key().into_owned()
    }
}

fn level(level: usize) -> Scope {
    // A namespace of at most 70 bytes has at most 35 levels.
    Scope::Namespace(u8::try_from(level).unwrap_or(u8::MAX))
}

/// What changes with every tag: the empty one, which no entry can have.
pub(crate) fn any_tag() -> Scope {
    Scope::Tag(Arc::from(""))
}

/// Checks tags from a caller; each once.
pub(crate) fn tag_scopes<'a>(
    tags: impl IntoIterator<Item = &'a Arc<str>>,
    operation: Operation,
) -> Result<Vec<Scope>> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidKey, operation, why));
    let mut scopes: Vec<Scope> = Vec::new();
    for tag in tags {
        if tag.is_empty() || tag.len() > MAX_TAG_LEN {
            return refuse(format!("a tag has {} bytes; 1 to {MAX_TAG_LEN} are allowed", tag.len()));
        }
        // At most 64 are kept, so that looking through them stays cheap however many are given.
        if scopes.iter().any(|scope| matches!(scope, Scope::Tag(known) if known == tag)) {
            continue;
        }
        if scopes.len() >= MAX_TAGS {
            return refuse(format!("more than {MAX_TAGS} tags; at most {MAX_TAGS} are allowed"));
        }
        scopes.push(Scope::Tag(Arc::clone(tag)));
    }
    Ok(scopes)
}
