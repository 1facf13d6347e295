//! Counters: whole numbers as the server has them, under keys that no entry has.

use async_trait::async_trait;
use larder_core::{
    Error, ErrorKind, Result,
    backend::{CounterOptions, Counters},
    error::Operation,
    key::StoreKey,
};

use super::RedisBackend;
use crate::{
    commands,
    resp::Reply,
    scripts::{NO_COUNTER, OUT_OF_RANGE},
};

/// The largest number that a counter of the server's holds.
const LARGEST: u64 = i64::MAX as u64;

/// A counter of `users:ada` is a number under `users:ada+c`. It is changed by one script, sent once: a call that ends
/// without a reply may have counted.
///
/// # Errors
/// [`ErrorKind::OutOfRange`] for a step below zero or above [`i64::MAX`]; [`ErrorKind::Decode`] where somebody else has
/// put something that is no number.
#[async_trait]
impl Counters for RedisBackend {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        if options.initial.is_some_and(|initial| initial > LARGEST) {
            return Err(out_of_range());
        }
        let command = |name| commands::count(name, key, by, options);
        let reply = self.run(Operation::Increment, options.until, command).await?;
        let bytes = match reply {
            Reply::Nil => return Ok(None),
            Reply::Value(bytes) => bytes,
            other => return Err(self.unexpected(Operation::Increment, &other)),
        };
        match std::str::from_utf8(&bytes) {
            Ok(OUT_OF_RANGE) => Err(out_of_range()),
            Ok(NO_COUNTER) => {
                let message = "the counter's key holds something other than a number from 0 to 2^63 - 1";
                Err(Error::new(ErrorKind::Decode, Operation::Increment, message))
            }
            number => match number.map(str::parse) {
                Ok(Ok(number)) => Ok(Some(number)),
                _ => Err(self.connections.nonsense(Operation::Increment)),
            },
        }
    }
}

fn out_of_range() -> Error {
    let message = "counters of a Redis store hold 0 to 2^63 - 1; this one is unchanged";
    Error::new(ErrorKind::OutOfRange, Operation::Increment, message)
}
