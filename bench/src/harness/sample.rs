//! What one lane's turn in one round has cost.

use std::time::{Duration, Instant};

use super::alloc::{self, Allocated};
use super::cpu::{self, Server};

/// One lane's turn in one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// How many operations there were.
    pub(crate) operations: u64,
    /// How long they took together, by the wall.
    pub(crate) elapsed: Duration,
    /// Processor time of this process meanwhile.
    pub(crate) client_cpu: Duration,
    /// Processor time of the server, where there is one.
    pub(crate) server_cpu: Option<Duration>,
    /// What this process allocated meanwhile.
    pub(crate) allocated: Allocated,
    /// The latency that 99 of 100 operations keep, where the lane takes single times.
    pub(crate) p99: Option<Duration>,
    /// A figure of the row's own (bytes of heap, loads), where the row measures something else than time.
    pub(crate) figure: Option<f64>,
}

impl Sample {
    /// Measures what is done while `work` runs.
    pub(crate) fn of(operations: u64, server: Option<Server>, work: impl FnOnce()) -> Self {
        let meter = Meter::start(server);
        work();
        meter.stop(operations)
    }

    /// With the 99th percentile of single latencies; sorts them.
    pub(crate) fn with_latencies(mut self, latencies: &mut [Duration]) -> Self {
        let rank = (latencies.len() * 99 / 100).min(latencies.len().saturating_sub(1));
        if !latencies.is_empty() {
            self.p99 = Some(*latencies.select_nth_unstable(rank).1);
        }
        self
    }
}

/// Readings taken at the beginning of a turn.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Option<Server>,
    server_cpu: Option<Duration>,
    allocated: Allocated,
    client_cpu: Duration,
    begun: Instant,
}

impl Meter {
    /// Takes the readings, the clock last.
    pub(crate) fn start(server: Option<Server>) -> Self {
        let server_cpu = server.and_then(Server::used);
        let (allocated, client_cpu) = (alloc::allocated(), cpu::own());
        Self { server, server_cpu, allocated, client_cpu, begun: Instant::now() }
    }

    /// What came since, the clock first.
    pub(crate) fn stop(self, operations: u64) -> Sample {
        let elapsed = self.begun.elapsed();
        let client_cpu = cpu::own().saturating_sub(self.client_cpu);
        let allocated = alloc::allocated().since(self.allocated);
        let now = self.server.and_then(Server::used);
        let server_cpu = now.zip(self.server_cpu).map(|(now, before)| now.saturating_sub(before));
        Sample { operations, elapsed, client_cpu, server_cpu, allocated, ..Sample::default() }
    }
}
