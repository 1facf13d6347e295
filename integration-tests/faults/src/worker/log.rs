//! Lines in the log, counted as an operator would see them: at the level `INFO` and above.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// How many lines are kept as they were.
const KEPT: usize = 6;

/// Counts lines of the crates of this project.
#[derive(Debug, Default)]
pub(super) struct Lines {
    seen: Mutex<(u64, Vec<String>)>,
}

impl Lines {
    /// Begins to count, for the whole process.
    pub(super) fn count() -> Arc<Self> {
        let lines = Arc::new(Self::default());
        // It fails only if somebody else counts already, and nobody does.
        let _ = tracing::subscriber::set_global_default(Counter(Arc::clone(&lines)));
        lines
    }

    pub(super) fn forget(&self) {
        *self.lock() = (0, Vec::new());
    }

    /// How many there were, and the first.
    pub(super) fn seen(&self) -> (u64, Vec<String>) {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<String>)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Counter(Arc<Lines>);

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("larder")
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = self.0.lock();
        seen.0 += 1;
        if seen.1.len() < KEPT {
            let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut line);
            seen.1.push(line.0);
        }
    }

    // Spans are not lines.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
