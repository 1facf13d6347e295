//! Whether something that is stored answers a request (RFC 9111, 4).

use std::time::SystemTime;

use http::{Method, header::RANGE, request};

use super::{Rules, Stored, cache_control::RequestControl, conditional::FOR_THE_ORIGIN};

/// What is to be done with a request. `place` is the position of the stored answer among those that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The stored answer is the answer.
    Hit {
        /// Which one.
        place: usize,
        /// How old it is, in seconds: its `Age`.
        age: u64,
        /// Why it may be served although it is stale, if it is.
        stale: Option<Stale>,
    },
    /// There is one, which the upstream has to confirm first.
    Revalidate {
        /// Which one.
        place: usize,
        /// Why.
        why: Unusable,
        /// Whether it may be served should the upstream fail.
        if_error: bool,
    },
    /// Nothing that is stored fits.
    Miss {
        /// Whether something is stored for other requests of this address (`Vary`).
        other_variants: bool,
    },
    /// The request has nothing to do with what is stored.
    Pass(Passed),
    /// The client wants nothing but what is stored, and that cannot be had: 504.
    Unavailable,
}

/// Why a stale answer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// While it is revalidated, which the caller has to do now.
    WhileRevalidate,
    /// The client accepts it (`max-stale`).
    Accepted,
}

/// Why a stored answer has to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is stale.
    Stale,
    /// Its `no-cache` asks for it each time.
    NoCache,
    /// The client asks for it: `no-cache`, or a `max-age` or `min-fresh` that it does not meet.
    Asked,
}

/// Why a request is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The method is neither `GET` nor `HEAD`.
    Method,
    /// It is for a part.
    Range,
    /// It has a condition that only the origin can evaluate.
    Condition,
    /// It says `no-store`.
    NoStore,
}

impl Passed {
    /// A word, as it stands in `Cache-Status`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Range => "range",
            Self::Condition => "precondition",
            Self::NoStore => "request no-store",
        }
    }
}

/// What is to be done with this request, given what is stored for its address. Of several that fit, the one that was received
/// last counts.
pub fn reuse<'s>(
    request: &request::Parts,
    stored: impl IntoIterator<Item = &'s Stored>,
    now: SystemTime,
    rules: &Rules,
) -> Reuse {
    if let Some(why) = passed(request, rules) {
        return Reuse::Pass(why);
    }
    let asked = asked(request, rules);
    let found = match select(request, stored) {
        Ok((place, stored)) => judge(&asked, place, stored, now),
        Err(other_variants) => Reuse::Miss { other_variants },
    };
    match found {
        Reuse::Hit { .. } => found,
        _ if asked.only_if_cached => Reuse::Unavailable,
        _ => found,
    }
}

fn asked(request: &request::Parts, rules: &Rules) -> RequestControl {
    if rules.heed_clients { RequestControl::of(&request.headers) } else { RequestControl::default() }
}

/// Why this request is passed, whatever is stored.
pub fn passed(request: &request::Parts, rules: &Rules) -> Option<Passed> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Some(Passed::Method);
    }
    if request.headers.contains_key(RANGE) {
        return Some(Passed::Range);
    }
    if FOR_THE_ORIGIN.iter().any(|field| request.headers.contains_key(field)) {
        return Some(Passed::Condition);
    }
    asked(request, rules).no_store.then_some(Passed::NoStore)
}

/// The newest of those that fit; without one, whether there are others.
fn select<'s>(
    request: &request::Parts,
    stored: impl IntoIterator<Item = &'s Stored>,
) -> Result<(usize, &'s Stored), bool> {
    let mut others = false;
    let mut newest: Option<(usize, &Stored)> = None;
    for (place, stored) in stored.into_iter().enumerate() {
        if !stored.selecting.matches(&request.headers) {
            others = true;
        } else if newest.is_none_or(|(_, newest)| newest.received <= stored.received) {
            newest = Some((place, stored));
        }
    }
    newest.ok_or(others)
}

fn judge(asked: &RequestControl, place: usize, stored: &Stored, now: SystemTime) -> Reuse {
    let freshness = &stored.freshness;
    let (age, ttl) = (stored.age(now), stored.ttl(now));
    let stale_for = ttl.unsigned_abs();
    let is_fresh = ttl > 0;
    let if_error =
        freshness.may_be_stale && (is_fresh || stale_for <= freshness.if_error) && freshness.if_error > 0;
    let revalidate = |why| Reuse::Revalidate { place, why, if_error };

    if freshness.always_validate {
        return revalidate(Unusable::NoCache);
    }
    let too_old = asked.max_age.is_some_and(|most| age > most) && asked.max_stale.is_none();
    let too_stale = asked.min_fresh.is_some_and(|least| ttl < i64::try_from(least).unwrap_or(i64::MAX));
    if asked.no_cache || too_old || too_stale {
        return revalidate(Unusable::Asked);
    }
    if is_fresh {
        return Reuse::Hit { place, age, stale: None };
    }
    if freshness.may_be_stale {
        if stale_for < freshness.while_revalidate {
            return Reuse::Hit { place, age, stale: Some(Stale::WhileRevalidate) };
        }
        if asked.max_stale.is_some_and(|most| stale_for <= most) {
            return Reuse::Hit { place, age, stale: Some(Stale::Accepted) };
        }
    }
    revalidate(Unusable::Stale)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::Request;

    use super::*;
    use crate::caching::{freshness::Freshness, vary::Selecting};

    fn request(fields: &[(&'static str, &str)]) -> request::Parts {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn stored(freshness: Freshness) -> Stored {
        Stored {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            selecting: Selecting::default(),
            received: 1_000_000,
            freshness,
        }
    }

    fn fresh() -> Freshness {
        Freshness { lifetime: 60, may_be_stale: true, ..Freshness::default() }
    }

    /// What becomes of a request this many seconds after the answer was received.
    fn after(seconds: u64, freshness: Freshness, control: &str) -> Reuse {
        let request = request(&[("cache-control", control)]);
        let now = UNIX_EPOCH + Duration::from_secs(1_000 + seconds);
        reuse(&request, [&stored(freshness)], now, &Rules::default())
    }

    const HIT: fn(u64) -> Reuse = |age| Reuse::Hit { place: 0, age, stale: None };

    fn why(found: Reuse) -> Unusable {
        let Reuse::Revalidate { why, .. } = found else { panic!("{found:?}") };
        why
    }

    #[test]
    fn fresh_until_its_lifetime_ends() {
        assert_eq!(after(59, fresh(), "x"), HIT(59));
        assert_eq!(why(after(60, fresh(), "x")), Unusable::Stale);
        assert_eq!(why(after(1, Freshness { on_arrival: 59, ..fresh() }, "x")), Unusable::Stale);
        assert_eq!(why(after(0, Freshness { always_validate: true, ..fresh() }, "x")), Unusable::NoCache);
    }

    #[test]
    fn what_clients_may_ask() {
        assert_eq!(why(after(0, fresh(), "no-cache")), Unusable::Asked);
        assert_eq!(after(10, fresh(), "max-age=10"), HIT(10));
        assert_eq!(why(after(11, fresh(), "max-age=10")), Unusable::Asked);
        assert_eq!(after(10, fresh(), "min-fresh=50"), HIT(10));
        assert_eq!(why(after(11, fresh(), "min-fresh=50")), Unusable::Asked);
        assert_eq!(after(0, fresh(), "no-store"), Reuse::Pass(Passed::NoStore));
        let accepted = Reuse::Hit { place: 0, age: 70, stale: Some(Stale::Accepted) };
        assert_eq!(after(70, fresh(), "max-stale=10"), accepted);
        assert_eq!(after(70, fresh(), "max-stale"), accepted);
        assert_eq!(why(after(71, fresh(), "max-stale=10")), Unusable::Stale);
        let forbidden = Freshness { may_be_stale: false, ..fresh() };
        assert_eq!(why(after(70, forbidden, "max-stale")), Unusable::Stale);
    }

    #[test]
    fn a_deployment_may_not_heed_them() {
        let rules = Rules { heed_clients: false, ..Rules::default() };
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        for control in ["no-cache", "no-store", "max-age=0"] {
            let request = request(&[("cache-control", control), ("pragma", "no-cache")]);
            assert_eq!(reuse(&request, [&stored(fresh())], now, &rules), HIT(0), "{control}");
        }
    }

    #[test]
    fn only_if_cached() {
        assert_eq!(after(59, fresh(), "only-if-cached"), HIT(59));
        assert_eq!(after(60, fresh(), "only-if-cached"), Reuse::Unavailable);
        let nothing =
            reuse(&request(&[("cache-control", "only-if-cached")]), [], UNIX_EPOCH, &Rules::default());
        assert_eq!(nothing, Reuse::Unavailable);
    }

    #[test]
    fn stale_windows() {
        let window = Freshness { while_revalidate: 10, if_error: 20, ..fresh() };
        let stale = Reuse::Hit { place: 0, age: 69, stale: Some(Stale::WhileRevalidate) };
        assert_eq!(after(69, window, "x"), stale);
        let if_error = |found| matches!(found, Reuse::Revalidate { if_error: true, .. });
        assert!(if_error(after(70, window, "x")) && if_error(after(80, window, "x")));
        assert!(!if_error(after(81, window, "x")));
        // Who asks for a validation does not get a stale one meanwhile.
        assert_eq!(why(after(61, window, "no-cache")), Unusable::Asked);
    }

    #[test]
    fn what_is_passed() {
        let passes = |request: &request::Parts| reuse(request, [], UNIX_EPOCH, &Rules::default());
        assert_eq!(passes(&request(&[("range", "bytes=0-1")])), Reuse::Pass(Passed::Range));
        assert_eq!(passes(&request(&[("if-match", "\"a\"")])), Reuse::Pass(Passed::Condition));
        let (mut post, ()) = Request::post("/").body(()).unwrap().into_parts();
        assert_eq!(passes(&post), Reuse::Pass(Passed::Method));
        post.method = Method::HEAD;
        assert_eq!(passes(&post), Reuse::Miss { other_variants: false });
    }

    #[test]
    fn the_newest_that_fits() {
        let names = ["foo".parse().unwrap()];
        let variant = |value: &str, received| Stored {
            selecting: Selecting::of(&request(&[("foo", value)]).headers, &names),
            received,
            ..stored(fresh())
        };
        let all = [variant("1", 1_000_000), variant("2", 1_000_000), variant("1", 1_001_000)];
        let now = UNIX_EPOCH + Duration::from_secs(1_001);
        let found = |value: &str| reuse(&request(&[("foo", value)]), &all, now, &Rules::default());
        assert_eq!(found("1"), Reuse::Hit { place: 2, age: 0, stale: None });
        assert_eq!(found("2"), Reuse::Hit { place: 1, age: 1, stale: None });
        assert_eq!(found("3"), Reuse::Miss { other_variants: true });
    }
}
