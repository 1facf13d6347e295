//! How long an entry lives. A type, never a bare integer: no store's private meaning of `0`, of `-1` or of
//! numbers above thirty days can leak through it.

use std::time::Duration;

use crate::clock::Timestamp;

/// The time an entry has to live.
///
/// ```
/// # use larder_core::Ttl;
/// # use std::time::Duration;
/// let ttl: Ttl = Duration::from_secs(60).into();
/// assert_eq!(ttl, Ttl::After(Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// Until it is removed, or the store needs the room.
    Never,
    /// For so long. Zero means that it is already over: the key is absent afterwards. What is below a store's
    /// resolution is rounded up. `Duration::MAX` and its like saturate: they come to the same as `Never`.
    After(Duration),
}

impl Ttl {
    /// Whether the life is over before it begins.
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::After(Duration::ZERO))
    }

    /// The moment at which a life that begins now is over.
    pub fn expires(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Never => Timestamp::NEVER,
            Self::After(duration) => now.plus(duration),
        }
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}
