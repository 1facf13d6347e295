//! Why a lookup found nothing. A miss always has a reason, and an error is never a miss.

use std::{error::Error, fmt, sync::Arc};

/// Why there is no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Miss {
    /// The store has nothing under the key. Where the store expires entries by itself, this is what an expired
    /// entry looks like, too.
    Absent,
    /// There is an entry, and its life is over.
    Expired,
    /// There is an entry, its life is over, and it is only kept to be served while another is made.
    Stale,
    /// There is an entry, and one of its tags was invalidated or its namespace cleared after it was made.
    Invalidated,
    /// There is no value yet: another process is loading it.
    Leased,
    /// There are bytes that say they belong to another key.
    OtherKey,
    /// There are bytes that cannot be read.
    Undecodable(Undecodable),
}

impl Miss {
    /// The name used in logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Invalidated => "invalidated",
            Self::Leased => "leased",
            Self::OtherKey => "other_key",
            Self::Undecodable(why) => why.as_str(),
        }
    }

    /// Whether the bytes must be left alone, because a newer program wrote them and can read them.
    pub fn is_from_the_future(&self) -> bool {
        matches!(self, Self::Undecodable(Undecodable::FutureVersion(_)))
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no entry"),
            Self::Expired => f.write_str("the entry is expired"),
            Self::Stale => f.write_str("the entry is stale"),
            Self::Invalidated => f.write_str("the entry was invalidated by a tag or a clear"),
            Self::Leased => f.write_str("another process is loading the value"),
            Self::OtherKey => f.write_str("the bytes belong to another key"),
            Self::Undecodable(why) => why.fmt(f),
        }
    }
}

impl Error for Miss {}

/// Why bytes from a store are not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecodable {
    /// They do not begin like an envelope: something else wrote them.
    Foreign,
    /// They end too early, or go on after the end.
    Length,
    /// A checksum does not fit: a bit flipped, or somebody wrote over a part.
    Checksum,
    /// The checksum fits, and a field still has a value that no writer of this version produces.
    Malformed(&'static str),
    /// An envelope of a newer version.
    FutureVersion(u8),
    /// The schema tag is not the cache's.
    Schema(u32),
    /// A format this process does not know.
    UnknownFormat(u8),
    /// A codec this process does not know.
    UnknownCodec(u8),
    /// A dictionary this process does not have.
    UnknownDictionary(u32),
    /// The value says that it is larger, decompressed, than the cache allows.
    TooLarge {
        /// What the envelope declares, in bytes.
        declared: u64,
        /// What the cache allows, in bytes.
        limit: u64,
    },
    /// The codec could not decompress the body.
    Codec(Arc<str>),
    /// The format could not make a value of the bytes.
    Format(Arc<str>),
}

impl Undecodable {
    /// The format could not make a value of the bytes, for this reason.
    pub fn format(why: impl fmt::Display) -> Self {
        Self::Format(why.to_string().into())
    }

    /// The codec could not decompress the body, for this reason.
    pub fn codec(why: impl fmt::Display) -> Self {
        Self::Codec(why.to_string().into())
    }

    /// The name used in logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::Malformed(_) => "malformed",
            Self::FutureVersion(_) => "future_version",
            Self::Schema(_) => "schema",
            Self::UnknownFormat(_) => "unknown_format",
            Self::UnknownCodec(_) => "unknown_codec",
            Self::UnknownDictionary(_) => "unknown_dictionary",
            Self::TooLarge { .. } => "declared_too_large",
            Self::Codec(_) => "codec",
            Self::Format(_) => "format",
        }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the bytes are not an envelope of Larder"),
            Self::Length => f.write_str("the envelope is shorter or longer than it says"),
            Self::Checksum => f.write_str("the envelope's checksum does not match"),
            Self::Malformed(field) => write!(f, "the envelope's {field} is not valid"),
            Self::FutureVersion(version) => {
                write!(f, "the envelope has version {version}, which is newer than this program")
            }
            Self::Schema(schema) => write!(f, "the value has schema {schema}"),
            Self::UnknownFormat(id) => write!(f, "no format with id {id} is registered"),
            Self::UnknownCodec(id) => write!(f, "no codec with id {id} is registered"),
            Self::UnknownDictionary(id) => write!(f, "no dictionary with id {id} is loaded"),
            Self::TooLarge { declared, limit } => {
                write!(f, "the value says it has {declared} bytes; at most {limit} are allowed")
            }
            Self::Codec(why) => write!(f, "the body does not decompress: {why}"),
            Self::Format(why) => write!(f, "the body does not deserialize: {why}"),
        }
    }
}

impl Error for Undecodable {}

impl From<Undecodable> for Miss {
    fn from(why: Undecodable) -> Self {
        Self::Undecodable(why)
    }
}
