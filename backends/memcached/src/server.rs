//! A server of a store: where it is, what it is called on the ring, and what it told about itself.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{address::Address, config::Settings};

/// Stands for a limit that is not known yet. No server takes values of no bytes.
const UNKNOWN: u64 = 0;

/// One server, shared by its connections.
pub(crate) struct Server {
    pub(crate) address: Address,
    pub(crate) settings: Arc<Settings>,
    max_value: AtomicU64,
}

impl Server {
    pub(crate) fn new(address: Address, settings: Arc<Settings>) -> Self {
        let max_value = AtomicU64::new(settings.max_value.unwrap_or(UNKNOWN));
        Self { address, settings, max_value }
    }

    /// The largest envelope that the server takes, in bytes; `None` until it was asked, or if it does not say.
    pub(crate) fn max_value(&self) -> Option<u64> {
        match self.max_value.load(Ordering::Relaxed) {
            UNKNOWN => None,
            bytes => Some(bytes),
        }
    }

    pub(crate) fn learn(&self, max_value: Option<u64>) {
        self.max_value.store(max_value.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

/// Where it is: for messages.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
