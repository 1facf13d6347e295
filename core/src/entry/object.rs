//! Where the live object of an entry is: in the entry's own allocation, in one of its own, or in another entry's; and the body of
//! an entry that was read as bytes.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use super::{Body, Entry, Live};

/// What holds the live object of an entry, if there is one.
pub(super) trait Object: Any + Send + Sync {
    /// The object, if there is one already.
    fn live(&self) -> Option<&Live>;

    /// Keeps an object that was made of the body, unless there is one already.
    fn keep(&self, live: Arc<Live>);

    /// The body, where the entry was made of one.
    #[inline]
    fn body(&self) -> Option<&Body> {
        None
    }

    /// Drops what is held here.
    fn drop_now(&mut self);

    /// The same object for another entry that is this one's under other metadata.
    fn for_other(&self, entry: &Entry) -> Shared;
}

/// The object of an entry for another one.
pub(super) enum Shared {
    /// In an allocation of its own, perhaps.
    Apart(Apart),
    /// The same, of an entry that was made of a body.
    Read(Read),
    /// Within that entry.
    Of(Of),
}

/// Within the entry: a hit finds the value where it finds the metadata.
pub(super) struct Within<T>(pub(super) Option<T>);

/// In an allocation of its own: given as one, or made of the body when it was first asked for.
#[derive(Clone)]
pub(super) struct Apart(pub(super) OnceLock<Arc<Live>>);

/// Made of the body when it was first asked for. The body is within the entry.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) body: Body,
    pub(super) live: OnceLock<Arc<Live>>,
}

/// That of another entry, which has it within.
pub(super) struct Of(pub(super) Entry);

impl<T: Any + Send + Sync> Object for Within<T> {
    fn live(&self) -> Option<&Live> {
        self.0.as_ref().map(|value| value as &Live)
    }

    fn keep(&self, _: Arc<Live>) {}

    fn drop_now(&mut self) {
        drop(self.0.take());
    }

    fn for_other(&self, entry: &Entry) -> Shared {
        Shared::Of(Of(entry.clone()))
    }
}

impl Object for Apart {
    fn live(&self) -> Option<&Live> {
        self.0.get().map(|live| &**live)
    }

    fn keep(&self, live: Arc<Live>) {
        let _ = self.0.set(live);
    }

    fn drop_now(&mut self) {
        drop(self.0.take());
    }

    fn for_other(&self, _: &Entry) -> Shared {
        Shared::Apart(self.clone())
    }
}

impl Object for Read {
    fn live(&self) -> Option<&Live> {
        self.live.get().map(|live| &**live)
    }

    fn keep(&self, live: Arc<Live>) {
        let _ = self.live.set(live);
    }

    fn body(&self) -> Option<&Body> {
        Some(&self.body)
    }

    fn drop_now(&mut self) {
        drop(self.live.take());
    }

    fn for_other(&self, _: &Entry) -> Shared {
        Shared::Read(self.clone())
    }
}

impl Object for Of {
    fn live(&self) -> Option<&Live> {
        self.0.live_object()
    }

    fn keep(&self, _: Arc<Live>) {}

    // The other entry sees to what it holds.
    fn drop_now(&mut self) {}

    fn for_other(&self, _: &Entry) -> Shared {
        Shared::Of(Of(self.0.clone()))
    }
}

impl dyn Object {
    /// The object, if there is one already and it is of this type.
    #[inline]
    pub(super) fn of_type<T: Any + Send + Sync>(&self) -> Option<&T> {
        match (self as &dyn Any).downcast_ref::<Within<T>>() {
            Some(within) => within.0.as_ref(),
            None => self.live()?.downcast_ref(),
        }
    }
}

/// Drops it. Whoever happens to make room in a store does not answer for what the drop of somebody's value does.
pub(super) fn drop_quietly(object: &mut (impl Object + ?Sized)) {
    if catch_unwind(AssertUnwindSafe(|| object.drop_now())).is_err() {
        tracing::error!("the drop of a cached value panicked");
    }
}
