//! What is worth a look in a configuration that is accepted.

use std::fmt;

use super::{error::Mistake, origin::Origin, path::KeyPath};

/// Something in a configuration, or in what a cache has done with it, that is accepted and is probably not what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// The path of the key that would be changed: `caches.search.lease`.
    pub key: String,
    /// Where the value came from; `None` when it is about what has happened.
    pub origin: Option<Origin>,
    /// What was noticed, what it leads to, and what to do. Never holds a secret.
    pub message: String,
}

impl Advice {
    /// What a store has noticed of its server.
    pub(crate) fn of_store(name: &str, message: String) -> Self {
        Self { key: KeyPath::new(["stores", name]).to_string(), origin: None, message }
    }
}

impl From<Mistake> for Advice {
    fn from(Mistake { key, origin, message, .. }: Mistake) -> Self {
        Self { key, origin, message }
    }
}

/// One line: the key, where its value came from, and the message.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) if self.key.is_empty() => write!(f, "{origin}: {}", self.message),
            Some(origin) => write!(f, "{} ({origin}): {}", self.key, self.message),
            None => write!(f, "{}: {}", self.key, self.message),
        }
    }
}
