//! Tags and clears.

use super::{Cache, Value};
use crate::{
    engine::{remove, stamps::tag_scopes},
    error::{Operation, Result},
};

impl<T: Value> Cache<T> {
    /// Empties the cache's namespace and those below it, in this process at once and in others within
    /// [`invalidation_lag`](super::CacheBuilder::invalidation_lag). Nothing else in the store is touched. It
    /// costs one small write, however many entries there are; the store drops them when their TTL is over or
    /// it needs the room. Loads that are in progress are not stored.
    ///
    /// # Errors
    /// What the store says when it fails; of several servers, which ones were not reached. Entries may still be there, and other
    /// processes may serve them. This process does not, and makes up for it as soon as the store can be reached.
    pub async fn clear(&self) -> Result<()> {
        let whole = self.kit.store.register.levels().whole();
        remove::invalidate(&self.kit, &whole, false, Operation::Clear).await
    }

    /// Invalidates every entry that was written under this tag, as [`clear`](Self::clear) does for all.
    ///
    /// # Errors
    /// What the store says when it fails, and [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for a tag that is
    /// empty or longer than 255 bytes.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        self.invalidate_scope(tag, false).await
    }

    /// Lets every entry that was written under this tag count as stale from now on, as [`expire`](Self::expire) does for
    /// one. Up to sixteen such calls in a row keep what was written before the first of them; then, and after an
    /// [`invalidate_tag`](Self::invalidate_tag), it is gone. On a store without compare-and-set it is as
    /// [`invalidate_tag`](Self::invalidate_tag).
    ///
    /// # Errors
    /// As for [`invalidate_tag`](Self::invalidate_tag).
    pub async fn expire_tag(&self, tag: &str) -> Result<()> {
        self.invalidate_scope(tag, true).await
    }

    async fn invalidate_scope(&self, tag: &str, softly: bool) -> Result<()> {
        for scope in tag_scopes([&tag.into()], Operation::Invalidate)? {
            remove::invalidate(&self.kit, &scope, softly, Operation::Invalidate).await?;
        }
        Ok(())
    }
}
