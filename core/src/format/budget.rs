//! What one value may still take while it is read.

use std::{cell::Cell, fmt};

use super::shape::Shape;
use crate::miss::Undecodable;

/// How many elements may be read beyond the number of bytes. Only elements without any bytes of their own, such as `()` in
/// Postcard, can be more than the bytes are.
pub(crate) const MAX_EMPTY: usize = 1 << 20;

/// What is left for one value.
#[derive(Debug)]
pub(crate) struct Budget {
    elements: Cell<usize>,
    reservable: Cell<usize>,
    /// The limit that was met. Postcard's errors have no room for a message.
    exceeded: Cell<Option<&'static str>>,
    shape: Shape,
}

impl Budget {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            elements: Cell::new(bytes.len().saturating_add(MAX_EMPTY)),
            reservable: Cell::new(bytes.len()),
            exceeded: Cell::new(None),
            shape: Shape::default(),
        }
    }

    /// The shape of what was read.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Why reading failed: the limit, if one was met, or else what the format says.
    pub(crate) fn why(&self, error: impl fmt::Display) -> Undecodable {
        self.exceeded.get().map_or_else(|| Undecodable::format(error), Undecodable::format)
    }

    #[cold]
    pub(super) fn exceed<E: serde::de::Error>(&self, limit: &'static str) -> E {
        self.exceeded.set(Some(limit));
        E::custom(limit)
    }

    #[cfg(test)]
    pub(super) fn left_to_reserve(&self) -> usize {
        self.reservable.get()
    }

    /// Counts one element.
    pub(super) fn element<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.elements.get().checked_sub(1);
        self.elements.set(left.ok_or_else(|| self.exceed("more elements than bytes"))?);
        Ok(())
    }

    /// How much of what a sequence says of its length may be reserved. All sequences of an honest value together have no more
    /// elements than it has bytes; whatever has more still grows as it is read.
    pub(super) fn hint(&self, said: Option<usize>) -> Option<usize> {
        let granted = said?.min(self.reservable.get());
        self.reservable.set(self.reservable.get() - granted);
        Some(granted)
    }
}
