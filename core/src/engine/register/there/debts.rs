//! Invalidations that did not reach the store, or perhaps did not. They are made up for: before anything is read that depends
//! on them, and in the background until the store is reached. Until then this process serves nothing that they concern.
//!
//! A process that ends forgets what it owes.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use super::{
    super::super::{budget::Budget, stamps::any_tag},
    super::memory::{Oldest, Sent},
    There,
};
use crate::{
    backend::Condition,
    entry::Scope,
    error::{ErrorKind, Result},
    random,
    ttl::Ttl,
};

/// How many invalidations are owed one by one. With more, the whole namespace is owed.
const MOST_OWED: usize = 1024;
/// The pauses between attempts to pay: they double. A store that is back is in use again within a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// An invalidation that is owed unless it turns out to be done.
pub(super) struct Debt<'a> {
    there: &'a Arc<There>,
    scope: Option<Scope>,
}

impl<'a> Debt<'a> {
    pub(super) fn new(there: &'a Arc<There>, scope: &Scope) -> Self {
        Self { there, scope: Some(scope.clone()) }
    }

    pub(super) fn settle(mut self) {
        self.scope = None;
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        let Some(scope) = self.scope.take() else { return };
        {
            let mut memory = self.there.memory();
            if memory.owed().len() >= MOST_OWED {
                memory.owe_only(&self.there.levels.whole());
            } else {
                if matches!(scope, Scope::Tag(_)) {
                    // See `since`.
                    memory.owe(&any_tag());
                }
                memory.owe(&scope);
            }
        }
        self.there.pay_later();
    }
}

impl There {
    /// Pays what is owed of these, if anything is.
    pub(super) async fn pay_for(self: &Arc<Self>, wanted: &[Scope], sent: Sent) {
        let owed: Vec<Scope> = {
            let memory = self.memory();
            if memory.owed().is_empty() {
                return;
            }
            wanted.iter().filter(|scope| memory.owed().contains_key(scope)).cloned().collect()
        };
        if owed.is_empty() {
            return;
        }
        if let Err(error) = self.pay(owed.clone()).await {
            let failed = owed.into_iter().map(|scope| (scope, Err(error.clone())));
            self.memory().answered(failed, sent, Instant::now());
        }
    }

    /// Gives each of these a new version, whatever is there.
    async fn pay(self: &Arc<Self>, owed: Vec<Scope>) -> Result<()> {
        let (any, rest): (Vec<_>, Vec<_>) = owed.into_iter().partition(|scope| *scope == any_tag());
        // First: see `since`.
        for scopes in [any, rest] {
            if !scopes.is_empty() {
                let kept = (Ttl::After(Duration::ZERO), Oldest::ANY);
                self.make(scopes, kept, Condition::Always, Budget::start(None)).await?;
            }
        }
        Ok(())
    }

    /// Pays in the background, as soon as the store can be reached.
    fn pay_later(self: &Arc<Self>) {
        if Handle::try_current().is_err() || self.paying.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut paying = Paying { there: Arc::downgrade(self), is_over: false };
        tokio::spawn(async move { paying.until_paid().await });
    }
}

/// The task that pays. However it ends, it makes room for another one.
struct Paying {
    there: Weak<There>,
    is_over: bool,
}

impl Paying {
    async fn until_paid(&mut self) {
        let mut pause = PAUSES.0;
        loop {
            tokio::time::sleep(pause.mul_f64(0.75 + random::unit() / 4.0)).await;
            pause = (pause * 2).min(PAUSES.1);
            // Nobody uses the cache any more.
            let Some(there) = self.there.upgrade() else { return };
            let owed: Vec<Scope> = {
                let memory = there.memory();
                if memory.owed().is_empty() {
                    // Under the lock: who owes something from now on begins another task.
                    there.paying.store(false, Ordering::Release);
                    self.is_over = true;
                    return;
                }
                memory.owed().keys().cloned().collect()
            };
            match there.pay(owed).await {
                // Nothing is served by it any more.
                Err(error) if error.kind() == ErrorKind::Closed => return,
                _ => {}
            }
        }
    }
}

impl Drop for Paying {
    fn drop(&mut self) {
        if let Some(there) = self.there.upgrade().filter(|_| !self.is_over) {
            there.paying.store(false, Ordering::Release);
        }
    }
}
