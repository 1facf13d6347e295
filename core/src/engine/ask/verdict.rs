//! What follows from what the store said of a key: it is served, or it is loaded.

use std::time::Duration;

use super::super::{
    events::Event,
    fetched::Status,
    loader::Loader,
    look::missed,
    near::Sighted,
    reading::Reading,
    slide::slide,
    store::{Nothing, Place},
    wanted::Seed,
};
use super::Ask;
use crate::{error::Result, key::StoreKey, miss::Miss, value::Value};

/// What is to be done about one key.
pub(super) enum Verdict<T, R> {
    /// This is served; perhaps another is made in the background.
    Serve(R, Option<Seed<T>>),
    /// It is loaded.
    Load(Pending<T, R>),
}

/// A key that is loaded.
pub(super) struct Pending<T, R> {
    pub(super) seed: Option<Seed<T>>,
    /// What is served should the load fail or take too long.
    pub(super) fallback: Option<R>,
    /// How long is waited for the loader.
    pub(super) limit: Option<Duration>,
}

impl<T: Value, L: Loader<T>> Ask<'_, T, L> {
    /// What follows from what the store said of a key.
    pub(super) async fn verdict<R: Reading<T>>(
        &self,
        key: &StoreKey<'_>,
        Sighted { found, is_near }: Sighted,
        is_early: bool,
    ) -> Verdict<T, R> {
        let (kit, call) = (self.kit, &self.order.call);
        let policy = &call.policy;
        let load = |mut seed: Seed<T>, fallback, limit| {
            seed.is_near = is_near;
            Verdict::Load(Pending { seed: Some(seed), fallback, limit })
        };
        let now = kit.clock.now();
        let read: Result<R> = match found {
            Ok(Ok(entry)) => {
                let place = entry.token();
                match R::of(kit, key, entry, is_near, now).await {
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
            is_near,
        };
        if call.fresh {
            return load(seed, None, policy.hard_deadline);
        }
        let rests = kit.resting.is_paused(key.seeded_hash(), now);
        if now < meta.lifetime.fresh_until {
            kit.events.hit(meta.load_micros());
            if !is_near {
                slide(kit, policy, key, read.entry(), now).await;
            }
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
}
