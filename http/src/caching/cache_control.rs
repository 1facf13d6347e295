//! What `Cache-Control` of a request and of an answer says, typed (RFC 9111, 5.2; RFC 5861).

use http::{
    HeaderMap, HeaderName,
    header::{CACHE_CONTROL, PRAGMA},
};

use super::directives::{Directive, directives, seconds};

/// A directive that may name header fields, such as `private="x-user"`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// It is not there.
    #[default]
    Absent,
    /// It is meant for these fields alone.
    Fields(Vec<HeaderName>),
    /// It is meant for the whole answer.
    All,
}

impl Scope {
    /// More than this many names count as all fields.
    const MAX_FIELDS: usize = 64;

    fn add(&mut self, value: Option<&[u8]>) {
        let mut names = match self {
            Self::All => return,
            Self::Absent => Vec::new(),
            Self::Fields(names) => std::mem::take(names),
        };
        let Some(value) = value else {
            *self = Self::All;
            return;
        };
        for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
        {
            match HeaderName::from_bytes(name) {
                Ok(name) if names.len() < Self::MAX_FIELDS => names.push(name),
                // A list that cannot be understood is meant for everything.
                _ => {
                    *self = Self::All;
                    return;
                }
            }
        }
        *self = if names.is_empty() { Self::All } else { Self::Fields(names) };
    }

    /// Whether the directive is there and names no fields.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// The fields that are named.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::All => &[],
        }
    }
}

/// What an answer says of how it may be stored and used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a directive of its own, and any may stand beside any"
)]
pub struct AnswerControl {
    /// `max-age`, in seconds. What is no number of seconds, and two that differ, is 0: stale (RFC 9111, 4.2.1).
    pub max_age: Option<u64>,
    /// `s-maxage`, in seconds; as for `max_age`.
    pub s_maxage: Option<u64>,
    /// `stale-while-revalidate` (RFC 5861), in seconds.
    pub stale_while_revalidate: Option<u64>,
    /// `stale-if-error` (RFC 5861), in seconds.
    pub stale_if_error: Option<u64>,
    /// `no-store`. So is what cannot be read to its end: it may have been there.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: Scope,
    /// `private`.
    pub private: Scope,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
}

impl AnswerControl {
    /// What `Cache-Control` says. With `targeted` (RFC 9213), see [`targeted`](super::targeted::governing).
    pub fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for directive in directives(headers, &CACHE_CONTROL) {
            control.add(&directive);
        }
        control
    }

    fn add(&mut self, directive: &Directive<'_>) {
        let value = directive.value();
        // Whether it is written well matters to what allows; what forbids is heeded in any spelling.
        if directive.is("no-store") {
            self.no_store = true;
        } else if directive.is("no-cache") {
            self.no_cache.add(value);
        } else if directive.is("private") {
            self.private.add(value);
        } else if directive.is("must-revalidate") {
            self.must_revalidate = true;
        } else if directive.is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if directive.is("max-age") {
            lifetime(&mut self.max_age, directive);
        } else if directive.is("s-maxage") {
            lifetime(&mut self.s_maxage, directive);
        } else if !directive.is_well_formed() {
            self.no_store |= value.is_some_and(|value| value.starts_with(b"\""));
        } else if directive.is("public") {
            self.public = true;
        } else if directive.is("must-understand") {
            self.must_understand = true;
        } else if directive.is("stale-while-revalidate") {
            lifetime(&mut self.stale_while_revalidate, directive);
        } else if directive.is("stale-if-error") {
            lifetime(&mut self.stale_if_error, directive);
        }
    }

    /// Whether a stale answer must not be used without having been validated (RFC 9111, 4.2.4; for `s-maxage`,
    /// 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache.is_all()
    }

    /// Whether it may be stored although the request had `Authorization` (RFC 9111, 3.5).
    pub fn allows_authorized(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }
}

fn lifetime(slot: &mut Option<u64>, directive: &Directive<'_>) {
    let value = directive.value().filter(|_| directive.is_well_formed()).and_then(seconds).unwrap_or(0);
    *slot = match *slot {
        Some(before) if before != value => Some(0),
        _ => Some(value),
    };
}

/// What a request asks of caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RequestControl {
    /// `max-age`, in seconds; what cannot be understood is 0.
    pub max_age: Option<u64>,
    /// `min-fresh`, in seconds.
    pub min_fresh: Option<u64>,
    /// `max-stale`, in seconds; without a number, any.
    pub max_stale: Option<u64>,
    /// `no-cache`, or `Pragma: no-cache` where there is no `Cache-Control` (RFC 9111, 5.4).
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
}

impl RequestControl {
    /// What these fields say.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for directive in directives(headers, &CACHE_CONTROL) {
            let number = || directive.value().filter(|_| directive.is_well_formed()).and_then(seconds);
            if directive.is("no-cache") {
                control.no_cache = true;
            } else if directive.is("no-store") {
                control.no_store = true;
            } else if directive.is("only-if-cached") {
                control.only_if_cached = true;
            } else if directive.is("max-age") {
                let age = number().unwrap_or(0);
                control.max_age = Some(control.max_age.map_or(age, |before| before.min(age)));
            } else if directive.is("min-fresh") {
                control.min_fresh = control.min_fresh.max(number());
            } else if directive.is("max-stale") {
                control.max_stale = match directive.value() {
                    None => Some(u64::MAX),
                    Some(_) => number(),
                };
            }
        }
        if !headers.contains_key(CACHE_CONTROL) {
            control.no_cache = directives(headers, &PRAGMA).any(|directive| directive.is("no-cache"));
        }
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> AnswerControl {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, text.parse().unwrap());
        AnswerControl::of(&headers)
    }

    fn request(text: &str) -> RequestControl {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, text.parse().unwrap());
        RequestControl::of(&headers)
    }

    #[test]
    fn lifetimes() {
        assert_eq!(answer("MaX-aGe=7, S-MAXAGE=\"8\"").max_age, Some(7));
        assert_eq!(answer("s-maxage=\"8\"").s_maxage, Some(8));
        for stale in [
            "max-age",
            "max-age=",
            "max-age=1.5",
            "max-age=-1",
            "max-age='7'",
            "max-age =7",
            "max-age=1, max-age=2",
        ] {
            assert_eq!(answer(stale).max_age, Some(0), "{stale}");
        }
        assert_eq!(answer("max-age=7, max-age=7").max_age, Some(7));
        assert_eq!(answer("x=\"max-age=7\"").max_age, None);
    }

    #[test]
    fn what_forbids_is_heeded_in_any_spelling() {
        assert!(
            answer("No-StOrE").no_store && answer("no-store=1").no_store && answer("no-store =x").no_store
        );
        assert!(answer("private=").private.is_all());
        // What cannot be read to its end may have had it.
        assert!(answer("x=\"y, no-store").no_store && !answer("x=\"y, no-store\"").no_store);
        // And what allows is not.
        assert!(!answer("public =1").public);
    }

    #[test]
    fn directives_that_name_fields() {
        assert_eq!(answer("private=\"A, b\"").private.fields(), ["a", "b"]);
        assert!(answer("private=\"a\", private").private.is_all());
        assert!(answer("private, private=\"a\"").private.is_all());
        assert!(answer("no-cache=\"a, b c\"").no_cache.is_all());
        assert!(!answer("no-cache=\"a\"").forbids_stale() && answer("no-cache").forbids_stale());
    }

    #[test]
    fn requests() {
        assert_eq!(request("max-stale").max_stale, Some(u64::MAX));
        assert_eq!(request("max-stale=x").max_stale, None);
        assert_eq!(request("max-age=5, max-age=3").max_age, Some(3));
        assert_eq!(request("min-fresh=3, min-fresh=5").min_fresh, Some(5));
        assert_eq!(request("max-age=x").max_age, Some(0));
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, "foo, No-Cache".parse().unwrap());
        assert!(RequestControl::of(&headers).no_cache);
        headers.insert(CACHE_CONTROL, "x".parse().unwrap());
        assert!(!RequestControl::of(&headers).no_cache);
    }
}
