//! The loader itself: within its limit, its leases kept, its panics caught.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::{
    Few,
    budget::by,
    events::Event,
    flight::Flight,
    lease::{self},
    loaded::Loaded,
    loader::Loader,
    panics::{Panicked, caught},
    waits::{self},
    wanted::Wanted,
};
use super::Load;
use crate::{
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    policy::Abandon,
    value::Value,
};

pub(super) async fn all_abandoned<O: Clone>(flights: &[Arc<Flight<O>>]) {
    loop {
        for flight in flights {
            flight.abandoned().await;
        }
        // While the last ones were waited for, somebody may have joined the first.
        if flights.iter().all(|flight| flight.is_abandoned()) {
            return;
        }
    }
}

impl<T: Value, L: Loader<T>> Load<T, L> {
    /// Runs the loader, which begins now, within its limit, and keeps the leases meanwhile. `None`: nobody waits for it any more.
    pub(super) async fn load(&mut self, begun: Instant) -> Option<Result<Few<Option<Loaded<T>>>>> {
        let failed = |kind, message: &str| Error::new(kind, Operation::Load, message);
        let loader = &self.order.loader;
        let Some(loader) = loader.again().or_else(|| loader.take()) else {
            return Some(Err(failed(ErrorKind::Load, "the loader has already been called")));
        };
        let flights: Few<_> = match self.order.call.policy.abandon {
            Abandon::Finish => Few::new(),
            Abandon::Cancel => self.wanted.iter().map(|wanted| Arc::clone(wanted.flight())).collect(),
        };
        let Self { kit, order, wanted, node, .. } = self;
        let policy = &order.call.policy;
        kit.events.happened(&Event::LoadBegun);
        let count = wanted.len();
        let asked: Few<_> = if L::ASKS {
            wanted.iter().map(|wanted| (wanted.flight().key.clone(), wanted.old.clone())).collect()
        } else {
            Few::new()
        };
        // On the heap, once: each thing that is done around it would hold it twice.
        let running = Box::pin(waits::within(Arc::clone(node), caught(async { loader.load(asked).await })));
        let limit = policy.load_limit;
        let limited = async {
            let limited = async {
                match limit {
                    Some(limit) => match begun.checked_add(limit) {
                        Some(end) => by(end, running).await,
                        None => Some(running.await),
                    },
                    None => Some(running.await),
                }
            };
            if flights.is_empty() {
                return Some(limited.await);
            }
            tokio::select! {
                ended = limited => Some(ended),
                () = all_abandoned(&flights) => None,
            }
        };
        let mut holds: Few<_> = wanted
            .iter_mut()
            .filter_map(|wanted| {
                let Wanted { landing, hold, .. } = wanted;
                Some((StoreKey::new(&landing.kit.namespace, &landing.flight.key), hold.as_mut()?))
            })
            .collect();
        let made = lease::keep(&kit.store, policy.lease, &mut holds, limited).await?;
        drop(holds);
        Some(match made {
            Some(Ok(Ok(mut made))) => {
                made.resize_with(count, || None);
                Ok(made)
            }
            Some(Ok(Err(why))) => Err(failed(ErrorKind::Load, "the loader failed").with_source(why)),
            Some(Err(Panicked)) => Err(failed(ErrorKind::Panicked, "the loader panicked")),
            None => {
                let limit = limit.unwrap_or_default();
                let key = wanted.first().map_or("", |wanted| wanted.flight().key.text());
                tracing::warn!(
                    cache = %kit.name, key, keys = count, ?limit,
                    "a loader did not finish and was abandoned; does it wait for its own key in a task that it has spawned?"
                );
                let message =
                    format!("the loader did not finish within the load limit of {limit:?} and was abandoned");
                Err(failed(ErrorKind::Timeout, &message))
            }
        })
    }
}
