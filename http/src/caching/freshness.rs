//! How long an answer may be used: fresh, and stale (RFC 9111, 4.2; RFC 5861).

use http::{
    HeaderMap, StatusCode,
    header::{DATE, EXPIRES, LAST_MODIFIED},
};
use serde::{Deserialize, Serialize};

use super::{
    Rules,
    age::{AgeField, on_arrival},
    cache_control::AnswerControl,
    date::DateField,
    targeted::Governing,
};

/// How long a stored answer may be used, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freshness {
    /// How old the answer was when it arrived.
    pub on_arrival: u64,
    /// For how long it is fresh, from when it was made.
    pub lifetime: u64,
    /// For how long afterwards it may be served while it is revalidated.
    pub while_revalidate: u64,
    /// For how long after its lifetime it may be served when the upstream fails.
    pub if_error: u64,
    /// Whether it may be served stale at all, such as to a client that says `max-stale`.
    pub may_be_stale: bool,
    /// Whether each use needs a validation, fresh or not (`no-cache`).
    pub always_validate: bool,
}

/// No answer is fresh for longer by a heuristic.
const MAX_HEURISTIC: u64 = 24 * 60 * 60;

impl Freshness {
    /// What the fields of an answer say. `asked` and `answered` are seconds since 1970.
    pub fn of(
        status: StatusCode,
        headers: &HeaderMap,
        governing: &Governing,
        times: (u64, u64),
        rules: &Rules,
    ) -> Self {
        let (asked, answered) = times;
        let control = &governing.control;
        let age = AgeField::of(headers);
        let date = DateField::of(headers, &DATE).at();
        let lifetime = match age {
            // Nobody knows how old it is: it is stale.
            AgeField::Invalid => 0,
            _ => explicit(headers, governing, date.unwrap_or(answered))
                .or_else(|| heuristic(status, headers, control, date.unwrap_or(answered), rules))
                .unwrap_or(0),
        };
        let may_be_stale = !control.forbids_stale();
        let window = |seconds: Option<u64>| seconds.filter(|_| may_be_stale);
        Self {
            on_arrival: on_arrival(age, date, asked, answered),
            lifetime,
            while_revalidate: window(control.stale_while_revalidate).unwrap_or(0),
            if_error: window(control.stale_if_error.or(Some(rules.stale_if_error))).unwrap_or(0),
            may_be_stale,
            always_validate: control.no_cache.is_all(),
        }
    }
}

/// The lifetime that the answer states (RFC 9111, 4.2.1); 0 for one that cannot be understood.
pub fn explicit(headers: &HeaderMap, governing: &Governing, date: u64) -> Option<u64> {
    let control = &governing.control;
    let stated = control.s_maxage.or(control.max_age);
    if stated.is_some() || governing.targeted {
        return stated;
    }
    match DateField::of(headers, &EXPIRES) {
        DateField::Absent => None,
        DateField::Invalid => Some(0),
        DateField::At(expires) => Some(expires.saturating_sub(date)),
    }
}

/// A fraction of the time that it had not changed for (RFC 9111, 4.2.2), if the deployment wants that.
fn heuristic(
    status: StatusCode,
    headers: &HeaderMap,
    control: &AnswerControl,
    date: u64,
    rules: &Rules,
) -> Option<u64> {
    let fraction = rules.heuristic.filter(|fraction| fraction.is_finite() && *fraction > 0.0)?;
    if !may_be_guessed(status) && !control.public {
        return None;
    }
    let modified = DateField::of(headers, &LAST_MODIFIED).at()?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds below 2^40, positive, and a float that is too large becomes the largest integer"
    )]
    let guess = (date.saturating_sub(modified) as f64 * fraction) as u64;
    Some(guess.min(MAX_HEURISTIC))
}

/// The statuses whose freshness may be guessed (RFC 9110, 15.1), but 206, which is not stored.
pub(super) fn may_be_guessed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

#[cfg(test)]
mod tests {
    use super::{super::targeted::governing, *};

    const NOW: u64 = 784_111_777;
    const DATED: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    fn with(rules: &Rules, fields: &[(&'static str, &str)]) -> Freshness {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Freshness::of(StatusCode::OK, &headers, &governing(&headers, rules), (NOW, NOW), rules)
    }

    fn of(fields: &[(&'static str, &str)]) -> Freshness {
        with(&Rules::default(), fields)
    }

    #[test]
    fn which_says_for_how_long() {
        let expires = ("expires", "Sun, 06 Nov 1994 08:49:47 GMT");
        assert_eq!(of(&[expires, DATED]).lifetime, 10);
        assert_eq!(of(&[expires]).lifetime, 10);
        assert_eq!(of(&[expires, ("cache-control", "max-age=7")]).lifetime, 7);
        assert_eq!(of(&[("cache-control", "max-age=7, s-maxage=8")]).lifetime, 8);
        assert_eq!(of(&[expires, ("cache-control", "max-age=x")]).lifetime, 0);
        assert_eq!(of(&[expires, ("cdn-cache-control", "foo")]).lifetime, 0);
        for expires in ["0", "Sun, 06 Nov 1994 08:49:30 GMT"] {
            assert_eq!(of(&[("expires", expires), DATED]).lifetime, 0);
        }
        assert_eq!(of(&[]).lifetime, 0);
    }

    #[test]
    fn an_age_that_is_none_makes_it_stale() {
        assert_eq!(of(&[("cache-control", "max-age=7"), ("age", "3")]).lifetime, 7);
        assert_eq!(of(&[("cache-control", "max-age=7"), ("age", "old")]).lifetime, 0);
    }

    #[test]
    fn stale_windows_unless_forbidden() {
        let window = |extra: &str| {
            let control = format!("max-age=1, stale-while-revalidate=2, stale-if-error=3{extra}");
            let found = of(&[("cache-control", &control)]);
            (found.while_revalidate, found.if_error, found.may_be_stale)
        };
        assert_eq!(window(""), (2, 3, true));
        for forbidding in [", must-revalidate", ", proxy-revalidate", ", s-maxage=1", ", no-cache"] {
            assert_eq!(window(forbidding), (0, 0, false), "{forbidding}");
        }
        let rules = Rules { stale_if_error: 9, ..Rules::default() };
        assert_eq!(with(&rules, &[]).if_error, 9);
        assert_eq!(with(&rules, &[("cache-control", "stale-if-error=0")]).if_error, 0);
        assert_eq!(with(&rules, &[("cache-control", "must-revalidate")]).if_error, 0);
    }

    #[test]
    fn guesses_only_where_asked() {
        let fields = [("last-modified", "Sun, 06 Nov 1994 08:32:57 GMT"), DATED];
        assert_eq!(of(&fields).lifetime, 0);
        let rules = Rules { heuristic: Some(0.1), ..Rules::default() };
        assert_eq!(with(&rules, &fields).lifetime, 100);
        assert_eq!(with(&rules, &[("last-modified", "Sun, 06 Nov 1970 08:32:57 GMT")]).lifetime, 0);
        assert_eq!(
            with(&rules, &[("last-modified", "Fri, 06 Nov 1970 08:32:57 GMT")]).lifetime,
            MAX_HEURISTIC
        );
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(with(&Rules { heuristic: Some(odd), ..Rules::default() }, &fields).lifetime, 0);
        }
    }
}
