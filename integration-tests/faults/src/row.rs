//! What is cached: a value that names its key.

use larder_core::Key;
use serde::{Deserialize, Serialize};

/// The value of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The number of the key it was made for.
    pub(crate) key: u64,
    /// Which version of the key's row it is.
    pub(crate) version: u64,
    /// What makes it large.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) filler: String,
}

impl Row {
    pub(crate) fn new(key: u64, version: u64) -> Self {
        Self { key, version, filler: String::new() }
    }

    /// The key of this number.
    pub(crate) fn key(number: u64) -> Key {
        Key::new("row").part(number)
    }
}
