//! Running scripts on servers that know them, that do not know them yet, and that run none.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use larder_core::{Result, error::Operation};
use redis::Cmd;
use tokio::time::Instant;

use super::RedisBackend;
use crate::{
    commands::Name,
    error,
    resp::{Reply, Request},
};

/// For how long a server is believed that it does not have a command. It may be restarted with another configuration.
const BELIEVED: Duration = Duration::from_mins(1);

/// How this server takes scripts, as far as that is known.
#[derive(Debug)]
pub(crate) struct Scripting {
    begun: Instant,
    /// Until when it is believed that there is no `EVALSHA`, in milliseconds since `begun`.
    no_hashes: AtomicU64,
    /// Likewise, no `EVAL`.
    none: AtomicU64,
}

impl Scripting {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), no_hashes: AtomicU64::new(0), none: AtomicU64::new(0) }
    }

    /// What a script is sent as first.
    fn name(&self) -> Name {
        if self.is_before(&self.no_hashes) { Name::Whole } else { Name::Hash }
    }

    /// What it is to be sent as instead, after this reply to one sent by that name.
    fn instead(&self, name: Name, reply: &Reply) -> Option<Name> {
        let is_unknown = error::is_unknown_command(reply);
        match name {
            Name::Hash if is_unknown => self.believe(&self.no_hashes),
            Name::Hash if error::is_unknown_script(reply) => {}
            Name::Whole if is_unknown => {
                self.believe(&self.none);
                return None;
            }
            _ => return None,
        }
        Some(Name::Whole)
    }

    fn believe(&self, until: &AtomicU64) {
        let millis = (self.begun.elapsed() + BELIEVED).as_millis();
        until.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_before(&self, until: &AtomicU64) -> bool {
        match until.load(Ordering::Relaxed) {
            // No clock is asked as long as all is well.
            0 => false,
            until => self.begun.elapsed().as_millis() < u128::from(until),
        }
    }
}

/// A request; for a script, how it is made once it is known how the script is named.
pub(crate) enum Sent<'a> {
    Plain(Request<'a>),
    Script(Box<dyn Fn(Name) -> Cmd + Send + Sync + 'a>),
}

impl<'a> Sent<'a> {
    pub(crate) fn script(command: impl Fn(Name) -> Cmd + Send + Sync + 'a) -> Self {
        Self::Script(Box::new(command))
    }

    fn is_script(&self) -> bool {
        matches!(self, Self::Script(_))
    }
}

enum Ready<'a> {
    Plain(Request<'a>),
    Script(Cmd),
}

impl RedisBackend {
    /// Runs a script.
    pub(crate) async fn run(
        &self,
        operation: Operation,
        until: Option<Instant>,
        command: impl Fn(Name) -> Cmd + Send,
    ) -> Result<Reply> {
        if self.scripting.is_before(&self.scripting.none) {
            return Err(error::no_scripts(operation));
        }
        let mut name = self.scripting.name();
        loop {
            let command = command(name);
            let reply = self.connections.write(operation, &Request::Script(&command), until).await?;
            // At most twice: as a whole, there is nothing instead.
            match self.scripting.instead(name, &reply) {
                Some(instead) => name = instead,
                None => return Ok(reply),
            }
        }
    }

    /// Makes requests in one go, some of which run the same script: one reply each, in their order. The first of those names
    /// the script as a whole, so that the server knows it when the others come, and takes them in this order.
    pub(crate) async fn send_all(
        &self,
        operation: Operation,
        until: Option<Instant>,
        requests: &[Sent<'_>],
    ) -> Result<Vec<Reply>> {
        let (name, first) = (self.scripting.name(), requests.iter().position(Sent::is_script));
        let name_of = |index| if Some(index) == first { Name::Whole } else { name };
        let all: Vec<usize> = (0..requests.len()).collect();
        let mut replies = self.send(operation, until, requests, &all, name_of).await?;
        // Without `EVALSHA`, or where somebody made the server forget its scripts between two commands.
        let again: Vec<usize> = all
            .into_iter()
            .filter(|&at| self.scripting.instead(name_of(at), &replies[at]).is_some())
            .collect();
        let second = self.send(operation, until, requests, &again, |_| Name::Whole).await?;
        for (index, reply) in again.into_iter().zip(second) {
            replies[index] = reply;
        }
        Ok(replies)
    }

    async fn send(
        &self,
        operation: Operation,
        until: Option<Instant>,
        requests: &[Sent<'_>],
        which: &[usize],
        name: impl Fn(usize) -> Name + Send + Sync,
    ) -> Result<Vec<Reply>> {
        let ready: Vec<Ready<'_>> = which
            .iter()
            .map(|&at| match &requests[at] {
                Sent::Plain(request) => Ready::Plain(*request),
                Sent::Script(command) => Ready::Script(command(name(at))),
            })
            .collect();
        let sent = || {
            ready.iter().map(|ready| match ready {
                Ready::Plain(request) => *request,
                Ready::Script(command) => Request::Script(command),
            })
        };
        self.connections.write_all(operation, until, sent).await
    }
}
