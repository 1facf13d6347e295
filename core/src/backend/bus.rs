//! A bus: an optional ability of a store. How a process hears what others have changed in it.

use std::{
    fmt::Debug,
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    clock::{Moment, nanos},
    key::Namespace,
};

/// After how long without a sign of life a bus counts as silent: 400 ms. One that is alive gives several in this time.
pub const SILENCE: Duration = Duration::from_millis(400);

/// What is heard on a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The entry under the key of this text, namespace included, may be another one now, or gone.
    Changed(&'a str),
    /// Something may have been missed: whatever was read before is in doubt, whatever its key.
    Gap,
    /// A sign of life: whatever was changed before this moment has been told, or is a gap that has been told.
    ///
    /// The moment is the one at which a question was **sent** that was answered behind all notices. A notice proves nothing: a
    /// process that was stopped for ten seconds reads the first of a thousand that wait and would think itself up to date.
    Alive(Instant),
}

/// Is told what happens in a store. Called by whoever reads the channel, one notice after the other: it must neither block nor
/// take long.
pub trait Ear: Send + Sync + Debug {
    /// This was heard.
    fn hear(&self, notice: Notice<'_>);
}

/// A channel on which a process hears what others change in a store, so that it may keep copies near.
///
/// # Contract
/// - **A notice says that something may have changed, and never to what.** It has no value and no time.
/// - **Nothing is missed quietly.** What changes an entry of a namespace that is [listened](Self::listen) to is told, whoever
///   does it and by whatever means: a write, a removal, an expiry, an eviction, another program; a write of this process
///   whose caller has given up as well. What could not be told (the channel was lost, its buffer overflowed, a server changed
///   hands, everything was removed at once) is a [`Notice::Gap`]: after a reconnect, before any other notice.
/// - **After the fact and in order.** A change that is heard is seen by a read that begins afterwards. [`Notice::Alive`]
///   stands behind every notice from before its moment. A living channel gives one several times within [`SILENCE`]; a lost
///   one says nothing.
/// - **One's own changes** may be told as well, and need not be told while their callers wait for them.
/// - **Bounded.** A listener that does not keep up is given a gap, and costs neither the store nor other listeners more memory.
/// - **Constructing connects to nothing**, and neither does listening. It begins with the next operation of the store that runs
///   in a runtime, and begins anew after a loss, without being asked again.
pub trait Bus: Send + Sync + Debug {
    /// Tells this ear, from now on, what happens to the entries of this namespace, its versions of tags and levels included. The
    /// first notice is a [`Notice::Gap`]: nothing from before was heard. The ear is forgotten when it is dropped.
    ///
    /// A server that cannot be reached, or refuses, is no error: there are no signs of life then.
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>);
}

/// Until when a channel is known to have missed nothing. Asking is one load.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// Nanoseconds of the last such moment, and one more; zero stands for never.
    heard: AtomicU64,
}

impl Pulse {
    /// That of a channel that is not there yet.
    pub(crate) fn new() -> Self {
        Self { heard: AtomicU64::new(0) }
    }

    /// Everything from before this moment was heard; `None`: nothing was.
    pub(crate) fn set(&self, moment: Option<Instant>) {
        let nanos = moment.map_or(0, |moment| Moment::of(moment).nanos().saturating_add(1));
        self.heard.store(nanos, Ordering::Release);
    }

    /// Whether everything was heard from before so many nanoseconds ago.
    #[inline]
    pub(crate) fn is_within(&self, nanos: u64, now: Moment) -> bool {
        let heard = self.heard.load(Ordering::Acquire);
        heard != 0 && now.nanos().saturating_sub(heard - 1) < nanos
    }

    /// Whether there was a sign of life in time.
    #[inline]
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        self.is_within(nanos(SILENCE), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_as_old_as_the_question_that_was_answered() {
        let pulse = Pulse::new();
        let sent = Instant::now();
        let after = |span| Moment::of(sent + span);
        assert!(!pulse.is_alive(after(Duration::ZERO)));
        assert!(!pulse.is_within(u64::MAX, after(Duration::ZERO)), "nothing was heard");
        pulse.set(Some(sent));
        assert!(pulse.is_alive(after(SILENCE / 2)));
        assert!(!pulse.is_alive(after(SILENCE)));
        let second = Duration::from_secs(1);
        assert!(pulse.is_within(nanos(second) + 1, after(second)));
        assert!(!pulse.is_within(nanos(second), after(second)));
        pulse.set(None);
        assert!(!pulse.is_within(u64::MAX, after(second)));
    }
}
