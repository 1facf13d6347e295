//! The server: what has arrived is done in one turn, then the listeners are told, then the answers go out.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use larder_core::{Clock, Ttl, backend::Condition, clock::Timestamp};
use loading_trials::random::Random;
use tokio::sync::oneshot;

use super::{
    ledger::{Change, Ledger},
    line::Line,
};
use crate::{
    costs::Costs,
    draw,
    kernel::{Kernel, Moment},
};

/// Commands with which a connection to the bus begins: HELLO, CLIENT TRACKING, SUBSCRIBE.
const COMMANDS_TO_LISTEN: Moment = 3;

/// What is done with a key.
#[derive(Debug)]
pub(super) enum Deed {
    Get,
    /// With the value, if it is one of the simulation.
    Set {
        bytes: Bytes,
        value: Option<u64>,
        token: u64,
        ttl: Ttl,
        condition: Condition,
    },
    Delete {
        condition: Condition,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Said {
    Found(Option<Bytes>),
    Done(bool),
}

/// What arrives at the server.
#[derive(Debug)]
pub(super) enum Asked {
    Command { deeds: Vec<(String, Deed)>, reply: oneshot::Sender<Vec<Said>> },
    Listen { node: usize, epoch: u64 },
    Beat { node: usize, epoch: u64 },
}

#[derive(Debug)]
struct Record {
    bytes: Bytes,
    token: u64,
    expires: Timestamp,
}

/// What has happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Keys that were read.
    pub(crate) reads: u64,
    /// Keys that were written or removed, or refused to be.
    pub(crate) writes: u64,
    /// Messages to listeners that had keys in them.
    pub(crate) messages: u64,
    /// Their bytes, and those of the answers to signs of life.
    pub(crate) bytes: u64,
    /// Nanoseconds that the thread worked.
    pub(crate) busy: Moment,
    /// Connections to the bus that were lost, or not made.
    pub(crate) lost: u64,
}

impl Counts {
    /// What happened after those.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
            busy: self.busy - before.busy,
            lost: self.lost - before.lost,
        }
    }
}

#[derive(Debug)]
pub(super) struct Inner {
    entries: HashMap<String, Record>,
    queue: Vec<Asked>,
    is_busy: bool,
    pub(super) lines: Vec<Line>,
    /// Nobody may listen.
    pub(super) refuses: bool,
    /// A node that is told nothing, so that one sees that the simulation would notice.
    deaf: Option<usize>,
    pub(super) random: Random,
    pub(super) counts: Counts,
    /// How long commands took that were answered, from node to node.
    trips: Vec<Moment>,
}

/// The store, with the ways to it.
pub(crate) struct Server {
    pub(super) kernel: Arc<Kernel>,
    clock: Clock,
    costs: Costs,
    pub(crate) ledger: Ledger,
    inner: Mutex<Inner>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("costs", &self.costs).finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) fn new(
        kernel: &Arc<Kernel>,
        clock: &Clock,
        costs: Costs,
        nodes: usize,
        seed: u64,
    ) -> Arc<Self> {
        let inner = Inner {
            entries: HashMap::new(),
            queue: Vec::new(),
            is_busy: false,
            lines: (0..nodes).map(|_| Line::default()).collect(),
            refuses: false,
            deaf: None,
            random: Random::of_task(seed, 1, 0),
            counts: Counts::default(),
            trips: Vec::new(),
        };
        let (kernel, clock) = (Arc::clone(kernel), clock.clone());
        Arc::new(Self { kernel, clock, costs, ledger: Ledger::default(), inner: Mutex::new(inner) })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// Tells this node nothing from now on, and no one that it missed something.
    pub(crate) fn deafen(&self, node: usize) {
        self.inner().deaf = Some(node);
    }

    /// How long commands took since this was asked last.
    pub(crate) fn trips(&self) -> Vec<Moment> {
        std::mem::take(&mut self.inner().trips)
    }

    /// Sends a command, and waits for the answer.
    pub(super) async fn ask(self: &Arc<Self>, deeds: Vec<(String, Deed)>) -> Option<Vec<Said>> {
        let begun = self.kernel.now();
        let (reply, answer) = oneshot::channel();
        let at = begun + self.inner().way();
        let server = Arc::clone(self);
        self.kernel.at(at, move || {
            server.arrive(Asked::Command { deeds, reply });
            false
        });
        let answer = answer.await.ok()?;
        let took = self.kernel.now() - begun;
        self.inner().trips.push(took);
        Some(answer)
    }

    /// Something has arrived. An idle server begins a turn with it.
    pub(super) fn arrive(self: &Arc<Self>, asked: Asked) {
        let was_busy = {
            let mut inner = self.inner();
            inner.queue.push(asked);
            std::mem::replace(&mut inner.is_busy, true)
        };
        if !was_busy {
            self.turn();
        }
    }

    fn turn(self: &Arc<Self>) {
        let begun = self.kernel.now();
        let inner = &mut *self.inner();
        let mut at = begun + self.costs.turn;
        let (mut changed, mut answers) = (BTreeMap::<String, Vec<Change>>::new(), Vec::new());
        let (mut beats, mut agreed) = (Vec::new(), Vec::new());
        for asked in std::mem::take(&mut inner.queue) {
            match asked {
                Asked::Command { deeds, reply } => {
                    at += self.costs.command * deeds.len() as Moment;
                    let said = deeds.into_iter().map(|(key, deed)| {
                        let value = if let Deed::Set { value, .. } = &deed { *value } else { None };
                        let (said, has_changed) = inner.act(&key, deed, self.clock.now());
                        if has_changed {
                            let end = key.find(':').map_or(key.len(), |colon| colon + 1);
                            changed.entry(key[..end].to_owned()).or_default().push((key, value));
                        }
                        said
                    });
                    answers.push((reply, said.collect::<Vec<_>>()));
                }
                Asked::Listen { node, epoch } => {
                    at += self.costs.command * COMMANDS_TO_LISTEN;
                    if let Some(line) = inner.line(node, epoch) {
                        line.is_open = true;
                        agreed.push((node, epoch));
                    }
                }
                Asked::Beat { node, epoch } => {
                    at += self.costs.command;
                    beats.push((node, epoch));
                }
            }
        }
        for changed in changed.into_values() {
            at = self.broadcast(inner, changed, at);
        }
        for (node, epoch) in agreed {
            let (at, server) = (inner.arrival(node, at), Arc::clone(self));
            self.kernel.at(at, move || {
                server.agreed(node, epoch);
                false
            });
        }
        for (node, epoch) in beats {
            // `*2`, `pong` and an empty text: what a subscribed connection is answered.
            inner.counts.bytes += 7;
            let (at, server) = (inner.arrival(node, at), Arc::clone(self));
            self.kernel.at(at, move || {
                server.beaten(node, epoch);
                false
            });
        }
        for (reply, said) in answers {
            self.kernel.at(at + inner.way(), move || reply.send(said).is_ok());
        }
        inner.counts.busy += at - begun;
        let server = Arc::clone(self);
        self.kernel.at(at, move || {
            let is_over = {
                let mut inner = server.inner();
                inner.is_busy = !inner.queue.is_empty();
                !inner.is_busy
            };
            if !is_over {
                server.turn();
            }
            false
        });
    }

    /// Tells every listener of what one turn has changed under one prefix; gives the moment at which that is done.
    fn broadcast(self: &Arc<Self>, inner: &mut Inner, changed: Vec<Change>, from: Moment) -> Moment {
        let open: Vec<usize> = (0..inner.lines.len()).filter(|node| inner.lines[*node].is_open).collect();
        if open.is_empty() {
            return from;
        }
        let news = Arc::new(self.ledger.news(changed, (open.len(), open.len() == inner.lines.len())));
        let cost = self.costs.message + self.costs.key * (news.keys.len() as Moment - 1);
        let bytes = size(&news.keys);
        let mut at = from;
        for node in open {
            at += cost;
            inner.counts.messages += 1;
            inner.counts.bytes += bytes;
            let epoch = inner.lines[node].epoch;
            let (arrival, server, news) = (inner.arrival(node, at), Arc::clone(self), Arc::clone(&news));
            self.kernel.at(arrival, move || {
                if server.inner().deaf == Some(node) {
                    server.ledger.heard(&news, server.kernel.now());
                } else {
                    server.deliver(node, epoch, &news);
                }
                false
            });
        }
        at
    }
}

impl Inner {
    pub(super) fn way(&mut self) -> Moment {
        draw::way(&mut self.random)
    }

    /// When a node reads on its connection to the bus what is sent to it then.
    fn arrival(&mut self, node: usize, at: Moment) -> Moment {
        let at = at + self.way();
        self.lines[node].arrival(at)
    }

    /// Does it; says whether the entry is another one now.
    fn act(&mut self, key: &str, deed: Deed, now: Timestamp) -> (Said, bool) {
        let live = self.entries.get(key).filter(|record| now < record.expires);
        let holds = |condition| match condition {
            Condition::Always => true,
            Condition::Absent => live.is_none(),
            Condition::Unchanged(token) => live.is_some_and(|record| record.token == token.0),
            _ => live.is_some(),
        };
        match deed {
            Deed::Get => {
                self.counts.reads += 1;
                (Said::Found(live.map(|record| record.bytes.clone())), false)
            }
            Deed::Set { bytes, token, ttl, condition, .. } => {
                let is_done = holds(condition);
                self.counts.writes += 1;
                if is_done {
                    let record = Record { bytes, token, expires: ttl.expires(now) };
                    self.entries.insert(key.to_owned(), record);
                }
                (Said::Done(is_done), is_done)
            }
            Deed::Delete { condition } => {
                let is_done = live.is_some() && holds(condition);
                self.counts.writes += 1;
                if is_done {
                    self.entries.remove(key);
                }
                (Said::Done(is_done), is_done)
            }
        }
    }
}

/// The bytes of a message: a push of two, `invalidate` and a list of keys.
fn size(keys: &[String]) -> u64 {
    let digits = |number: usize| number.to_string().len();
    let keys: usize =
        keys.iter().map(|key| 5 + digits(key.len()) + key.len()).sum::<usize>() + digits(keys.len());
    (">2\r\n$10\r\ninvalidate\r\n*\r\n".len() + keys) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_size_that_it_has_on_the_wire() {
        let wire = ">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\ns:a\r\n$10\r\ns:0123456b\r\n";
        assert_eq!(size(&["s:a".to_owned(), "s:0123456b".to_owned()]), wire.len() as u64);
    }
}
