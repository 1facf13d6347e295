//! Whether an answer may be stored (RFC 9111, 3).

use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, DATE, ETAG, LAST_MODIFIED, RANGE, SET_COOKIE},
};

use super::{
    Exchange, Rules, Stored,
    cache_control::RequestControl,
    date::{date_value, millis_of, seconds_of},
    fields,
    freshness::{Freshness, explicit, may_be_guessed},
    targeted::governing,
    vary::{Selecting, Vary},
};

/// Whether an answer may be stored.
#[derive(Debug)]
pub enum Storing {
    /// It may.
    Store(Box<Stored>),
    /// It may not, and why.
    DoNotStore(NotStored),
}

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotStored {
    /// The method is another than `GET`.
    Method,
    /// The status: part of an answer, or none of its own.
    Status,
    /// `must-understand`, and a status that is not understood.
    NotUnderstood,
    /// The request was for a part.
    Range,
    /// The request says `no-store`.
    AskedNotTo,
    /// The answer says `no-store`.
    NoStore,
    /// The answer says `private`.
    Private,
    /// The request had `Authorization`, and the answer does not say that others may have it.
    Authorization,
    /// `Vary: *`, or more than can be kept.
    Vary,
    /// Nothing says for how long it may be used, and it cannot be validated.
    NoFreshness,
    /// It sets a cookie, and does not say for how long it may be used.
    Cookie,
}

impl NotStored {
    /// One word or two, as they stand in `Cache-Status`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::NotUnderstood => "must-understand",
            Self::Range => "range",
            Self::AskedNotTo => "request no-store",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Vary => "vary",
            Self::NoFreshness => "no freshness",
            Self::Cookie => "cookie",
        }
    }
}

/// Whether this answer may be stored, and as what.
pub fn storing(exchange: &Exchange<'_>, rules: &Rules) -> Storing {
    match what(exchange, rules) {
        Ok(stored) => Storing::Store(Box::new(stored)),
        Err(why) => Storing::DoNotStore(why),
    }
}

fn what(exchange: &Exchange<'_>, rules: &Rules) -> Result<Stored, NotStored> {
    let Exchange { request, answer, asked, answered } = exchange;
    if request.method != Method::GET {
        return Err(NotStored::Method);
    }
    if answer.status.is_informational()
        || matches!(answer.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return Err(NotStored::Status);
    }
    if request.headers.contains_key(RANGE) {
        return Err(NotStored::Range);
    }
    if RequestControl::of(&request.headers).no_store {
        return Err(NotStored::AskedNotTo);
    }
    let governing = governing(&answer.headers, rules);
    let control = &governing.control;
    if control.must_understand {
        // Whoever understands the status may leave `no-store` beside it (RFC 9111, 5.2.2.3).
        if !is_understood(answer.status) {
            return Err(NotStored::NotUnderstood);
        }
    } else if control.no_store {
        return Err(NotStored::NoStore);
    }
    if control.private.is_all() {
        return Err(NotStored::Private);
    }
    if request.headers.contains_key(AUTHORIZATION) && !control.allows_authorized() {
        return Err(NotStored::Authorization);
    }
    let Vary::On(names) = Vary::of(&answer.headers) else { return Err(NotStored::Vary) };

    let times = (seconds_of(*asked), seconds_of(*answered));
    let states = explicit(&answer.headers, &governing, times.1).is_some();
    let freshness = Freshness::of(answer.status, &answer.headers, &governing, times, rules);
    if !states && answer.headers.contains_key(SET_COOKIE) {
        return Err(NotStored::Cookie);
    }
    let can_be_validated = [ETAG, LAST_MODIFIED].iter().any(|field| answer.headers.contains_key(field));
    let may_be_used = freshness.lifetime > freshness.on_arrival
        || freshness.if_error > 0
        || freshness.while_revalidate > 0
        || (can_be_validated && (states || control.public || may_be_guessed(answer.status)));
    if !may_be_used {
        return Err(NotStored::NoFreshness);
    }
    let mut headers = fields::stored(&answer.headers, control);
    if !headers.contains_key(DATE) {
        // RFC 9110, 6.6.1: whoever receives an answer without a date gives it one.
        headers.insert(DATE, date_value(*answered));
    }
    Ok(Stored {
        status: answer.status,
        headers,
        selecting: Selecting::of(&request.headers, &names),
        received: millis_of(*answered),
        freshness,
    })
}

/// The statuses whose meaning for a cache this one knows: those of RFC 9110 that may be stored.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=204 | 300..=303 | 307 | 308 | 400..=406 | 408..=415 | 417 | 421 | 422 | 426 | 500..=505
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{Request, Response};

    use super::*;

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn full(method: &str, request: Fields<'_>, status: u16, answer: Fields<'_>) -> Result<Stored, NotStored> {
        let mut asked = Request::builder().method(method).uri("/");
        for (name, value) in request {
            asked = asked.header(*name, *value);
        }
        let mut answered = Response::builder().status(status);
        for (name, value) in answer {
            answered = answered.header(*name, *value);
        }
        let (request, ()) = asked.body(()).unwrap().into_parts();
        let (answer, ()) = answered.body(()).unwrap().into_parts();
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let exchange = Exchange { request: &request, answer: &answer, asked: now, answered: now };
        match storing(&exchange, &Rules::default()) {
            Storing::Store(stored) => Ok(*stored),
            Storing::DoNotStore(why) => Err(why),
        }
    }

    fn of(request: Fields<'_>, answer: Fields<'_>) -> Result<(), NotStored> {
        full("GET", request, 200, answer).map(drop)
    }

    const FRESH: (&str, &str) = ("cache-control", "max-age=60");

    #[test]
    fn methods_statuses_and_ranges() {
        assert_eq!(full("POST", &[], 200, &[FRESH]).unwrap_err(), NotStored::Method);
        assert_eq!(full("HEAD", &[], 200, &[FRESH]).unwrap_err(), NotStored::Method);
        for status in [206, 304, 101] {
            assert_eq!(full("GET", &[], status, &[FRESH]).unwrap_err(), NotStored::Status);
        }
        for status in [200, 204, 299, 302, 404, 500, 599] {
            assert!(full("GET", &[], status, &[FRESH]).is_ok(), "{status}");
        }
        assert_eq!(of(&[("range", "bytes=0-1")], &[FRESH]), Err(NotStored::Range));
    }

    #[test]
    fn must_understand() {
        let control = [("cache-control", "max-age=60, must-understand, no-store")];
        assert!(full("GET", &[], 200, &control).is_ok());
        assert_eq!(full("GET", &[], 599, &control).unwrap_err(), NotStored::NotUnderstood);
    }

    #[test]
    fn what_forbids() {
        assert_eq!(of(&[("cache-control", "no-store")], &[FRESH]), Err(NotStored::AskedNotTo));
        for (control, why) in [
            ("max-age=60, no-store", NotStored::NoStore),
            ("max-age=60, private", NotStored::Private),
            ("max-age=60, x=\"", NotStored::NoStore),
        ] {
            assert_eq!(of(&[], &[("cache-control", control)]), Err(why));
        }
        assert_eq!(of(&[], &[FRESH, ("vary", "a, *")]), Err(NotStored::Vary));
        assert_eq!(of(&[], &[("cache-control", "max-age=60, private=\"a\"")]), Ok(()));
    }

    #[test]
    fn authorization_in_any_spelling() {
        for spelling in ["Authorization", "AUTHORIZATION", "authorization"] {
            let asked = [(spelling, "Basic eA==")];
            assert_eq!(of(&asked, &[FRESH]), Err(NotStored::Authorization));
            for control in ["public, max-age=1", "s-maxage=1", "must-revalidate, max-age=1"] {
                assert_eq!(of(&asked, &[("cache-control", control)]), Ok(()));
            }
        }
        // Even an empty one.
        assert_eq!(of(&[("authorization", "")], &[FRESH]), Err(NotStored::Authorization));
    }

    #[test]
    fn nothing_without_freshness_or_validator() {
        assert_eq!(of(&[], &[]), Err(NotStored::NoFreshness));
        assert_eq!(of(&[], &[("cache-control", "max-age=0")]), Err(NotStored::NoFreshness));
        assert_eq!(of(&[], &[FRESH, ("age", "60")]), Err(NotStored::NoFreshness));
        assert_eq!(of(&[], &[("etag", "\"a\"")]), Ok(()));
        assert_eq!(of(&[], &[("cache-control", "no-cache"), ("etag", "\"a\"")]), Ok(()));
        assert_eq!(of(&[], &[("cache-control", "max-age=0, stale-if-error=5")]), Ok(()));
        let see_other = full("GET", &[], 303, &[("etag", "\"a\"")]);
        assert_eq!(see_other.unwrap_err(), NotStored::NoFreshness);
    }

    #[test]
    fn a_cookie_needs_an_explicit_lifetime() {
        let cookie = ("set-cookie", "a=b");
        assert_eq!(of(&[], &[cookie, ("etag", "\"a\"")]), Err(NotStored::Cookie));
        assert_eq!(of(&[], &[cookie, FRESH]), Ok(()));
    }
}
