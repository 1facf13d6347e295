//! A node's connection to the bus: as `larder-redis` keeps it, with the same pauses and the same signs of life.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use larder_core::{
    ErrorKind,
    backend::{Ear, Notice},
};
use larder_net::Backoff;
use tokio::time::Instant;

use super::{
    ledger::News,
    server::{Asked, Inner, Server},
};
use crate::kernel::{MILLI, Moment, SECOND};

/// Between two signs of life.
const BEAT: Moment = 100 * MILLI;
/// How many may be on their way.
const MOST_BEATS: usize = 8;
/// How long one may take until the connection counts as lost: the default of `response_timeout`.
const RESPONSE: Duration = Duration::from_secs(2);
/// In what time the nodes come first.
const START: Moment = 100 * MILLI;

#[derive(Default)]
pub(super) struct Line {
    ears: Vec<Weak<dyn Ear>>,
    /// Which connection it is: what belongs to an earlier one is lost with it.
    pub(super) epoch: u64,
    /// Whether the server tells.
    pub(super) is_open: bool,
    /// When the latest message arrives that is on its way: none comes before it.
    arrives: Moment,
    beats: VecDeque<Instant>,
    backoff: Backoff,
    opened: Option<Moment>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Line {
    /// When something arrives that would arrive then if nothing was before it.
    pub(super) fn arrival(&mut self, at: Moment) -> Moment {
        self.arrives = self.arrives.max(at);
        self.arrives
    }
}

impl Server {
    /// A node listens from now on.
    pub(super) fn listen(self: &Arc<Self>, node: usize, ear: Weak<dyn Ear>) {
        let after = {
            let inner = &mut *self.inner();
            inner.lines[node].ears.push(ear);
            inner.random.below(START)
        };
        self.connect(node, after);
    }

    fn connect(self: &Arc<Self>, node: usize, after: Moment) {
        let (at, epoch) = {
            let inner = &mut *self.inner();
            // There, back and there again until the server has read the first command.
            let ways: Moment = (0..3).map(|_| inner.way()).sum();
            (self.kernel.now() + after + ways, inner.lines[node].epoch)
        };
        let server = Arc::clone(self);
        self.kernel.at(at, move || {
            if server.inner().refuses {
                server.lose(node, epoch);
            } else {
                server.arrive(Asked::Listen { node, epoch });
            }
            false
        });
    }

    /// The connection is gone, and the node tries to get another.
    pub(super) fn lose(self: &Arc<Self>, node: usize, epoch: u64) {
        let pause = {
            let inner = &mut *self.inner();
            let Some(line) = inner.line(node, epoch) else { return };
            line.epoch += 1;
            (line.is_open, line.arrives) = (false, 0);
            line.beats.clear();
            if let Some(opened) = line.opened.take() {
                line.backoff.lasted(Duration::from_nanos(self.kernel.now() - opened));
            }
            let pause = line.backoff.next(ErrorKind::Unavailable);
            inner.counts.lost += 1;
            pause
        };
        self.connect(node, u64::try_from(pause.as_nanos()).unwrap_or(SECOND));
    }

    /// The bus goes away for all nodes at once; nobody can connect to it until [`come_back`](Self::come_back).
    pub(crate) fn cut(self: &Arc<Self>) {
        let epochs: Vec<u64> = {
            let mut inner = self.inner();
            inner.refuses = true;
            inner.lines.iter().map(|line| line.epoch).collect()
        };
        epochs.into_iter().enumerate().for_each(|(node, epoch)| self.lose(node, epoch));
    }

    pub(crate) fn come_back(&self) {
        self.inner().refuses = false;
    }

    /// The node reads that the server has agreed to tell.
    pub(super) fn agreed(self: &Arc<Self>, node: usize, epoch: u64) {
        if let Some(line) = self.inner().line(node, epoch) {
            line.opened = Some(self.kernel.now());
        }
        self.tell(node, epoch, Notice::Gap);
        self.beat(node, epoch);
    }

    /// The node asks for a sign of life, and again after a while.
    fn beat(self: &Arc<Self>, node: usize, epoch: u64) {
        let now = self.kernel.now();
        let (at, is_late) = {
            let inner = &mut *self.inner();
            let way = inner.way();
            let Some(line) = inner.line(node, epoch) else { return };
            let is_late = line.beats.front().is_some_and(|sent| sent.elapsed() > RESPONSE);
            let may_ask = !is_late && line.beats.len() < MOST_BEATS;
            if may_ask {
                line.beats.push_back(Instant::now());
            }
            (may_ask.then_some(now + way), is_late)
        };
        if is_late {
            return self.lose(node, epoch);
        }
        if let Some(at) = at {
            let server = Arc::clone(self);
            self.kernel.at(at, move || {
                server.arrive(Asked::Beat { node, epoch });
                false
            });
        }
        let server = Arc::clone(self);
        self.kernel.at(now + BEAT, move || {
            server.beat(node, epoch);
            false
        });
    }

    /// The node reads the answer to the first of its questions.
    pub(super) fn beaten(&self, node: usize, epoch: u64) {
        let sent = self.inner().line(node, epoch).and_then(|line| line.beats.pop_front());
        if let Some(sent) = sent {
            self.tell(node, epoch, Notice::Alive(sent));
        }
    }

    /// The node reads what a turn has changed.
    pub(super) fn deliver(&self, node: usize, epoch: u64, news: &News) {
        if self.inner().line(node, epoch).is_none() {
            // Lost with its connection: it is never heard of.
            return;
        }
        for key in &news.keys {
            self.tell(node, epoch, Notice::Changed(key));
        }
        self.ledger.heard(news, self.kernel.now());
    }

    fn tell(&self, node: usize, epoch: u64, notice: Notice<'_>) {
        let ears: Vec<_> = {
            let inner = &mut *self.inner();
            let Some(line) = inner.line(node, epoch) else { return };
            line.ears.iter().filter_map(Weak::upgrade).collect()
        };
        ears.iter().for_each(|ear| ear.hear(notice));
    }
}

impl Inner {
    /// The node's connection, if it is still this one.
    pub(super) fn line(&mut self, node: usize, epoch: u64) -> Option<&mut Line> {
        self.lines.get_mut(node).filter(|line| line.epoch == epoch)
    }
}
