//! A server that is started when it is first needed, and shared by all who need it.

use std::sync::{Arc, OnceLock};

/// Something that many share and that is made when the first of them asks.
pub(super) struct Lazily<T> {
    made: Arc<OnceLock<T>>,
    make: fn() -> T,
}

impl<T> Lazily<T> {
    pub(super) fn new(make: fn() -> T) -> Self {
        Self { made: Arc::default(), make }
    }

    pub(super) fn get(&self) -> &T {
        self.made.get_or_init(self.make)
    }
}

impl<T> Clone for Lazily<T> {
    fn clone(&self) -> Self {
        Self { made: Arc::clone(&self.made), make: self.make }
    }
}
