//! Counters: numbers as the server has them, under keys that no entry has.

use async_trait::async_trait;
use larder_core::{
    Result,
    backend::{CounterOptions, Counters},
    error::Operation,
    key::StoreKey,
};

use larder_net::decimal;

use super::{MemcachedBackend, unfit};
use crate::{
    expiry::server_seconds,
    protocol::{Reply, Request, WireKey},
};

/// A counter of `users:ada` is a number under `users:ada+c`, which the server changes (`ma`). It may be kept up to two
/// seconds longer than asked, since nothing but the server's seconds says when it is over. A request is sent once: a call
/// that ends without a reply may have counted.
///
/// # Errors
/// [`ErrorKind::Decode`](larder_core::ErrorKind) where somebody else has put something that is no number.
#[async_trait]
impl Counters for MemcachedBackend {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let wire = WireKey::of_counter(key, Operation::Increment)?;
        // What is over at once is not made.
        let made = options.initial.filter(|_| !options.ttl.is_zero());
        let initial = made.map(|initial| (initial, server_seconds(options.ttl)));
        let call = (Operation::Increment, options.until);
        let reply = self.change(&wire, &Request::Count { key: &wire, by, initial }, call).await?;
        match &reply {
            // The server pads a number that got shorter with spaces, though not in this reply.
            Reply::Value { bytes, .. } => match decimal(bytes.trim_ascii_end()) {
                Some(number) => Ok(Some(number)),
                None => Err(unfit(&reply, self.locate(&wire).0, Operation::Increment)),
            },
            Reply::Absent => Ok(options.initial),
            _ => Err(unfit(&reply, self.locate(&wire).0, Operation::Increment)),
        }
    }
}
