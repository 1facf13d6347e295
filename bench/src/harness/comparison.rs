//! What is compared with what, and in which measure.

use super::sample::Sample;

/// What of a sample is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Nanoseconds by the wall an operation (with N threads: the wall's time over all their operations).
    Time,
    /// Operations a second.
    Throughput,
    /// Nanoseconds of this process's processor time an operation.
    ClientCpu,
    /// Nanoseconds of the server's processor time an operation.
    ServerCpu,
    /// Nanoseconds that 99 of 100 operations keep.
    P99,
    /// Allocations an operation.
    Allocations,
    /// Bytes allocated an operation.
    Bytes,
    /// The lane's own [`figure`](Sample::figure).
    Figure,
}

impl Measure {
    /// It, in this sample; nothing where the lane does not take it.
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        let operations = sample.operations.max(1) as f64;
        Some(match self {
            Self::Time => sample.elapsed.as_secs_f64() * 1e9 / operations,
            Self::Throughput => operations / sample.elapsed.as_secs_f64().max(1e-9),
            Self::ClientCpu => sample.client_cpu.as_secs_f64() * 1e9 / operations,
            Self::ServerCpu => sample.server_cpu?.as_secs_f64() * 1e9 / operations,
            Self::P99 => sample.p99?.as_secs_f64() * 1e9,
            Self::Allocations => sample.allocated.calls as f64 / operations,
            Self::Bytes => sample.allocated.bytes as f64 / operations,
            Self::Figure => sample.figure?,
        })
    }

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Throughput => "throughput",
            Self::ClientCpu => "client CPU",
            Self::ServerCpu => "server CPU",
            Self::P99 => "p99",
            Self::Allocations => "allocations",
            Self::Bytes => "bytes allocated",
            Self::Figure => "figure",
        }
    }

    /// What it is counted in, where the row does not say.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Time | Self::ClientCpu | Self::ServerCpu | Self::P99 => "ns",
            Self::Throughput => "/s",
            Self::Allocations | Self::Figure => "",
            Self::Bytes => "B",
        }
    }

    /// Whether more is better.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::Throughput
    }
}

/// How the figures of one round become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Ours over theirs.
    Ratio,
    /// Ours less theirs.
    Difference,
    /// Ours alone.
    Alone,
}

/// One comparison of a group. Its name is unique in its row.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) ours: String,
    /// Lanes to compare with; of several, the best one by its median. None of them measured: no comparison.
    pub(crate) theirs: Vec<String>,
    pub(crate) measure: Measure,
    pub(crate) how: How,
    pub(crate) unit: Option<&'static str>,
    /// What figures in `Measure`'s unit are divided by to be in `unit`.
    pub(crate) per_unit: f64,
}

impl Comparison {
    /// Time an operation, ours over theirs.
    pub(crate) fn ratio(name: impl Into<String>, ours: &str, theirs: &str) -> Self {
        Self::new(name, ours, vec![theirs.to_owned()], How::Ratio)
    }

    /// Time an operation, ours over that of the fastest of these lanes.
    pub(crate) fn fastest<S: Into<String>>(
        name: impl Into<String>,
        ours: &str,
        theirs: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::new(name, ours, theirs.into_iter().map(Into::into).collect(), How::Ratio)
    }

    /// Time an operation, ours less theirs.
    pub(crate) fn difference(name: impl Into<String>, ours: &str, theirs: &str) -> Self {
        Self::new(name, ours, vec![theirs.to_owned()], How::Difference)
    }

    /// Time an operation, ours alone.
    pub(crate) fn alone(name: impl Into<String>, ours: &str) -> Self {
        Self::new(name, ours, Vec::new(), How::Alone)
    }

    /// In another measure than time.
    pub(crate) fn measure(mut self, measure: Measure) -> Self {
        self.measure = measure;
        self
    }

    /// In this unit, which is so many of the measure's own: `("µs", 1000.0)`. Ratios have none.
    pub(crate) fn unit(mut self, unit: &'static str, per_unit: f64) -> Self {
        (self.unit, self.per_unit) = (Some(unit), per_unit);
        self
    }

    fn new(name: impl Into<String>, ours: &str, theirs: Vec<String>, how: How) -> Self {
        Self {
            name: name.into(),
            ours: ours.to_owned(),
            theirs,
            measure: Measure::Time,
            how,
            unit: None,
            per_unit: 1.0,
        }
    }
}
