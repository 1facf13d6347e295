//! The connections to one server, and how a call goes over one of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use larder_core::{Error, Result, error::Operation};
use redis::{Cmd, Pipeline, Value};

use crate::{
    config::Settings,
    error,
    link::{Failure, Link},
    slot::Slot,
};

/// The connections to one server: one, unless configured otherwise.
pub(crate) struct Connections {
    slots: Box<[Arc<Slot>]>,
    next: AtomicUsize,
}

impl Connections {
    /// Connects to nothing.
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        let slots = (0..settings.connections).map(|_| Arc::new(Slot::new(Arc::clone(settings)))).collect();
        Self { slots, next: AtomicUsize::new(0) }
    }

    /// Sends a command that changes nothing. If the connection ends before the reply comes, it is sent once
    /// more over the next one.
    pub(crate) async fn read(&self, operation: Operation, command: &Cmd) -> Result<Value> {
        twice(self.slot(), operation, command).await
    }

    /// Removes what must not stay, whoever wrote it, as [`write`](Self::write) does, but as insistently as
    /// [`read`](Self::read): a server that has just refused a value for its size may be about to hang up.
    pub(crate) async fn remove(&self, operation: Operation, command: &Cmd) -> Result<Value> {
        twice(self.first(), operation, command).await
    }

    /// Sends a command that changes something: once, whatever happens. It may have been done although no reply
    /// came, and somebody else may have written since.
    ///
    /// All of them go over the first connection: what was given up while it was being sent must not arrive after what
    /// came later, or a load would bring back what was removed since.
    pub(crate) async fn write(&self, operation: Operation, command: &Cmd) -> Result<Value> {
        let slot = self.first();
        let link = slot.link(operation, None).await?;
        link.send(command).await.map_err(|failure| slot.error(failure, operation))
    }

    /// Sends several commands that change something in one go: one reply each.
    pub(crate) async fn write_all(&self, operation: Operation, commands: &Pipeline) -> Result<Vec<Value>> {
        let slot = self.first();
        let link = slot.link(operation, None).await?;
        link.send_all(commands).await.map_err(|failure| slot.error(failure, operation))
    }

    /// A reply made no sense. No connection is trusted any more, and this is what the caller is told.
    pub(crate) fn nonsense(&self, operation: Operation) -> Error {
        self.each_link(Link::give_up);
        error::nonsense(operation)
    }

    /// The server said that it is a replica.
    pub(crate) fn doubt_primary(&self) {
        self.each_link(Link::doubt_primary);
    }

    /// Ends all connections for good.
    pub(crate) fn close(&self) {
        self.slots.iter().for_each(|slot| slot.close());
    }

    fn each_link(&self, act: impl Fn(&Link)) {
        self.slots.iter().for_each(|slot| slot.with_link(&act));
    }

    fn first(&self) -> &Arc<Slot> {
        // The configuration allows one connection or more.
        &self.slots[0]
    }

    /// The next connection in turn, or another one that is up while that one is not.
    fn slot(&self) -> &Arc<Slot> {
        if let [only] = &*self.slots {
            return only;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let next = &self.slots[turn];
        if next.is_up() {
            return next;
        }
        next.begin();
        self.slots.iter().find(|slot| slot.is_up()).unwrap_or(next)
    }
}

async fn twice(slot: &Arc<Slot>, operation: Operation, command: &Cmd) -> Result<Value> {
    let link = slot.link(operation, None).await?;
    match link.send(command).await {
        Ok(reply) => Ok(reply),
        Err(Failure::Lost(_)) => {
            let next = slot.link(operation, Some(&link)).await?;
            next.send(command).await.map_err(|failure| slot.error(failure, operation))
        }
        Err(failure) => Err(slot.error(failure, operation)),
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.slots).finish()
    }
}
