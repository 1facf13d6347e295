//! Invalidations in the program's own transaction.
//!
//! What was written under a tag carries the tag's version, which is a row of its own. Without that row everything that was
//! written under it is dead, also what is being loaded just now and is written later: so removing the row is the whole
//! invalidation, and it is part of the transaction that removes it.

use larder_core::{
    error::{Operation, Result},
    key::{Key, Namespace},
};
use rusqlite::{Transaction, params};

use crate::error::during;

/// Invalidates a tag of this namespace when the transaction commits, and not if it does not. Costs two deletes by key.
///
/// Caches see it at their next read if they were built with `invalidation_lag(Duration::ZERO)`, and otherwise after the
/// lag at the latest.
///
/// # Errors
/// `Config` for a namespace that no cache can have; what SQLite says, as an error of the same kinds as the store's.
pub fn invalidate_tag_in(transaction: &Transaction<'_>, namespace: &str, tag: &str) -> Result<()> {
    // The record of any tag comes first: loads whose loader names its tags itself look at it.
    remove(transaction, namespace, &Key::new("tag").part(""))?;
    remove(transaction, namespace, &Key::new("tag").part(tag))
}

/// Clears this namespace and all below it when the transaction commits, and not if it does not. Costs one delete by key.
///
/// # Errors
/// As [`invalidate_tag_in`].
pub fn clear_in(transaction: &Transaction<'_>, namespace: &str) -> Result<()> {
    remove(transaction, namespace, &Key::new("generation"))
}

/// Removes a record of versions. `docs/keys.md` says under which keys they are.
fn remove(transaction: &Transaction<'_>, namespace: &str, record: &Key) -> Result<()> {
    let text = format!("{}!v:{}", Namespace::new(namespace, 0)?.text(), record.text());
    let removed = transaction
        .prepare_cached("DELETE FROM larder WHERE key = ?1")
        .and_then(|mut delete| delete.execute(params![text]));
    removed.map(drop).map_err(|fault| during(Operation::Delete, fault))
}
