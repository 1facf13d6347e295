//! A server as its connections know it: where it is, how they introduce themselves, and what it told about itself.

mod handshake;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use larder_net::{Endpoint, Failure, Limits, Login, Server, Session, Stream};

use crate::protocol::Meta;

/// Stands for a limit that is not known yet. No server takes values of no bytes.
const UNKNOWN: u64 = 0;

/// One server, shared by its connections.
#[derive(Debug)]
pub(crate) struct MemcachedServer {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) login: Option<Login>,
    /// The largest value as it was configured.
    pub(crate) configured_max: Option<u64>,
    endpoint: Endpoint,
    limits: Limits,
    max_value: AtomicU64,
    /// What it said last.
    version: Mutex<Option<String>>,
}

impl MemcachedServer {
    pub(crate) fn new(
        name: String,
        endpoint: Endpoint,
        limits: Limits,
        login: Option<Login>,
        configured_max: Option<u64>,
    ) -> Self {
        let max_value = AtomicU64::new(configured_max.unwrap_or(UNKNOWN));
        Self { name, login, configured_max, endpoint, limits, max_value, version: Mutex::default() }
    }

    /// The largest envelope that the server takes, in bytes; `None` until it was asked, or if it does not say.
    pub(crate) fn max_value(&self) -> Option<u64> {
        match self.max_value.load(Ordering::Relaxed) {
            UNKNOWN => None,
            bytes => Some(bytes),
        }
    }

    /// It is shown to people: what is longer than a version, or would be obeyed by a terminal, is not kept.
    pub(crate) fn calls_itself(&self, version: &str) {
        let is_version = version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_graphic());
        // What is in it is whole at any time.
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = is_version.then(|| version.to_owned());
    }

    /// Its version; `None` until somebody has talked to it.
    pub(crate) fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn learn(&self, max_value: Option<u64>) {
        self.max_value.store(max_value.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

/// The server takes the first space for the end of the user.
pub(crate) fn is_user(username: &str) -> bool {
    !username.is_empty() && !username.contains(|c: char| c == ' ' || c.is_control())
}

impl Server for MemcachedServer {
    type Protocol = Meta;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn greet(&self, stream: &mut Stream) -> Result<Session<Meta>, Failure> {
        handshake::greet(stream, self).await
    }
}
