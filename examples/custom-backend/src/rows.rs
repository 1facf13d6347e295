//! What stands in the file, and what one transaction does to it.

use bytes::Bytes;
use larder_core::{
    Entry, Key, Miss,
    backend::{Condition, Lookup},
    clock::Timestamp,
    envelope::{self, LIFETIME},
    key::{Namespace, StoreKey},
};
use redb::{
    Database, ReadableTable as _, ReadableTableMetadata as _, Table, TableDefinition, WriteTransaction,
};

use crate::error::Fault;

/// The entries: key text to the moment when it is over, in milliseconds since 1970, and the envelope.
pub const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("larder-entries");

/// The same keys by the moment when they are over: what is to go next stands first.
const EXPIRIES: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("larder-expiries");

/// A key that can wait in a queue: a [`StoreKey`] borrows.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    namespace: Namespace,
    key: Key,
}

impl Place {
    pub(crate) fn of(key: &StoreKey<'_>) -> Self {
        Self { namespace: key.namespace().clone(), key: key.key().clone() }
    }

    fn key(&self) -> StoreKey<'_> {
        StoreKey::new(&self.namespace, &self.key)
    }
}

/// What a write does to its key.
#[derive(Debug)]
pub(crate) enum Change {
    Put {
        envelope: Bytes,
        expires: Timestamp,
        condition: Condition,
    },
    /// The bytes are those that stand at [`LIFETIME`].
    Touch {
        lifetime: [u8; 24],
        expires: Timestamp,
        condition: Condition,
    },
    Remove {
        condition: Condition,
    },
}

/// Makes the tables, so that reading needs none to be missing.
pub(crate) fn create_tables(database: &Database) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(EXPIRIES)?;
    Ok(transaction.commit()?)
}

/// Looks keys up, all in the same state of the file.
pub(crate) fn look_up(database: &Database, places: &[Place], now: Timestamp) -> Result<Vec<Lookup>, Fault> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    let look_up = |place: &Place| {
        let key = place.key();
        let Some(row) = entries.get(&*key.to_string())? else { return Ok(Lookup::Miss(Miss::Absent)) };
        let (expires, bytes) = row.value();
        if now >= Timestamp::from_millis(expires) {
            return Ok(Lookup::Miss(Miss::Expired));
        }
        // Whatever stands there, this says what it is: a file may have been damaged or written by others.
        Ok(envelope::read(&key, &Bytes::copy_from_slice(bytes)).into())
    };
    places.iter().map(look_up).collect()
}

/// The tables in a transaction that writes.
pub(crate) struct Rows<'t> {
    entries: Table<'t, &'static str, (u64, &'static [u8])>,
    expiries: Table<'t, (u64, &'static str), ()>,
    now: Timestamp,
}

impl<'t> Rows<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction, now: Timestamp) -> Result<Self, Fault> {
        let (entries, expiries) = (transaction.open_table(ENTRIES)?, transaction.open_table(EXPIRIES)?);
        Ok(Self { entries, expiries, now })
    }

    /// Does this, or not if its condition does not hold. A transaction is alone with the file, so nothing can come
    /// between looking and writing.
    pub(crate) fn change(&mut self, place: &Place, change: &Change) -> Result<bool, Fault> {
        let key = place.key();
        let text = key.to_string();
        match change {
            Change::Put { envelope, expires, condition } => {
                let applies = self.holds(*condition, &key, &text)?;
                if applies {
                    self.put(&text, *expires, envelope)?;
                }
                Ok(applies)
            }
            Change::Touch { lifetime, expires, condition } => {
                let Some(bytes) = self.live(&text)? else { return Ok(false) };
                if envelope::read(&key, &bytes).is_err() || !self.holds(*condition, &key, &text)? {
                    return Ok(false);
                }
                let mut bytes = Vec::from(bytes);
                // An envelope that could be read has a whole header.
                bytes[LIFETIME].copy_from_slice(lifetime);
                self.put(&text, *expires, &bytes)?;
                Ok(true)
            }
            Change::Remove { condition } => {
                // Without a condition, what is over goes as well, and counts as none.
                if *condition != Condition::Always
                    && (self.live(&text)?.is_none() || !self.holds(*condition, &key, &text)?)
                {
                    return Ok(false);
                }
                let removed = self.remove(&text)?;
                Ok(removed.is_some_and(|expires| self.now < expires))
            }
        }
    }

    fn holds(&self, condition: Condition, key: &StoreKey<'_>, text: &str) -> Result<bool, Fault> {
        Ok(match condition {
            Condition::Absent => self.live(text)?.is_none(),
            Condition::Present => self.live(text)?.is_some(),
            Condition::Unchanged(token) => self.entry(key, text)?.is_some_and(|entry| entry.token() == token),
            // The backend lets no condition through that is not known here.
            _ => true,
        })
    }

    /// Removes what is over, and beyond `max` entries what is over soonest: at most so many.
    pub(crate) fn sweep(&mut self, max: u64, most: usize) -> Result<(), Fault> {
        for _ in 0..most {
            let Some((first, _)) = self.expiries.first()? else { return Ok(()) };
            let (expires, text) = first.value();
            let (is_over, text) = (self.now >= Timestamp::from_millis(expires), text.to_owned());
            drop(first);
            if !is_over && self.entries.len()? <= max {
                return Ok(());
            }
            self.remove(&text)?;
        }
        Ok(())
    }

    fn entry(&self, key: &StoreKey<'_>, text: &str) -> Result<Option<Entry>, Fault> {
        Ok(self.live(text)?.and_then(|bytes| envelope::read(key, &bytes).ok()))
    }

    /// The bytes under a key, unless their life is over.
    fn live(&self, text: &str) -> Result<Option<Bytes>, Fault> {
        let row = self.entries.get(text)?;
        Ok(row.and_then(|row| {
            let (expires, bytes) = row.value();
            (self.now < Timestamp::from_millis(expires)).then(|| Bytes::copy_from_slice(bytes))
        }))
    }

    fn put(&mut self, text: &str, expires: Timestamp, bytes: &[u8]) -> Result<(), Fault> {
        let expires = expires.as_millis();
        let before = self.entries.insert(text, (expires, bytes))?.map(|row| row.value().0);
        if let Some(before) = before.filter(|before| *before != expires) {
            self.expiries.remove((before, text))?;
        }
        self.expiries.insert((expires, text), ())?;
        Ok(())
    }

    /// When what was removed would have been over.
    fn remove(&mut self, text: &str) -> Result<Option<Timestamp>, Fault> {
        let before = self.entries.remove(text)?.map(|row| row.value().0);
        let Some(expires) = before else { return Ok(None) };
        self.expiries.remove((expires, text))?;
        Ok(Some(Timestamp::from_millis(expires)))
    }
}
