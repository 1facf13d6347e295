//! The breakers of a store, one for each of its servers, and who is notified when one of them changes.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    settings::Rules,
    switch::{Admitted, Change, Opened, Refused, Switch},
    telling::Telling,
    verdict::Verdict,
};
use crate::{
    backend::{Circuit, CircuitState, Shards},
    clock::{Clock, Timestamp},
    error::{Error, ErrorKind, Operation, Origin},
};

/// Receives each change.
pub(super) type Watcher = Arc<dyn Fn(&str, &Circuit) + Send + Sync>;

pub(super) struct Switches {
    pub(super) store: Arc<str>,
    pub(super) rules: Rules,
    /// One that nobody sets.
    clock: Clock,
    /// At least one.
    each: Box<[Switch]>,
    /// One for each of them.
    tellings: Box<[Telling]>,
    pub(super) watcher: Option<Watcher>,
}

impl Switches {
    pub(super) fn new(store: Arc<str>, rules: Rules, clock: &Clock, count: u16) -> Self {
        let count = count.max(1);
        let each = (0..count).map(|_| Switch::default()).collect();
        let tellings = (0..count).map(|_| Telling::default()).collect();
        Self { store, rules, clock: clock.steady(), each, tellings, watcher: None }
    }

    /// Whether each server has one of its own.
    pub(super) fn are_many(&self) -> bool {
        self.each.len() > 1
    }

    fn of(&self, server: u16) -> &Switch {
        &self.each[self.place(server)]
    }

    fn place(&self, server: u16) -> usize {
        // There is at least one, and a number that is too large means any.
        usize::from(server).min(self.each.len() - 1)
    }

    /// Lets a call to this server through, or says why not.
    pub(super) fn admit(
        &self,
        server: u16,
        operation: Operation,
        shards: Option<&dyn Shards>,
    ) -> Result<Admitted<'_>, Error> {
        let switch = self.of(server);
        switch.admit(&self.rules, &self.clock).map_err(|refused| {
            let why = switch.why();
            if let (Some(times), Some(why)) = (self.tellings[self.place(server)].refused(refused.now), &why) {
                self.warn(self.name(server, shards).as_deref(), times, &why.failure);
            }
            self.error((server, shards), operation, refused, why.as_ref())
        })
    }

    /// Whether a call to this server would be refused now.
    pub(super) fn refuse(&self, server: u16) -> bool {
        self.of(server).refuses(&self.rules, &self.clock)
    }

    /// Why a call to one of the servers would be refused now, if one would be. Nothing is let through by this.
    pub(super) fn refusal(&self, operation: Operation, shards: Option<&dyn Shards>) -> Option<Error> {
        (0_u16..).zip(&self.each).find_map(|(server, switch)| {
            let refused = switch.refusal(&self.rules, &self.clock)?;
            Some(self.error((server, shards), operation, refused, switch.why().as_ref()))
        })
    }

    /// The servers that wait for a call that tries whether they are back.
    pub(super) fn due(&self) -> impl Iterator<Item = u16> + '_ {
        let waits = |switch: &Switch| {
            switch.state() != CircuitState::Closed && !switch.refuses(&self.rules, &self.clock)
        };
        (0_u16..).zip(&self.each).filter(move |(_, switch)| waits(switch)).map(|(server, _)| server)
    }

    /// A call to this server has ended.
    pub(super) fn ended(
        &self,
        server: u16,
        admitted: Admitted<'_>,
        verdict: Verdict,
        shards: Option<&dyn Shards>,
    ) {
        if let Some(change) = admitted.ended(verdict, &self.rules, &self.clock) {
            self.tell(self.name(server, shards), &self.tellings[self.place(server)], change);
        }
    }

    fn name(&self, server: u16, shards: Option<&dyn Shards>) -> Option<String> {
        shards.filter(|_| self.are_many()).map(|shards| shards.name(server))
    }

    fn error(
        &self,
        (server, shards): (u16, Option<&dyn Shards>),
        operation: Operation,
        refused: Refused,
        why: Option<&Opened>,
    ) -> Error {
        let of = self.name(server, shards).map_or_else(String::new, |name| format!(" of {name}"));
        let ago = why.map_or(Duration::ZERO, |why| refused.now.since(why.at));
        let next = match refused.until {
            Some(until) => format!("the next call goes through in {:?}", until.since(refused.now)),
            None => "one call is trying whether the server is back".to_owned(),
        };
        let last = why.map_or("none", |why| why.failure.kind().as_str());
        let message =
            format!("not sent: the breaker{of} opened {ago:?} ago, and {next}; the last failure: {last}");
        let error = Error::new(ErrorKind::Unavailable, operation, message)
            .with_origin(Origin::Here)
            .in_store(&self.store);
        match why {
            Some(why) => error.with_source(why.failure.clone()),
            None => error,
        }
    }

    fn warn(&self, server: Option<&str>, quiet: u32, failure: &Error) {
        tracing::warn!(
            store = &*self.store, server, error = %failure.chain(), openings_not_logged = quiet,
            "the breaker opened: calls fail at once until the server answers again"
        );
    }

    fn tell(&self, server: Option<String>, telling: &Telling, change: Change) {
        let now = self.clock.now();
        let (store, name) = (&*self.store, server.as_deref());
        let circuit = match change {
            Change::Opened(opened) => {
                if let Some(quiet) = telling.opened(now) {
                    self.warn(name, quiet, &opened.failure);
                } else {
                    tracing::debug!(store, server = name, "the breaker opened once more");
                }
                circuit(server, CircuitState::Open, Some(opened), now)
            }
            Change::Closed(opened) => {
                let after = opened.as_ref().map(|opened| now.since(opened.at));
                if telling.closed() {
                    tracing::info!(
                        store,
                        server = name,
                        ?after,
                        "the breaker closed: the server answers again"
                    );
                } else {
                    tracing::debug!(store, server = name, ?after, "the breaker closed once more");
                }
                Circuit { opened_ago: None, ..circuit(server, CircuitState::Closed, opened, now) }
            }
        };
        let Some(watcher) = &self.watcher else { return };
        // Whatever state the watcher is left in is its own.
        if catch_unwind(AssertUnwindSafe(|| watcher(store, &circuit))).is_err() {
            tracing::error!(store, "the watcher of a breaker panicked");
        }
    }

    /// The state of the worst one.
    pub(super) fn state(&self) -> CircuitState {
        self.each.iter().map(Switch::state).max().unwrap_or(CircuitState::Closed)
    }

    /// How each of them is.
    pub(super) fn circuits(&self, shards: Option<&dyn Shards>) -> Vec<Circuit> {
        let now = self.clock.now();
        let each = (0_u16..).zip(&self.each);
        each.map(|(server, switch)| {
            let (name, state) = (self.name(server, shards), switch.state());
            let why = switch.why().filter(|_| state != CircuitState::Closed);
            circuit(name, state, why, now)
        })
        .collect()
    }
}

fn circuit(server: Option<String>, state: CircuitState, why: Option<Opened>, now: Timestamp) -> Circuit {
    let opened_ago = why.as_ref().map(|why| now.since(why.at));
    Circuit { state, opened_ago, failure: why.map(|why| why.failure), ..Circuit::closed(server) }
}

impl fmt::Debug for Switches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switches")
            .field("store", &self.store)
            .field("rules", &self.rules)
            .field("states", &self.each.iter().map(Switch::state).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
