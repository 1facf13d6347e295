//! A bus: an optional ability of a store. How a process hears what others have changed in it.

use std::{
    fmt::Debug,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;

use crate::{
    error::Result,
    key::{Namespace, StoreKey},
};

/// What is heard on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The entry under the key of this text, namespace included, may be another one now, or gone.
    Changed(Arc<str>),
    /// Something may have been missed: whatever was read before is in doubt, whatever its key.
    Gap,
}

/// A channel on which a process hears what others change in a store, so that it may keep copies near.
///
/// # Contract
/// - **A notice says that something may have changed, and never to what.** It carries no value and no time.
/// - **Nothing is missed quietly.** What changes an entry of a namespace that is [listened](Self::listen) to is reported, whoever
///   does it and by whatever means: a write, a removal, an expiry, an eviction, another program. What could not be told (the
///   channel was lost, its buffer overflowed, a server changed hands, everything was removed at once) is a
///   [`Notice::Gap`].
/// - **After the fact and in order.** A change that is heard is to be seen by a read that begins afterwards, and what a
///   [`Hearing::pulse`] vouches for includes every notice from before: the sign of life travels on the channel that carries the
///   notices, behind them.
/// - **One's own changes** may be heard as well, and need not be.
/// - **Bounded.** A listener that does not keep up is given a gap, and costs neither the store nor other listeners more memory.
/// - **Constructing connects to nothing**; listening begins, and begins anew after a loss, without being asked again.
#[async_trait]
pub trait Bus: Send + Sync + Debug {
    /// Listens to what happens to the entries of this namespace, its versions of tags and levels included. The first notice is a
    /// [`Notice::Gap`]: nothing from before was heard. Listening ends when the answer is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind) where the server refuses it; [`ErrorKind::Closed`](crate::ErrorKind). A server
    /// that cannot be reached is no error: there is no pulse then.
    fn listen(&self, namespace: &Namespace) -> Result<Box<dyn Hearing>>;

    /// Tells the others that this process has changed the entry of this key. To be called after the change. Where the store tells
    /// of changes itself there is nothing to do, which is the default.
    ///
    /// # Errors
    /// What the store says when it fails: others may not have heard.
    async fn tell(&self, key: &StoreKey<'_>) -> Result<()> {
        let _ = key;
        Ok(())
    }
}

/// A listener's end of a [`Bus`].
#[async_trait]
pub trait Hearing: Send + Debug {
    /// The next notice. Dropping the future loses none. After the store was closed it gives a last gap and then pends for ever.
    async fn next(&mut self) -> Notice;

    /// The channel's signs of life, for those who serve copies.
    fn pulse(&self) -> Pulse;
}

/// Until when a channel is known to have missed nothing. Cloning shares; asking is one load.
///
/// The moment is the one at which the newest answered ping was **sent**. A notice proves nothing: a process that was stopped for
/// ten seconds reads the first of a thousand that wait and would think itself up to date.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

/// The kernel's clock, never a ticker of the process's own: that stops with the process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Pulse {
    /// That of a channel that is not there yet.
    pub fn new() -> Self {
        // Before the first moment that is noted.
        LazyLock::force(&START);
        Self::default()
    }

    /// A ping that was sent at this moment was answered. Older news changes nothing.
    pub fn answered(&self, sent: Instant) {
        let nanos = u64::try_from(sent.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX);
        // Zero stands for never.
        self.0.fetch_max(nanos.saturating_add(1), Ordering::Release);
    }

    /// The channel was lost: nothing is known until a ping is answered again.
    pub fn lost(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Until when nothing was missed; `None` while the channel is not there.
    pub fn heard_until(&self) -> Option<Instant> {
        let nanos = self.0.load(Ordering::Acquire).checked_sub(1)?;
        START.checked_add(std::time::Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pulse_speaks_of_the_newest_ping_that_was_answered() {
        let pulse = Pulse::new();
        assert_eq!(pulse.heard_until(), None);
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_millis(5));
        pulse.answered(second);
        pulse.answered(first);
        assert_eq!(pulse.clone().heard_until(), Some(second));
        pulse.lost();
        assert_eq!(pulse.heard_until(), None);
        pulse.answered(first);
        assert_eq!(pulse.heard_until(), Some(first));
    }
}
