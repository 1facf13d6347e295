//! Removing what an operator wants removed.

use super::{Http, key};
use crate::mode::purge::{Purged, What};

/// What a store that fails means here.
const UNTIL: &str = "what is stored may be served until it is stale; try again when the store can be reached";

impl Http {
    /// Removes it; none where it is nothing that is stored here.
    pub async fn purge(&self, what: &What) -> Option<Purged> {
        let http = &self.0;
        let purged = match what {
            What::Key(like) => {
                let key = key(&http.upstream, &like.target);
                http.cache.delete(&key).await.map(Some)
            }
            What::Tag(tag) => http.cache.invalidate_tag(tag).await.map(|()| None),
            What::All => http.cache.clear().await.map(|()| None),
            What::Index(_) => return None,
        };
        Some(match purged {
            Ok(existed) => Purged::Done { existed },
            Err(error) => {
                http.counters.store_failures.up();
                Purged::Failed(format!("{error}; {UNTIL}"))
            }
        })
    }
}
