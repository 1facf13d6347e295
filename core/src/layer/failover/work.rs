//! Operations that can be done in either store, and once more where they did not count.

use super::tokens::Tokens;
use crate::{
    backend::{
        Backend, CounterOptions, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::{Operation, Result},
    key::StoreKey,
    layer::counting::increment,
};
use tokio::time::Instant;

/// An operation on one key.
pub(super) trait One: Send + Sync {
    type Answer: Send;
    const OPERATION: Operation;
    /// Whether a store that is not told of it has missed something.
    const WRITES: bool;

    fn key(&self) -> &StoreKey<'_>;
    fn until(&self) -> Option<Instant>;
    fn on(&self, store: &impl Backend, tokens: Tokens) -> impl Future<Output = Result<Self::Answer>> + Send;
}

pub(super) struct Get<'a>(pub(super) &'a StoreKey<'a>, pub(super) &'a GetOptions);
pub(super) struct Set<'a>(pub(super) &'a StoreKey<'a>, pub(super) &'a Entry, pub(super) &'a SetOptions);
pub(super) struct Touch<'a>(pub(super) &'a StoreKey<'a>, pub(super) &'a TouchOptions);
pub(super) struct Delete<'a>(pub(super) &'a StoreKey<'a>, pub(super) &'a DeleteOptions);
pub(super) struct Increment<'a>(pub(super) &'a StoreKey<'a>, pub(super) i64, pub(super) &'a CounterOptions);

impl One for Get<'_> {
    type Answer = Lookup;
    const OPERATION: Operation = Operation::Get;
    const WRITES: bool = false;

    fn key(&self) -> &StoreKey<'_> {
        self.0
    }

    fn until(&self) -> Option<Instant> {
        self.1.until
    }

    async fn on(&self, store: &impl Backend, tokens: Tokens) -> Result<Lookup> {
        store.get(self.0, self.1).await.map(|lookup| tokens.lookup(lookup))
    }
}

impl One for Set<'_> {
    type Answer = Written;
    const OPERATION: Operation = Operation::Set;
    const WRITES: bool = true;

    fn key(&self) -> &StoreKey<'_> {
        self.0
    }

    fn until(&self) -> Option<Instant> {
        self.2.until
    }

    async fn on(&self, store: &impl Backend, tokens: Tokens) -> Result<Written> {
        let options = self.2.when(tokens.condition(self.2.condition));
        store.set(self.0, self.1, &options).await.map(|written| tokens.written(written))
    }
}

impl One for Touch<'_> {
    type Answer = bool;
    const OPERATION: Operation = Operation::Touch;
    const WRITES: bool = true;

    fn key(&self) -> &StoreKey<'_> {
        self.0
    }

    fn until(&self) -> Option<Instant> {
        self.1.until
    }

    async fn on(&self, store: &impl Backend, tokens: Tokens) -> Result<bool> {
        store.touch(self.0, &self.1.when(tokens.condition(self.1.condition))).await
    }
}

impl One for Delete<'_> {
    type Answer = bool;
    const OPERATION: Operation = Operation::Delete;
    const WRITES: bool = true;

    fn key(&self) -> &StoreKey<'_> {
        self.0
    }

    fn until(&self) -> Option<Instant> {
        self.1.until
    }

    async fn on(&self, store: &impl Backend, tokens: Tokens) -> Result<bool> {
        store.delete(self.0, &self.1.when(tokens.condition(self.1.condition))).await
    }
}

impl One for Increment<'_> {
    type Answer = Option<u64>;
    const OPERATION: Operation = Operation::Increment;
    const WRITES: bool = true;

    fn key(&self) -> &StoreKey<'_> {
        self.0
    }

    fn until(&self) -> Option<Instant> {
        self.2.until
    }

    async fn on(&self, store: &impl Backend, _: Tokens) -> Result<Option<u64>> {
        increment(store, self.0, self.1, self.2).await
    }
}

/// One of several in a call.
pub(super) trait Item: Clone + Send + Sync {
    type Answer: Send;
    const OPERATION: Operation;
    const WRITES: bool;
    /// What all of a call have in common.
    type Options: Sync;

    fn key(&self) -> &StoreKey<'_>;
    fn until(&self, options: &Self::Options) -> Option<Instant>;
    /// One answer each, in their order.
    fn on(
        items: &[Self],
        options: &Self::Options,
        store: &impl Backend,
        tokens: Tokens,
    ) -> impl Future<Output = Vec<Result<Self::Answer>>> + Send;
}

impl Item for StoreKey<'_> {
    type Answer = Lookup;
    const OPERATION: Operation = Operation::Get;
    const WRITES: bool = false;
    type Options = GetOptions;

    fn key(&self) -> &StoreKey<'_> {
        self
    }

    fn until(&self, options: &GetOptions) -> Option<Instant> {
        options.until
    }

    async fn on(
        items: &[Self],
        options: &GetOptions,
        store: &impl Backend,
        tokens: Tokens,
    ) -> Vec<Result<Lookup>> {
        let found = store.get_many(items, options).await;
        found.into_iter().map(|found| found.map(|lookup| tokens.lookup(lookup))).collect()
    }
}

macro_rules! items {
    ($($item:ident: $operation:ident, $method:ident, $answer:ty, $outside:expr;)*) => {$(
        impl Item for $item<'_> {
            type Answer = $answer;
            const OPERATION: Operation = Operation::$operation;
            const WRITES: bool = true;
            type Options = ();

            fn key(&self) -> &StoreKey<'_> {
                &self.key
            }

            fn until(&self, (): &()) -> Option<Instant> {
                self.options.until
            }

            async fn on(items: &[Self], (): &(), store: &impl Backend, tokens: Tokens) -> Vec<Result<$answer>> {
                if tokens == Tokens::OF_FIRST {
                    return store.$method(items).await;
                }
                let turned: Vec<Self> = items
                    .iter()
                    .cloned()
                    .map(|mut item| {
                        item.options.condition = tokens.condition(item.options.condition);
                        item
                    })
                    .collect();
                let answers = store.$method(&turned).await;
                answers.into_iter().map(|answer| answer.map(|answer| $outside(tokens, answer))).collect()
            }
        }
    )*};
}

items! {
    SetItem: Set, set_many, Written, Tokens::written;
    TouchItem: Touch, touch_many, bool, |_, touched| touched;
    DeleteItem: Delete, delete_many, bool, |_, removed| removed;
}
