//! From keys to values: serve what is there, wait for a load, or begin one. One key is several with n = 1.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::Instant};

use super::{
    budget::{Budget, Paused},
    call::Call,
    events::Event,
    fetched::{Fetched, Status},
    flight::{Arrival, End, Flight, Joined, Present},
    kit::{Kit, Outcome},
    loader::{Loader, Slot},
    look::missed,
    reading::Reading,
    register::Register,
    run::Load,
    slide::slide,
    store::{Found, Nothing, Place},
    waits::{self, Node, Wait},
    wanted::{Seed, Wanted},
};
use crate::{
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    miss::Miss,
    value::Value,
    versions::Standing,
};

/// How much longer than a load may take its flight is waited for: its task may be late in saying so.
const GRACE: Duration = Duration::from_secs(1);

/// What is to be done about one key.
enum Verdict<T, R> {
    /// This is served; perhaps another is made in the background.
    Serve(R, Option<Seed<T>>),
    /// It is loaded.
    Load(Pending<T, R>),
}

/// A key that is loaded.
struct Pending<T, R> {
    seed: Option<Seed<T>>,
    /// What is served should the load fail or take too long.
    fallback: Option<R>,
    /// How long is waited for the loader.
    limit: Option<Duration>,
}

/// What came of waiting for a load.
enum Waited<T> {
    Ended(Outcome<T>),
    /// It took longer than the caller waits.
    Late,
    /// There is nothing in it for this caller, who joins or begins another.
    Again,
}

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
) -> Vec<Result<Option<R>>>
where
    T: Value,
    R: Reading<T>,
    L: Loader<T>,
{
    let ask = Ask { kit, call: Arc::new(call), loader: Arc::new(Slot::new(loader)), begun: Instant::now() };
    ask.answers(keys, known).await
}

/// One call.
struct Ask<'a, T, L> {
    kit: &'a Arc<Kit<T>>,
    call: Arc<Call>,
    loader: Arc<Slot<L>>,
    begun: Instant,
}

impl<T: Value, L: Loader<T>> Ask<'_, T, L> {
    async fn answers<R: Reading<T>>(
        &self,
        keys: &[StoreKey<'_>],
        known: Option<Entry>,
    ) -> Vec<Result<Option<R>>> {
        let Self { kit, call, .. } = self;
        let arrivals: Vec<Arrival> = keys.iter().map(|key| kit.flights.arrive(key, self.begun)).collect();
        let budget = kit.store.budget();
        let is_early = known.is_some();
        let found = match known {
            Some(entry) => vec![Ok(Ok(entry))],
            None => kit.store.read_many(keys, &call.tags, budget).await,
        };
        let mut answers: Vec<Option<Result<Option<R>>>> = Vec::with_capacity(keys.len());
        let mut pending: Vec<(usize, Pending<T, R>)> = Vec::new();
        let mut refresh: Vec<(usize, Seed<T>)> = Vec::new();
        for (place, (key, found)) in keys.iter().zip(found).enumerate() {
            match self.verdict(key, found, is_early).await {
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
            let message = "a value is to be loaded, and there is no tokio runtime here to do it on";
            let error = Error::new(ErrorKind::NoRuntime, Operation::Load, message);
            return answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(error.clone()))).collect();
        }

        let mut paused = budget.pause();
        let since = Instant::now();
        let mut newer = call.fresh;
        while !pending.is_empty() || !refresh.is_empty() {
            let background = std::mem::take(&mut refresh);
            let aboard = self.board((keys, &arrivals), &mut pending, background, (newer, paused));
            let mut again = Vec::new();
            for ((place, one), boarded) in std::mem::take(&mut pending).into_iter().zip(aboard) {
                let late = one.limit.and_then(|limit| since.checked_add(limit));
                let (waited, left) = self.wait(&boarded, &arrivals[place], late, paused).await;
                // Several are waited for one after the other, and within one budget.
                paused = left;
                if let Waited::Again = waited {
                    again.push((place, one));
                    continue;
                }
                let is_fenced = boarded.flight.is_fenced();
                answers[place] = Some(self.settle(&keys[place], one, waited, (is_fenced, paused)).await);
            }
            pending = again;
            // What has been waited for in vain is not waited for once more.
            newer = true;
        }
        // Every place was served or settled.
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(lost()))).collect()
    }

    /// What follows from what the store said of a key.
    async fn verdict<R: Reading<T>>(
        &self,
        key: &StoreKey<'_>,
        found: Result<Found>,
        is_early: bool,
    ) -> Verdict<T, R> {
        let Self { kit, call, .. } = self;
        let policy = &call.policy;
        let load = |seed, fallback, limit| Verdict::Load(Pending { seed: Some(seed), fallback, limit });
        let now = kit.clock.now();
        let read: Result<R> = match found {
            Ok(Ok(entry)) => {
                let place = entry.token();
                match R::of(kit, key, entry, now).await {
                    Ok(read) => Ok(read),
                    Err(why) => {
                        let nothing = Nothing { miss: why.into(), place: Place::Taken(place) };
                        missed(kit, &nothing.miss);
                        return load(Seed::nothing(&nothing), None, policy.hard_deadline);
                    }
                }
            }
            Ok(Err(nothing)) => {
                missed(kit, &nothing.miss);
                return load(Seed::nothing(&nothing), None, policy.hard_deadline);
            }
            Err(error) => Err(error),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                let failed = kit.store.counted::<()>(Err(error)).err();
                return load(Seed::unknown(failed), None, policy.hard_deadline);
            }
        };

        let meta = read.entry().meta();
        let mut seed = Seed {
            place: Some(Place::Taken(read.entry().token())),
            stands: true,
            old: read.fetched(),
            revision: meta.revision,
            lease: None,
            failed: None,
        };
        if call.fresh {
            return load(seed, None, policy.hard_deadline);
        }
        let rests = kit.resting.is_paused(key.hash(), now);
        if now < meta.lifetime.fresh_until {
            kit.events.hit(meta.load_cost);
            slide(kit, policy, key, read.entry(), now).await;
            let is_early = is_early || (policy.refreshes_early() && policy.is_early(meta, now));
            return Verdict::Serve(read, (is_early && !rests).then_some(seed));
        }

        kit.events.happened(&Event::Miss { reason: &Miss::Stale });
        seed.revision = 0;
        let stale_for = now.since(meta.lifetime.fresh_until);
        if policy.may_revalidate(stale_for) {
            kit.events.happened(&Event::Stale);
            return Verdict::Serve(read.with_status(Status::Stale), (!rests).then_some(seed));
        }
        if !policy.may_excuse(stale_for) {
            // Kept for another process's policy, or by a store that is late in removing it.
            seed.old = None;
            return load(seed, None, policy.hard_deadline);
        }
        if rests {
            kit.events.happened(&Event::Stale);
            return Verdict::Serve(read.with_status(Status::Stale), None);
        }
        let limit = [policy.soft_deadline, policy.hard_deadline].into_iter().flatten().min();
        load(seed, Some(read), limit)
    }

    /// Joins the flights of these keys, and begins those that there are not yet, all in one load. For each that is pending
    /// the flight that it waits for, and whether it was begun for it.
    ///
    /// With `newer`, no flight is joined that began before this call arrived.
    fn board<R>(
        &self,
        (keys, arrivals): (&[StoreKey<'_>], &[Arrival]),
        pending: &mut [(usize, Pending<T, R>)],
        background: Vec<(usize, Seed<T>)>,
        (newer, budget): (bool, Paused),
    ) -> Vec<Boarded<T>> {
        let Self { kit, call, .. } = self;
        let node = Node::new();
        let mut wanted = Vec::new();
        for (place, seed) in background {
            let joined = kit.flights.join(&keys[place], &arrivals[place], false, &call.tags, &node);
            if let Joined::Leader { flight, look_again } = joined {
                // Nobody waits for it.
                flight.keep();
                wanted.push(Wanted::new(kit, flight, look_again, seed, call.policy.error_backoff));
            }
        }
        let mut aboard = Vec::with_capacity(pending.len());
        for (place, one) in pending {
            let key = &keys[*place];
            // Counted before it begins, so that it does not find itself abandoned.
            let mut boards = |flight: &Aboard<T>, leads| {
                aboard.push(Boarded { flight: Arc::clone(flight), leads, _present: flight.enter() });
            };
            match kit.flights.join(key, &arrivals[*place], newer, &call.tags, &node) {
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
        if !wanted.is_empty() {
            let load = Load {
                kit: Arc::clone(kit),
                call: Arc::clone(call),
                wanted,
                node,
                nested: waits::is_nested(),
                budget,
            };
            load.begin(Arc::clone(&self.loader));
        }
        aboard
    }

    /// Waits for a flight; for its loader until then at most. Gives back what is left of the budget.
    async fn wait(
        &self,
        boarded: &Boarded<T>,
        arrival: &Arrival,
        late: Option<Instant>,
        paused: Paused,
    ) -> (Waited<T>, Paused) {
        let Boarded { flight, leads, .. } = boarded;
        let made = match self.wait_for_loader(flight, *leads, late).await {
            Ok(made) => made,
            Err(waited) => return (waited, paused.less(flight.used())),
        };
        // What the load has used is used up for whoever has waited for it.
        let budget = paused.less(flight.used()).resume();
        let landed = match budget.bound(flight.landed()).await {
            Some(End::Outcome(Ok(Some(landed)))) => landed,
            // What is not stored in time is stored in the background.
            _ => made,
        };
        let waited = if *leads {
            Waited::Ended(Ok(Some(landed)))
        } else if self.is_for(flight, arrival, budget).await {
            Waited::Ended(Ok(Some(landed.with_status(Status::Joined))))
        } else {
            Waited::Again
        };
        (waited, budget.pause())
    }

    /// What a flight's loader has made.
    async fn wait_for_loader(
        &self,
        flight: &Aboard<T>,
        leads: bool,
        late: Option<Instant>,
    ) -> Result<Fetched<T>, Waited<T>> {
        let Self { kit, call, .. } = self;
        let Ok(_wait) = Wait::begin(&flight.load) else { return Err(Waited::Ended(Err(waits_for_itself()))) };
        if !leads {
            if waits::is_nested() {
                // Who waits for it has a turn that it may be waiting for.
                flight.load.hurry();
            }
            kit.events.happened(&Event::Joined);
        }
        let made = loop {
            let alive = flight.load.last_beat();
            let lost =
                call.policy.load_limit.and_then(|limit| alive.checked_add(limit.saturating_add(GRACE)));
            let Some(end) = [late, lost].into_iter().flatten().min() else { break flight.made().await };
            if let Ok(made) = tokio::time::timeout_at(end, flight.made()).await {
                break made;
            }
            if late.is_some_and(|late| late <= end) {
                // It goes on, whoever waits for it.
                flight.keep();
                return Err(Waited::Late);
            }
            if flight.load.last_beat() == alive {
                // Its runtime is not driven any more, or its loader would have ended.
                kit.flights.give_up(flight);
                break End::Vanished;
            }
        };
        match made {
            End::Outcome(Ok(Some(made))) => Ok(made),
            // The loader of several has left this key out. This caller's own may have it.
            End::Outcome(Ok(None)) if !leads && self.loader.is_full() => Err(Waited::Again),
            End::Outcome(outcome) => Err(Waited::Ended(outcome)),
            End::Vanished if self.loader.is_full() => Err(Waited::Again),
            End::Vanished => Err(Waited::Ended(Err(vanished()))),
        }
    }

    /// Whether a flight's value is right for somebody who arrived then. Who removes the key through the same cache removes its
    /// flight from the table; here it is about those who invalidate a tag of it or clear its namespace, and, under leases,
    /// about other processes that remove the key.
    async fn is_for(&self, flight: &Aboard<T>, arrival: &Arrival, budget: Budget) -> bool {
        // Whatever was removed before this caller arrived was removed before the loader looked.
        if flight.is_newer_than(arrival) || flight.loader_began().is_some_and(|began| began > arrival.at) {
            return true;
        }
        if flight.is_doubtful() {
            return false;
        }
        if self.call.policy.lease.is_some() {
            return flight.is_vouched_for(arrival.at);
        }
        if let Register::There(there) = &self.kit.store.register {
            let began = flight.loader_began().unwrap_or(flight.begun);
            if there.is_within_lag(began, arrival.at) {
                return true;
            }
        }
        match flight.stamps() {
            Some(stamps) => {
                // Nor can a store that cannot say what was invalidated be told so.
                let standing = self.kit.store.standing(stamps, arrival.at, budget).await;
                standing.map_or(true, |standing| standing == Standing::Stands)
            }
            None => true,
        }
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
                match R::of(kit, key, entry, now).await {
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

pub(crate) fn waits_for_itself() -> Error {
    let message = "the loader of this key waits, directly or by way of others, for the key itself";
    Error::new(ErrorKind::Recursion, Operation::Load, message)
}

fn vanished() -> Error {
    Error::new(ErrorKind::Load, Operation::Load, "the load was abandoned; is the runtime shutting down?")
}

fn lost() -> Error {
    Error::new(ErrorKind::Other, Operation::Load, "a key was neither found nor loaded")
}
