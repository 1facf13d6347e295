//! The rows: what reading, writing, touching and removing are in SQL.

use bytes::Bytes;
use larder_core::{
    Miss,
    backend::{Condition, Lookup},
    clock::Timestamp,
    envelope::{self, LIFETIME},
    key::{Key, Namespace, StoreKey},
};
use rusqlite::{Connection, OptionalExtension as _, Result, Transaction, TransactionBehavior, params};

/// How many rows that are over a write removes.
const SWEPT: u32 = 2;

/// A key that may go to another thread.
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

/// What is done to a row.
#[derive(Debug)]
pub(crate) enum Change {
    Put {
        envelope: Bytes,
        expires: Timestamp,
    },
    /// The bytes are those that stand at [`LIFETIME`].
    Touch {
        lifetime: [u8; 24],
        expires: Timestamp,
    },
    Remove,
}

/// A change of one row, on a condition.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) place: Place,
    pub(crate) change: Change,
    pub(crate) condition: Condition,
}

/// Looks keys up, all in the same state of the database.
pub(crate) fn look_up(connection: &mut Connection, places: &[Place], now: Timestamp) -> Result<Vec<Lookup>> {
    let transaction = connection.transaction()?;
    places.iter().map(|place| look_up_one(&transaction, &place.key(), now)).collect()
}

/// Does all of it in one transaction; whether each took place. Writers of SQLite come one after the other, so nothing
/// can come between looking at a row and changing it.
pub(crate) fn change(connection: &mut Connection, writes: &[Write], now: Timestamp) -> Result<Vec<bool>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = writes.iter().map(|write| change_one(&transaction, write, now)).collect::<Result<_>>()?;
    sweep(&transaction, now)?;
    transaction.commit()?;
    Ok(done)
}

fn look_up_one(transaction: &Transaction<'_>, key: &StoreKey<'_>, now: Timestamp) -> Result<Lookup> {
    let Some((expires, bytes)) = row(transaction, &key.to_string())? else {
        return Ok(Lookup::Miss(Miss::Absent));
    };
    if now >= expires {
        return Ok(Lookup::Miss(Miss::Expired));
    }
    // Whatever stands there, this says what it is: anybody who has the database can write into it.
    Ok(envelope::read(key, &bytes).into())
}

fn change_one(transaction: &Transaction<'_>, write: &Write, now: Timestamp) -> Result<bool> {
    let key = write.place.key();
    let text = key.to_string();
    let live = row(transaction, &text)?.filter(|(expires, _)| now < *expires).map(|(_, bytes)| bytes);
    let readable = live.as_ref().and_then(|bytes| envelope::read(&key, bytes).ok());
    let holds = match write.condition {
        Condition::Absent => live.is_none(),
        Condition::Present => live.is_some(),
        Condition::Unchanged(token) => readable.as_ref().is_some_and(|entry| entry.token() == token),
        _ => true,
    };
    match &write.change {
        Change::Put { envelope, expires } => {
            if holds {
                put(transaction, &text, *expires, envelope)?;
            }
            Ok(holds)
        }
        Change::Touch { lifetime, expires } => {
            let (Some(bytes), true) = (live.filter(|_| readable.is_some()), holds) else { return Ok(false) };
            let mut bytes = Vec::from(bytes);
            // An envelope that could be read has a whole header.
            bytes[LIFETIME].copy_from_slice(lifetime);
            put(transaction, &text, *expires, &bytes)?;
            Ok(true)
        }
        Change::Remove => {
            if !holds {
                return Ok(false);
            }
            transaction.prepare_cached("DELETE FROM larder WHERE key = ?1")?.execute(params![text])?;
            Ok(live.is_some())
        }
    }
}

fn row(transaction: &Transaction<'_>, text: &str) -> Result<Option<(Timestamp, Bytes)>> {
    transaction
        .prepare_cached("SELECT expires, envelope FROM larder WHERE key = ?1")?
        .query_row(params![text], |row| {
            let (expires, bytes): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            Ok((timestamp(expires), Bytes::from(bytes)))
        })
        .optional()
}

fn put(transaction: &Transaction<'_>, text: &str, expires: Timestamp, bytes: &[u8]) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO larder (key, expires, envelope) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, envelope = excluded.envelope",
        )?
        .execute(params![text, integer(expires), bytes])?;
    Ok(())
}

/// Removes some of what is over, so that the table does not grow with what nobody asks for again.
fn sweep(transaction: &Transaction<'_>, now: Timestamp) -> Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM larder WHERE key IN (SELECT key FROM larder WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
        )?
        .execute(params![integer(now), SWEPT])?;
    Ok(())
}

/// SQLite's integers have a sign. No moment is as late as its largest, which stands for never.
fn integer(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(integer: i64) -> Timestamp {
    match u64::try_from(integer) {
        Ok(millis) if integer < i64::MAX => Timestamp::from_millis(millis),
        Ok(_) => Timestamp::NEVER,
        // Nobody writes such a moment; what somebody else has written is over.
        Err(_) => Timestamp::from_millis(0),
    }
}
