//! What went wrong, and at what: the parts of an error that programs decide by.

use std::fmt;

/// What went wrong. A program can distinguish every kind from the others; the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached: refused, reset, name not found, no connection at the moment.
    Unavailable,
    /// The store did not answer within the deadline. Whether a write took effect is not known.
    Timeout,
    /// The store refused the credentials, or asks for some.
    Auth,
    /// The store refuses writes, as a replica does.
    ReadOnly,
    /// The store has no memory left for the write and may not evict.
    Full,
    /// The store is starting and does not serve yet.
    Loading,
    /// Too many requests at once, here (the client's own queue) or there (the server's limit of clients).
    Busy,
    /// The store answered something that its protocol does not allow.
    Protocol,
    /// The value is larger than the store takes. The key is absent afterwards.
    TooLarge,
    /// A counter's step leads to a number that the store cannot hold; the counter is unchanged.
    OutOfRange,
    /// The key or tag cannot be used; nothing was sent to a store.
    InvalidKey,
    /// The value could not be turned into bytes; an existing entry is unchanged.
    Encode,
    /// Bytes could not be turned into a value.
    Decode,
    /// This backend does not have the ability that was asked for.
    Unsupported,
    /// A setting is wrong.
    Config,
    /// The caller's loader failed; [`Error::load_error`](crate::Error::load_error) has its error.
    Load,
    /// The caller's loader panicked.
    Panicked,
    /// The loader of a key waits for that key.
    Recursion,
    /// The cache or store was closed.
    Closed,
    /// There is no tokio runtime here, and the operation needs one.
    NoRuntime,
    /// Anything that fits nowhere else: the store answered with an error this version does not know.
    Other,
}

impl ErrorKind {
    /// The name used in logs and metrics, in `snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Auth => "auth",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::OutOfRange => "out_of_range",
            Self::InvalidKey => "invalid_key",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Unsupported => "unsupported",
            Self::Config => "config",
            Self::Load => "load",
            Self::Panicked => "panicked",
            Self::Recursion => "recursion",
            Self::Closed => "closed",
            Self::NoRuntime => "no_runtime",
            Self::Other => "other",
        }
    }

    /// Whether the same call may succeed later without anything being changed by a person.
    pub const fn status(self) -> ErrorStatus {
        match self {
            Self::Unavailable
            | Self::Timeout
            | Self::ReadOnly
            | Self::Full
            | Self::Loading
            | Self::Busy
            | Self::Protocol
            | Self::Load
            | Self::Panicked
            | Self::Other => ErrorStatus::Temporary,
            Self::Auth
            | Self::TooLarge
            | Self::OutOfRange
            | Self::InvalidKey
            | Self::Encode
            | Self::Decode
            | Self::Unsupported
            | Self::Config
            | Self::Recursion
            | Self::Closed
            | Self::NoRuntime => ErrorStatus::Permanent,
        }
    }

    /// Where such an error arises, unless the error itself says otherwise.
    pub const fn origin(self) -> Origin {
        match self {
            Self::Unavailable
            | Self::Timeout
            | Self::Auth
            | Self::ReadOnly
            | Self::Full
            | Self::Loading
            | Self::Protocol
            | Self::Other => Origin::Store,
            _ => Origin::Here,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// On which side an error arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// In this process: its own queue is full, the value cannot be encoded, the loader failed.
    Here,
    /// In the store, or on the way to it.
    Store,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorStatus {
    /// The same call may succeed later.
    Temporary,
    /// The same call fails until somebody changes something.
    Permanent,
}

/// The operation during which an error happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Constructing a backend, a codec or a cache.
    Build,
    /// Opening a connection to a store.
    Connect,
    /// Reading one key or several.
    Get,
    /// Writing one key or several.
    Set,
    /// Changing the TTL of an entry.
    Touch,
    /// Removing one key or several.
    Delete,
    /// Changing a counter.
    Increment,
    /// Emptying a namespace.
    Clear,
    /// Invalidating a tag.
    Invalidate,
    /// Running the caller's loader.
    Load,
    /// Turning a value into bytes.
    Encode,
    /// Turning bytes into a value.
    Decode,
    /// Closing a store.
    Close,
}

impl Operation {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Connect => "connect",
            Self::Get => "get",
            Self::Set => "set",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::Increment => "increment",
            Self::Clear => "clear",
            Self::Invalidate => "invalidate",
            Self::Load => "load",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
