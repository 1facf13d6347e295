//! What an operator wants removed, and what was done.

use bytes::Bytes;
use http::request::Parts;

use crate::request::Target;

/// What is to be removed.
#[derive(Debug)]
pub enum What {
    /// What is stored for a request like this.
    Key(Box<Like>),
    /// What was written under this tag of the cache.
    Tag(String),
    /// What depends on this index, alias or pattern.
    Index(String),
    /// Everything.
    All,
}

/// A request whose answer is to be removed.
#[derive(Debug)]
pub struct Like {
    /// What a client writes.
    pub parts: Parts,
    /// What it is for.
    pub target: Target,
    /// Its body.
    pub body: Bytes,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purged {
    /// It is gone. Of a key: whether it was there.
    Done {
        /// Something was there; none where nobody knows.
        existed: Option<bool>,
    },
    /// Nothing like it is ever stored, and why.
    NeverStored(&'static str),
    /// The store could not be told, and what that means.
    Failed(String),
}
