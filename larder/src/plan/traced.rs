//! A span for each call of a store.

use std::sync::Arc;

use larder_core::{Backend, layer::Trace};

/// The store with a span for each call, if it is to have that: around everything else.
pub(super) fn traced(store: Arc<dyn Backend>, name: &str, trace: bool) -> Arc<dyn Backend> {
    if trace { Arc::new(Trace::new(store, name)) } else { store }
}
