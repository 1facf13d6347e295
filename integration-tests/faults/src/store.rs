//! The stores that are tried. One is a file in `store/` and a row in [`STORES`]: how its servers are started, and what a
//! worker opens.

mod chain;
mod memcached;
mod redis;
mod ring;
mod valkey;

use std::{path::PathBuf, sync::Arc};

use larder_core::Backend;
use larder_test_servers::Protocol;
use serde::{Deserialize, Serialize};

use crate::{Outcome, server::Server};

/// All of them, in the order of the table.
pub(crate) const STORES: &[&Store] =
    &[&redis::STORE, &memcached::STORE, &ring::STORE, &valkey::STORE, &chain::STORE];
/// Those that are tried when nothing is asked for.
pub(crate) const USUAL: &[&str] = &["redis", "memcached", "ring", "chain"];

/// A kind of store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) protocol: Protocol,
    /// How many servers share its keys.
    pub(crate) members: usize,
    /// Memory is before it.
    pub(crate) is_chain: bool,
    pub(crate) start: fn(Wants) -> Outcome<Vec<Server>>,
    /// Connects to nothing. In the worker's process.
    pub(crate) open: fn(&Client) -> Outcome<Arc<dyn Backend>>,
}

impl Store {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        STORES.iter().copied().find(|store| store.name == name)
    }
}

/// What a fault needs its servers to be started with.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent options")]
pub(crate) struct Wants {
    /// They ask for [`PASSWORD`].
    pub(crate) password: bool,
    /// They have little memory and evict nothing.
    pub(crate) no_eviction: bool,
    /// They take few clients.
    pub(crate) few_clients: bool,
    /// They refuse a value of 2 MiB.
    pub(crate) small_values: bool,
    /// They take a millisecond for each key that they load at their start.
    pub(crate) slow_start: bool,
}

/// The user of servers that ask for one.
pub(crate) const USER: &str = "larder";
/// The password that servers are started with.
pub(crate) const PASSWORD: &str = "before";

/// What a worker needs to open the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    /// Where the servers are, or the proxies before them.
    pub(crate) addresses: Vec<String>,
    /// Where the password is, if there is one.
    pub(crate) password_file: Option<PathBuf>,
}
