//! What a proxy can do to the replies that pass through it.

use std::time::Duration;

/// What the server speaks: where a reply ends depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Redis's, version 2 or 3.
    Resp,
    /// Memcached's text and meta commands.
    Meta,
}

/// What happens to the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// They pass.
    #[default]
    None,
    /// Each arrives this much later. Requests and replies stay in a pipeline: the time is not added up.
    Delay(Duration),
    /// A connection ends after some bytes of replies: 0, 1, 5, 17 … up to 5000, another number for each connection.
    Cut,
    /// Each byte is a segment of its own.
    ByteByByte,
    /// The server's side is closed; the client's is not, and what comes from there is read and thrown away.
    HalfClosed,
    /// Open connections are reset, and later ones as soon as the client asks something.
    Reset,
    /// In place of replies come random bytes; on every other connection none of them is a line end.
    Garbage,
    /// In place of replies comes the beginning of one that is 999 999 999 bytes long.
    HugeLength,
    /// One in this many replies comes twice.
    Doubled(u64),
    /// One in this many replies comes after the one that follows it, if that comes within 20 ms.
    Swapped(u64),
    /// Unsolicited replies come, one in each of these spans of time.
    Unsolicited(Duration),
    /// Open connections are reset, later ones accepted, and nothing on them is ever answered.
    NeverAnswered,
    /// Nothing passes in either direction, and new connections are neither accepted nor refused. What was on its way arrives
    /// afterwards.
    BlackHole,
    /// On connections that have asked a Redis to tell of changes (`CLIENT TRACKING`), nothing comes any more. Others are as usual.
    BusSilent,
    /// On such connections everything arrives this much later.
    BusLate(Duration),
}
