//! From keys to values: serve what is there, wait for a load, or begin one. One key is several with n = 1.

mod verdict;
mod waiting;

use std::sync::Arc;

use tokio::{runtime::Handle, time::Instant};

use self::{
    verdict::{Pending, Verdict},
    waiting::Waited,
};
use super::{
    Few,
    budget::Paused,
    call::{Call, Order},
    events::Event,
    fetched::Status,
    flight::{Arrival, Flight, Joined, Present},
    kit::{Kit, Outcome},
    loader::{Loader, Slot},
    near::{self, Sighted},
    reading::Reading,
    run::Load,
    waits::{self, Node},
    wanted::{Seed, Wanted},
};
use crate::{
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    value::Value,
};

/// A flight that one of the keys waits for.
type Aboard<T> = Arc<Flight<Outcome<T>>>;

/// What one key waits for.
struct Boarded<T> {
    flight: Aboard<T>,
    /// It was begun for this call.
    leads: bool,
    _present: Present<Outcome<T>>,
}

/// The values of these keys, which are all different; the loader makes those that are missing. `known` is an entry of the
/// only key that was found fresh and due to be replaced ahead of time.
pub(crate) async fn ask<T, R, L>(
    kit: &Arc<Kit<T>>,
    keys: &[StoreKey<'_>],
    call: Call,
    loader: L,
    known: Option<Entry>,
) -> Few<Result<Option<R>>>
where
    T: Value,
    R: Reading<T>,
    L: Loader<T>,
{
    let order = Arc::new(Order { call, loader: Slot::new(loader) });
    let ask = Ask { kit, order, begun: Instant::now() };
    ask.answers(keys, known).await
}

/// One call.
struct Ask<'a, T, L> {
    kit: &'a Arc<Kit<T>>,
    order: Arc<Order<L>>,
    begun: Instant,
}

impl<T: Value, L: Loader<T>> Ask<'_, T, L> {
    async fn answers<R: Reading<T>>(
        &self,
        keys: &[StoreKey<'_>],
        known: Option<Entry>,
    ) -> Few<Result<Option<R>>> {
        let (kit, call) = (self.kit, &self.order.call);
        let arrivals: Few<Arrival> = keys.iter().map(|key| kit.flights.arrive(key, self.begun)).collect();
        let budget = kit.store.budget();
        let is_early = known.is_some();
        let sighted = match known {
            Some(entry) => {
                let is_near = kit.store.is_chain();
                if is_near {
                    kit.events.counters.near();
                }
                Few::from_buf([Sighted { found: Ok(Ok(entry)), is_near }])
            }
            // Whoever wants a new one has no use for a copy.
            None if call.fresh || call.from_store => {
                kit.store.read_many(keys, &call.tags, budget).await.into_iter().map(Sighted::far).collect()
            }
            None => near::read_many(kit, keys, &call.tags, budget).await,
        };
        let mut answers: Few<Option<Result<Option<R>>>> = Few::with_capacity(keys.len());
        let mut pending: Vec<(usize, Pending<T, R>)> = Vec::new();
        let mut refresh: Few<(usize, Seed<T>)> = Few::new();
        for (place, (key, sighted)) in keys.iter().zip(sighted).enumerate() {
            match self.verdict(key, sighted, is_early).await {
                Verdict::Serve(value, seed) => {
                    refresh.extend(seed.map(|seed| (place, seed)));
                    answers.push(Some(Ok(Some(value))));
                }
                Verdict::Load(one) => {
                    pending.push((place, one));
                    answers.push(None);
                }
            }
        }
        if (!pending.is_empty() || !refresh.is_empty()) && Handle::try_current().is_err() {
            let message = "loading a value needs a Tokio runtime, and this thread is not in one; call from a runtime, or use larder::blocking";
            let error = Error::new(ErrorKind::NoRuntime, Operation::Load, message);
            return answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(error.clone()))).collect();
        }

        let mut paused = budget.pause();
        // From when on the loader is waited for: read by those who do not wait for ever.
        let mut since = None;
        let mut newer = call.fresh;
        while !pending.is_empty() || !refresh.is_empty() {
            let background = std::mem::take(&mut refresh);
            let aboard = self.board((keys, &arrivals), &mut pending, background, (newer, paused));
            let mut again = Vec::new();
            for ((place, one), boarded) in std::mem::take(&mut pending).into_iter().zip(aboard) {
                let late = one.limit.and_then(|limit| {
                    let since: &mut Instant = since.get_or_insert_with(Instant::now);
                    since.checked_add(limit)
                });
                let (waited, left) = self.wait(&boarded, &arrivals[place], late, paused).await;
                // Several are waited for one after the other, and within one budget.
                paused = left;
                if let Waited::Again = waited {
                    again.push((place, one));
                    continue;
                }
                let is_fenced = boarded.flight.is_fenced();
                answers[place] = Some(match waited {
                    Waited::Ended(Ok(made)) => Ok(made.map(R::made)),
                    waited => Box::pin(self.settle(&keys[place], one, waited, (is_fenced, paused))).await,
                });
            }
            pending = again;
            // What has been waited for in vain is not waited for once more.
            newer = true;
        }
        // Every place was served or settled.
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(lost()))).collect()
    }

    /// Joins the flights of these keys, and begins those that there are not yet, all in one load. For each that is pending
    /// the flight that it waits for, and whether it was begun for it.
    ///
    /// With `newer`, no flight is joined that began before this call arrived.
    fn board<R>(
        &self,
        (keys, arrivals): (&[StoreKey<'_>], &[Arrival]),
        pending: &mut [(usize, Pending<T, R>)],
        background: Few<(usize, Seed<T>)>,
        (newer, budget): (bool, Paused),
    ) -> Few<Boarded<T>> {
        let (kit, call) = (self.kit, &self.order.call);
        let mut node = None;
        let mut load = || Arc::clone(node.get_or_insert_with(Node::new));
        let mut wanted = Vec::new();
        for (place, seed) in background {
            let joined = kit.flights.join(&keys[place], &arrivals[place], false, &call.tags, &mut load);
            if let Joined::Leader { flight, look_again } = joined {
                // Nobody waits for it.
                flight.keep();
                wanted.push(Wanted::new(kit, flight, look_again, seed, call.policy.error_backoff));
            }
        }
        // Who has a deadline is not to wait for a loader that works without ever waiting.
        let at_once = !pending.is_empty() && pending.iter().all(|(_, one)| one.limit.is_none());
        let mut aboard = Few::with_capacity(pending.len());
        for (place, one) in pending {
            let key = &keys[*place];
            // Counted before it begins, so that it does not find itself abandoned.
            let mut boards = |flight: &Aboard<T>, leads| {
                aboard.push(Boarded { flight: Arc::clone(flight), leads, _present: flight.enter() });
            };
            match kit.flights.join(key, &arrivals[*place], newer, &call.tags, &mut load) {
                Joined::Waiter(flight) => boards(&flight, false),
                Joined::Leader { flight, look_again } => {
                    // Where a first load has vanished, nothing is known any more but that the store had answered.
                    let again = one.seed.is_none();
                    let seed = one.seed.take().unwrap_or_else(|| Seed::unknown(None));
                    boards(&flight, true);
                    wanted.push(Wanted::new(
                        kit,
                        flight,
                        look_again || again,
                        seed,
                        call.policy.error_backoff,
                    ));
                }
            }
        }
        // There is one as soon as there is a flight to begin.
        if let Some(node) = node {
            let (kit, order, nested) = (Arc::clone(kit), Arc::clone(&self.order), waits::is_nested());
            Load { kit, order, wanted, node, nested, budget }.begin(at_once);
        }
        aboard
    }

    /// The answer for a key that was waited for.
    async fn settle<R: Reading<T>>(
        &self,
        key: &StoreKey<'_>,
        one: Pending<T, R>,
        waited: Waited<T>,
        (is_fenced, budget): (bool, Paused),
    ) -> Result<Option<R>> {
        let error = match waited {
            Waited::Ended(Ok(made)) => return Ok(made.map(R::made)),
            Waited::Ended(Err(error)) => error,
            Waited::Late | Waited::Again => {
                let limit = one.limit.unwrap_or_default();
                let message =
                    format!("the loader took longer than {limit:?}; it continues in the background");
                Error::new(ErrorKind::Timeout, Operation::Load, message)
            }
        };
        let Some(fallback) = one.fallback else { return Err(error) };
        // It may have been removed or replaced since it was read.
        let kit = self.kit;
        let serve_stale = |stale: R| {
            kit.events.happened(&Event::Stale);
            Ok(Some(stale.with_status(Status::Stale)))
        };
        match kit.store.read(key, &[], budget.resume()).await {
            Ok(Ok(entry)) => {
                let now = kit.clock.now();
                let is_fresh = entry.is_fresh(now);
                match R::of(kit, key, entry, false, now).await {
                    Ok(read) if is_fresh => Ok(Some(read)),
                    Ok(read) => serve_stale(read),
                    Err(_) => Err(error),
                }
            }
            Ok(Err(_)) => Err(error),
            // The store says nothing; this process knows at least of its own writes.
            Err(_) if is_fenced => Err(error),
            Err(_) => serve_stale(fallback),
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Other, Operation::Load, "a key was neither found nor loaded")
}
